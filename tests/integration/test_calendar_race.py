"""Two hundred customers at once, on real PostgreSQL: never an overlap, and every loser hears the truth.

Each race is run twice in `make test`, where every customer costs two cores, and twenty times by
`make race-calendar` (RACE_ROUNDS=20).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Barrier, Semaphore
from threading import local as thread_local

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session

from crm.calendar.booking import Booker, book
from crm.calendar.refusals import BookingConflict
from crm.db import Database, make_engine
from crm.models import Bay, ChatMessage, ChatSession, Lead, Location, Offer
from ops.clock import FixedClock
from tests.conftest import Shop, TestDatabase, build_shop
from tests.integration.calendar_help import local

ROUNDS = int(os.environ.get("RACE_ROUNDS", "2"))
THREADS, BAYS, MINUTES = 200, 10, 150
CODE = "tint-full-sedan-carbon"
MORNING, AFTERNOON = local(24, 9), local(24, 14)

OVERLAPS = text(
    "select count(*) from appointments a join appointments b on a.bay_id = b.bay_id and a.id < b.id"
    " and tstzrange(a.blocked_from, a.blocked_until) && tstzrange(b.blocked_from, b.blocked_until)"
    " where a.status in ('booked', 'confirmed') and b.status in ('booked', 'confirmed')"
)
BUSY = (
    "select bay_id, blocked_from, blocked_until from appointments"
    " where location_id = %s and status in ('booked', 'confirmed')"
)
BLOCK = text(
    "insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at,"
    " blocked_from, blocked_until, labour_minutes, visit, source)"
    " values (:tenant, :location, :bay, '{}', :start, :end, :start, :end, 0, 'wait', 'crm')"
)
_LOOK = thread_local()


@dataclass(frozen=True)
class Runner:
    """One customer with the offer they race for."""

    lead_id: int
    session_id: int
    offer_id: int
    wants: datetime


@dataclass(frozen=True)
class Outcome:
    """How it ended: the bay and the start of the winner, or what the loser was told.

    `untrue` are alternatives that were not free at the very moment they were named, or times that were free when
    the loser was told that nothing is.
    """

    bay_id: int | None
    starts_at: datetime
    alternatives: int = 0
    untrue: tuple[datetime, ...] = ()
    said: str = ""


@pytest.fixture
def crowd_db(test_database: TestDatabase) -> Iterator[Database]:
    """The application's database, with what these tests look at on the way."""
    engine = make_engine(test_database.app_url, pool_size=16)
    # A refusal gives the location's lock back by leaving its savepoint; that is the moment to look.
    event.listen(engine, "rollback_savepoint", _look_around)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def shop(crowd_db: Database, owner_engine: Engine) -> Shop:
    """A shop with ten bays."""
    built = build_shop(crowd_db, owner_engine, "north", "+13125550101")
    with crowd_db.tenant(built.tenant_id) as s:
        names = [f"Bay {number}" for number in range(3, BAYS + 1)]
        added = [Bay(tenant_id=built.tenant_id, location_id=built.location_id, name=name) for name in names]
        s.add_all(added)
        # Two weeks are enough to be told of other times, and half a minute cheaper than two months.
        s.get_one(Location, built.location_id).horizon_days = 14
        s.flush()
        built.bay_ids += [bay.id for bay in added]
    return built


def test_two_hundred_want_the_last_places_of_ten_bays(
    crowd_db: Database, shop: Shop, clock: FixedClock, owner_engine: Engine
) -> None:
    """Every other round the ten places are the last of the whole calendar, five mornings and five afternoons; in
    the rounds between, ten bays are free at one time and the rest of the calendar is empty."""
    for number in range(ROUNDS):
        _empty(owner_engine)
        scarce = number % 2 == 0
        if scarce:
            _block_all_but(owner_engine, shop, shop.bay_ids[:5], MORNING, clock.now())
            _block_all_but(owner_engine, shop, shop.bay_ids[5:], AFTERNOON, clock.now())
        wants = [MORNING, AFTERNOON if scarce else MORNING] * (THREADS // 2)
        outcomes = _race(crowd_db, shop, clock.now(), _crowd(crowd_db, shop, wants))
        won = _winners(outcomes)
        assert sorted(one.starts_at for one in won) == sorted(wants[:BAYS])
        assert {one.bay_id for one in won} == set(shop.bay_ids)
        told = _losers_heard_the_truth(outcomes, THREADS - BAYS)
        assert min(told) == (0 if scarce else 3)
        _no_overlap(owner_engine)


def test_two_hundred_want_one_place(
    crowd_db: Database, shop: Shop, clock: FixedClock, owner_engine: Engine
) -> None:
    """One free place: every other round alone in the whole calendar, else with afternoons left for the losers."""
    for number in range(ROUNDS):
        _empty(owner_engine)
        alone = number % 2 == 0
        _block_all_but(owner_engine, shop, shop.bay_ids[:1], MORNING, clock.now())
        _block_all_but(owner_engine, shop, shop.bay_ids[1:], None if alone else AFTERNOON, clock.now())
        outcomes = _race(crowd_db, shop, clock.now(), _crowd(crowd_db, shop, [MORNING] * THREADS))
        (winner,) = _winners(outcomes)
        assert (winner.bay_id, winner.starts_at) == (shop.bay_ids[0], MORNING)
        told = _losers_heard_the_truth(outcomes, THREADS - 1)
        assert set(told) == {0 if alone else 1}
        _no_overlap(owner_engine)


def _winners(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.bay_id is not None]


def _losers_heard_the_truth(outcomes: list[Outcome], count: int) -> list[int]:
    """How many alternatives each loser was given, after looking that all of them were true."""
    lost = [one for one in outcomes if one.bay_id is None]
    assert len(lost) == count
    assert [one for one in lost if one.untrue] == []
    assert all(one.said.endswith(".") for one in lost)
    return [one.alternatives for one in lost]


def _no_overlap(owner_engine: Engine) -> None:
    with owner_engine.connect() as connection:
        assert connection.execute(OVERLAPS).scalar_one() == 0


def _empty(owner_engine: Engine) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("delete from appointments"))


def _block_all_but(
    owner_engine: Engine, shop: Shop, bay_ids: list[int], kept: datetime | None, now: datetime
) -> None:
    """An outside calendar has these bays for months, except for exactly one visit that starts at `kept`."""
    months = now + timedelta(days=100)
    gaps = [(now, kept), (kept + timedelta(minutes=MINUTES), months)] if kept else [(now, months)]
    owner = {"tenant": shop.tenant_id, "location": shop.location_id}
    rows = [{**owner, "bay": bay, "start": start, "end": end} for bay in bay_ids for start, end in gaps]
    with owner_engine.begin() as connection:
        connection.execute(text("select set_config('app.tenant_id', :t, true)"), {"t": str(shop.tenant_id)})
        connection.execute(BLOCK, rows)


def _crowd(db: Database, shop: Shop, wants: list[datetime]) -> list[Runner]:
    """New customers, each with an offer of the time they want that they have really been shown."""
    with db.tenant(shop.tenant_id) as s:
        owner = {"tenant_id": shop.tenant_id, "location_id": shop.location_id}
        leads = [Lead(**owner, source="sample", first_name="C") for _ in wants]
        s.add_all(leads)
        s.flush()
        chats = [ChatSession(**owner, lead_id=lead.id, reply_token=f"race-{lead.id}") for lead in leads]
        s.add_all(chats)
        s.flush()
        shown = [_shown(shop, chat) for chat in chats]
        s.add_all(shown)
        s.flush()
        offers = [
            _offer(shop, chat, message, at) for chat, message, at in zip(chats, shown, wants, strict=True)
        ]
        s.add_all(offers)
        s.flush()
        return [Runner(one.lead_id, one.session_id, one.id, one.starts_at) for one in offers]


def _shown(shop: Shop, chat: ChatSession) -> ChatMessage:
    return ChatMessage(
        tenant_id=shop.tenant_id,
        session_id=chat.id,
        lead_id=chat.lead_id,
        direction="out",
        channel="sms",
        kind="reply",
        status="delivered",
        body="Tuesday at nine?",
        from_address=shop.phone,
        to_address="+13125550199",
    )


def _offer(shop: Shop, chat: ChatSession, message: ChatMessage, at: datetime) -> Offer:
    return Offer(
        tenant_id=shop.tenant_id,
        session_id=chat.id,
        lead_id=chat.lead_id,
        location_id=shop.location_id,
        service_ids=[shop.service_ids[CODE]],
        starts_at=at,
        ends_at=at + timedelta(minutes=MINUTES),
        labour_minutes=MINUTES,
        expires_at=at - timedelta(hours=2),
        message_id=message.id,
    )


def _race(db: Database, shop: Shop, now: datetime, runners: list[Runner]) -> list[Outcome]:
    """All at once: no thread starts before every thread is there."""
    start = Barrier(len(runners))
    # As many at a time as a worker has threads; in one Python process more of them only take turns at the interpreter,
    # with the location's lock in hand.
    connections = Semaphore(16)

    def run(runner: Runner) -> Outcome:
        start.wait(timeout=60)
        with connections, db.tenant(shop.tenant_id) as s:
            return _try(s, shop, runner, now)

    with ThreadPoolExecutor(len(runners)) as pool:
        return list(pool.map(run, runners))


def _try(s: Session, shop: Shop, runner: Runner, now: datetime) -> Outcome:
    """Book, and when that is refused find out whether what the loser was told is true.

    Nobody cancels here, so free time only shrinks: a time that was taken when the refusal was decided, still under
    the location's lock, was not free when it was named; a time that is free afterwards was free before.
    """
    _LOOK.location_id = shop.location_id
    booker = Booker(runner.lead_id, runner.session_id, "agent", now)
    try:
        appointment = book(s, runner.offer_id, booker)
    except BookingConflict as conflict:
        named = [slot.starts_at for slot in conflict.alternatives]
        untrue = [start for start in named if not _free(_LOOK.busy, shop, start)]
        if not named:
            _look_around(s.connection())
            untrue = [start for start in (MORNING, AFTERNOON) if _free(_LOOK.busy, shop, start)]
        return Outcome(None, runner.wants, len(named), tuple(untrue), str(conflict))
    return Outcome(appointment.bay_id, appointment.starts_at)


def _look_around(connection: Connection, *_: object) -> None:
    """Remember, for this thread, what is on every bay at this moment."""
    with connection.connection.cursor() as cursor:
        cursor.execute(BUSY, (_LOOK.location_id,))
        _LOOK.busy = cursor.fetchall()


def _free(busy: list[tuple[int, datetime, datetime]], shop: Shop, start: datetime) -> bool:
    end = start + timedelta(minutes=MINUTES)
    taken = {bay for bay, begin, until in busy if begin < end and start < until}
    return bool(set(shop.bay_ids) - taken)
