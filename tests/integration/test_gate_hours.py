"""The gate's hours: the law of every place the person may be in, and the shop's own hours on top."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from channels.gate import Decision
from channels.outbox import Outbox
from crm.db import Database
from crm.models import LocationClosure, SendDecision
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.gate_help import ask, at_noon, stop
from tests.integration.talking import change, decisions, message_of, put, rows
from tests.runtimes import FakeSender


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    db: Database,
    sms: FakeSender,
) -> Iterator[Runtime]:
    with at_noon(test_database, redis_url, clock, world, db, sms) as made:
        yield made


@pytest.fixture
def outbox(runtime: Runtime) -> Outbox:
    return runtime.outbox


def test_a_touch_in_the_night_goes_in_the_morning_after_another_look(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    clock.advance(timedelta(hours=10))  # ten in the evening in Chicago
    night = clock.now()
    goes, stopped = (put(db, shop, night, kind="touch") for shop in (world.north, world.south))
    for shop, message_id in ((world.north, goes), (world.south, stopped)):
        assert outbox.deliver(shop.tenant_id, message_id) == "pending"
    (held,) = rows(db, world.north, SendDecision)
    assert (held.decision, held.reasons) == (
        "hold",
        ["outside the lawful hours of the recipient: Mon 22:00 in America/Chicago"],
    )
    assert held.hold_until == night + timedelta(hours=12), "ten in the morning"
    assert message_of(db, world.north, goes).send_after == held.hold_until
    clock.advance(timedelta(hours=12))
    stop(db, world.south, clock)
    assert outbox.deliver(world.north.tenant_id, goes) == "sent"
    assert outbox.deliver(world.south.tenant_id, stopped) == "withheld"
    assert [sent.outbox_id for sent in sms.sent] == [message_of(db, world.north, goes).outbox_id]


def test_a_reply_and_a_mail_need_no_hours(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    clock.advance(timedelta(hours=10))
    assert outbox.deliver(world.north.tenant_id, put(db, world.north, clock.now())) == "sent"
    mail = put(db, world.north, clock.now(), kind="touch", channel="email")
    assert outbox.deliver(world.north.tenant_id, mail) == "sent"


def test_what_would_expire_while_it_waits_never_goes(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    clock.advance(timedelta(hours=10))
    expires = clock.now() + timedelta(hours=12)
    message_id = put(db, world.north, clock.now(), kind="touch", expires_at=expires)
    assert outbox.deliver(world.north.tenant_id, message_id) == "withheld"
    assert decisions(db, world.north, message_id) == [
        (
            "withhold",
            [
                "outside the lawful hours of the recipient: Mon 22:00 in America/Chicago",
                "it would expire before it may be sent",
            ],
        )
    ]


def at(text: str, zone: str = "America/Chicago") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def asked(db: Database, shop: Shop, moment: datetime, kind: str = "touch") -> Decision:
    return ask(db, shop, put(db, shop, moment, kind=kind), moment)


@pytest.mark.parametrize(
    ("moment", "until", "reason"),
    [
        ("2026-11-28T13:59", None, ""),
        ("2026-11-28T14:00", "2026-11-30T10:00", "the shop is closed, and its messages keep to its hours"),
        ("2026-11-29T12:00", "2026-11-30T10:00", "outside the lawful hours"),
        ("2026-11-24T12:00", "2026-11-25T10:00", "the shop is closed, and its messages keep to its hours"),
    ],
)
def test_a_touch_keeps_to_the_shops_own_hours_and_closures(
    runtime: Runtime, db: Database, world: World, moment: str, until: str | None, reason: str
) -> None:
    """The sample shop closes at two on Saturdays, where the law would allow five; on Tuesday it is closed."""
    with db.tenant(world.north.tenant_id) as session:
        tuesday = date(2026, 11, 24)
        shop = {"tenant_id": world.north.tenant_id, "location_id": world.north.location_id}
        session.add(LocationClosure(**shop, starts_on=tuesday, ends_on=tuesday))
    found = asked(db, world.north, at(moment))
    assert (found.verdict, found.hold_until) == (("hold", at(until)) if until else ("allow", None))
    assert until is None or found.reasons[0].startswith(reason)


def test_a_shop_may_send_while_it_is_closed_if_it_wants(runtime: Runtime, db: Database, world: World) -> None:
    change(db, world.north, "update tenants set settings = '{\"touches_in_shop_hours\": false}'")
    assert asked(db, world.north, at("2026-11-28T15:00")).verdict == "allow"
    assert asked(db, world.north, at("2026-11-28T17:00")).verdict == "hold"


def test_the_first_touch_answers_an_enquiry_though_the_shop_is_closed(
    runtime: Runtime, db: Database, world: World
) -> None:
    evening = at("2026-11-23T19:30")
    first, second, *_ = start(db, world.north, evening)
    message_id = put(db, world.north, evening, kind="touch", touch_point_id=first)
    assert ask(db, world.north, message_id, evening).verdict == "allow"
    message_id = put(db, world.north, evening, kind="touch", touch_point_id=second)
    assert ask(db, world.north, message_id, evening).verdict == "hold"


@pytest.mark.parametrize(
    ("known", "moment", "until"),
    [
        # San Francisco by postal code: ten there is noon here.
        ("postal_code = '94110'", "2026-11-23T10:30", "2026-11-23T12:00"),
        # El Paso lies in another zone than the rest of the state that somebody only named.
        ("state = 'Texas'", "2026-11-23T10:30", "2026-11-23T11:00"),
        ("postal_code = '78701', state = 'TX'", "2026-11-23T10:30", None),
        ("postal_code = 'M5V 2T6'", "2026-11-23T10:30", None),
    ],
)
def test_every_place_the_person_may_be_in_has_to_allow_it(
    runtime: Runtime, db: Database, world: World, known: str, moment: str, until: str | None
) -> None:
    change(db, world.north, f"update leads set {known} where id = :lead")
    assert asked(db, world.north, at(moment)).hold_until == (at(until) if until else None)


def test_a_state_of_the_person_narrows_the_first_touch(runtime: Runtime, db: Database, world: World) -> None:
    """Rhode Island from nine on weekdays, Illinois from eight."""
    morning = at("2026-11-23T08:30")
    first, *_ = start(db, world.north, morning)
    message_id = put(db, world.north, morning, kind="touch", touch_point_id=first)
    assert ask(db, world.north, message_id, morning).verdict == "allow"
    change(db, world.north, "update leads set state = 'RI' where id = :lead")
    found = ask(db, world.north, message_id, morning)
    assert (found.verdict, found.hold_until) == ("hold", at("2026-11-23T09:00"))


def test_a_reminder_leaves_the_night_free(runtime: Runtime, db: Database, world: World) -> None:
    assert asked(db, world.north, at("2026-11-23T20:59"), "reminder").verdict == "allow"
    assert asked(db, world.north, at("2026-11-23T21:00"), "reminder").hold_until == at("2026-11-24T08:00")


def test_what_is_allowed_says_until_when_it_may_arrive(runtime: Runtime, db: Database, world: World) -> None:
    noon = at("2026-11-23T12:00")
    assert asked(db, world.north, noon).good_until == at("2026-11-23T18:00")
    change(db, world.north, "update leads set postal_code = '10001' where id = :lead")
    change(db, world.north, "update chat_messages set status = 'dropped'")
    assert asked(db, world.north, noon).good_until == at("2026-11-23T17:00"), "six in New York"
    soon = noon + timedelta(hours=1)
    change(db, world.north, "update chat_messages set status = 'dropped'")
    message_id = put(db, world.north, noon, kind="touch", expires_at=soon)
    assert ask(db, world.north, message_id, noon).good_until == soon
    assert asked(db, world.north, noon, "reply").good_until is None


@pytest.mark.parametrize("day", ["2026-03-09", "2026-11-02"])
def test_the_window_opens_at_ten_by_the_clock_after_it_has_changed(
    runtime: Runtime, db: Database, world: World, day: str
) -> None:
    sunday = at(f"{day}T00:00") - timedelta(hours=12)
    assert asked(db, world.north, sunday).hold_until == at(f"{day}T10:00")
