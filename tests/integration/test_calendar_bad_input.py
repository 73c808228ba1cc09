"""Every bad input gets a sentence a customer's agent can use, and changes nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from crm.calendar.booking import book, cancel, move
from crm.calendar.refusals import BookingRefused
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import Shop, World
from tests.integration.calendar_help import Customer, add_offer, add_turn, call, customers, dana, local

# Everything a booking may touch; the records of tool calls and turns are what happened, not an effect.
WATCHED = ("appointments", "offers", "leads", "touch_points", "chat_messages", "bays", "locations")
NEVER = 2**53


@pytest.fixture
def unchanged(owner_engine: Engine) -> Callable[[], dict[str, Any]]:
    """What the database holds, to be compared with itself."""

    def look() -> dict[str, Any]:
        with owner_engine.connect() as connection:
            return {
                table: connection.execute(text(f"select to_jsonb(t) from {table} t order by id")).all()
                for table in WATCHED
            }

    return look


def _sentence(said: str) -> None:
    """Words for people: a capital first (or the name of an argument), a full stop, and nothing of the machine's inside."""
    assert said[0].isupper() or said.split()[0] in ("to_date", "before"), said
    assert said.endswith("."), said
    assert 15 < len(said) < 400, said
    assert not any(word in said for word in ("Traceback", "None", "Error", "psycopg", "select ")), said


Bad = Callable[[World, Customer], dict[str, Any]]

FIND: dict[str, Bad] = {
    "a service that does not exist": lambda w, c: {"service_ids": [NEVER]},
    "one that exists and one that does not": lambda w, c: {"service_ids": [_service(w.north), NEVER]},
    "the neighbour's service": lambda w, c: {"service_ids": [_service(w.south)]},
    "no service": lambda w, c: {"service_ids": []},
    "a negative service": lambda w, c: {"service_ids": [-1]},
    "service zero": lambda w, c: {"service_ids": [0]},
    "a service that is a word": lambda w, c: {"service_ids": ["tint"]},
    "a number no database holds": lambda w, c: {"service_ids": [10**30]},
    "too many services": lambda w, c: {"service_ids": list(range(1, 50))},
    "an end before the start": lambda w, c: {
        "service_ids": [_service(w.north)], "from_date": "2026-11-26", "to_date": "2026-11-25",
    },
    "an evening that ends in the morning": lambda w, c: {
        "service_ids": [_service(w.north)], "after": "16:00", "before": "09:00",
    },
    "a window in the past": lambda w, c: {
        "service_ids": [_service(w.north)], "from_date": "2026-11-02", "to_date": "2026-11-06",
    },
    "yesterday": lambda w, c: {
        "service_ids": [_service(w.north)], "from_date": "2026-11-22", "to_date": "2026-11-22",
    },
    "a day that does not exist": lambda w, c: {
        "service_ids": [_service(w.north)], "from_date": "2026-02-30",
    },
    "a time that does not exist": lambda w, c: {"service_ids": [_service(w.north)], "after": "25:00"},
    "a weekday that does not exist": lambda w, c: {"service_ids": [_service(w.north)], "weekdays": [7]},
}  # fmt: skip

OFFERS: dict[str, Bad] = {
    "an offer that does not exist": lambda w, c: {"offer_id": NEVER},
    "offer zero": lambda w, c: {"offer_id": 0},
    "a negative offer": lambda w, c: {"offer_id": -5},
    "a number no database holds": lambda w, c: {"offer_id": 10**30},
    "a word": lambda w, c: {"offer_id": "nine o'clock"},
    "nothing": lambda w, c: {},
}


def _service(shop: Shop) -> int:
    return shop.service_ids["tint-full-sedan-carbon"]


@pytest.mark.parametrize("name", FIND)
def test_a_bad_search(
    db: Database, world: World, clock: FixedClock, unchanged: Callable[[], Any], name: str
) -> None:
    who = dana(world.north)
    turn = add_turn(db, clock, who)
    before = unchanged()
    answer, result = call(turn, "find_times", **FIND[name](world, who))
    assert result.is_error
    assert not answer.get("offers")
    _sentence(answer["error"])
    assert unchanged() == before


@pytest.mark.parametrize("tool", ["book", "move"])
@pytest.mark.parametrize("name", OFFERS)
def test_a_bad_offer_id(
    db: Database, world: World, clock: FixedClock, unchanged: Callable[[], Any], name: str, tool: str
) -> None:
    who = dana(world.north)
    turn = add_turn(db, clock, who)
    before = unchanged()
    answer, result = call(turn, tool, **OFFERS[name](world, who))
    assert result.is_error
    _sentence(answer["error"])
    assert unchanged() == before


@pytest.mark.parametrize("act", [book, move])
@pytest.mark.parametrize("whose", ["another customer's", "another tenant's"])
def test_an_offer_that_is_not_theirs(
    db: Database, world: World, clock: FixedClock, unchanged: Callable[[], Any], whose: str, act: Any
) -> None:
    """The words are those for an offer that never was, so that guessing teaches nothing."""
    who = dana(world.north)
    _has_an_appointment(db, who, clock)
    other = dana(world.south) if whose == "another tenant's" else customers(db, world.north, 1)[0]
    offer_id = add_offer(db, other, local(25, 9))
    before = unchanged()
    said = _refused(db, who, clock, act, offer_id)
    assert (said.code, str(said)) == ("unknown", str(_refused(db, who, clock, act, NEVER)))
    _sentence(str(said))
    assert unchanged() == before


@pytest.mark.parametrize("act", [book, move])
@pytest.mark.parametrize(
    ("start", "shown", "hours_later", "code"),
    [
        (local(25, 9), None, 0, "not_shown"),
        (local(25, 9), "failed", 0, "not_shown"),
        (local(25, 9), "delivered", 47, "expired"),
        (local(25, 9), "delivered", 72, "past"),
        (local(20, 9), "delivered", 0, "past"),
        (local(25, 3), "delivered", 0, "closed"),
        (local(25, 17), "delivered", 0, "closed"),
        (local(29, 9), "delivered", 0, "closed"),
        (local(25, 9, 7), "delivered", 0, "off_grid"),
        (local(25, 9, year=2027), "delivered", 0, "too_far"),
    ],
)
def test_an_offer_that_is_no_good(
    db: Database,
    world: World,
    clock: FixedClock,
    unchanged: Callable[[], Any],
    act: Any,
    start: Any,
    shown: str | None,
    hours_later: int,
    code: str,
) -> None:
    who = dana(world.north)
    _has_an_appointment(db, who, clock, local(30, 9))
    if act is book:
        with db.tenant(who.shop.tenant_id) as s:
            cancel(s, who.booker(clock.now()))
    offer_id = add_offer(db, who, start, shown=shown)
    before = unchanged()
    clock.advance(timedelta(hours=hours_later))
    refusal = _refused(db, who, clock, act, offer_id)
    assert refusal.code == code
    _sentence(str(refusal))
    assert unchanged() == before


@pytest.mark.parametrize("tool", ["cancel", "move"])
def test_changing_what_is_not_there(
    db: Database, world: World, clock: FixedClock, unchanged: Callable[[], Any], tool: str
) -> None:
    who = dana(world.north)
    arguments = {"offer_id": add_offer(db, who, local(25, 9))} if tool == "move" else {}
    turn = add_turn(db, clock, who)
    before = unchanged()
    answer, result = call(turn, tool, **arguments)
    assert result.is_error
    _sentence(answer["error"])
    assert unchanged() == before


def _has_an_appointment(db: Database, who: Customer, clock: FixedClock, start: Any = None) -> None:
    offer_id = add_offer(db, who, start or local(24, 9))
    with db.tenant(who.shop.tenant_id) as s:
        book(s, offer_id, who.booker(clock.now()))


def _refused(db: Database, who: Customer, clock: FixedClock, act: Any, offer_id: int) -> BookingRefused:
    with db.tenant(who.shop.tenant_id) as s, pytest.raises(BookingRefused) as caught:
        act(s, offer_id, who.booker(clock.now()))
    return caught.value
