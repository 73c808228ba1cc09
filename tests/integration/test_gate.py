"""The gate at the moment of sending: every reason, kept with the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from channels.outbox import Outbox
from crm.consents import record_consent
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, SendDecision, Staff
from crm.notices import notify_staff
from crm.sample import add_sample_location
from crm.sessions import open_session
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.talking import (
    MINUTE,
    SlowSender,
    change,
    chat_of,
    decisions,
    hear,
    lead_of,
    message_of,
    pause,
    put,
    rows,
)
from tests.runtimes import FakeSender, runtime_for

NOON = timedelta(hours=3)
OLD = timedelta(days=3)


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
    clock.advance(NOON)
    for shop in (world.north, world.south):
        change(db, shop, "update leads set created_at = :at", at=clock.now() - OLD)
    with runtime_for(test_database, redis_url, clock, sms=sms, email=sms) as made:
        yield made


@pytest.fixture
def outbox(runtime: Runtime) -> Outbox:
    return runtime.outbox


def stop(
    db: Database, shop: Shop, clock: FixedClock, action: Any = "revoke", actor: Any = "customer"
) -> None:
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session,
            tenant_id=shop.tenant_id,
            channel="sms",
            address=CUSTOMER_PHONE,
            action=action,
            actor=actor,
            source="test",
            evidence="stop",
            effective_at=clock.now(),
        )


def book(db: Database, shop: Shop, clock: FixedClock, status: str = "booked", days: int = 1) -> None:
    start = clock.now() + timedelta(days=days)
    with db.tenant(shop.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=shop.lead_id,
                service_ids=[1], starts_at=start, ends_at=start + timedelta(hours=2), status=status, source="test",
            )
        )  # fmt: skip


def notice(db: Database, shop: Shop, clock: FixedClock) -> int:
    from crm.models import ChatSession, Lead, Location

    with db.tenant(shop.tenant_id) as session:
        (row,) = notify_staff(
            session,
            session=session.get_one(ChatSession, shop.session_id),
            lead=session.get_one(Lead, shop.lead_id),
            location=session.get_one(Location, shop.location_id),
            text="Dana needs a person",
            dedupe_key="test",
            now=clock.now(),
        )
        return row.id


Prepare = Callable[[Database, Shop, FixedClock], object]


def sql(statement: str) -> Prepare:
    return lambda db, shop, clock: change(db, shop, statement, now=clock.now())


STOPPED = "this person said stop on 2026-11-23 18:00 UTC"
HUMAN = sql("update chat_sessions set state = 'human' where id = :session")
NEWER = sql("update chat_sessions set last_inbound_id = 999999, last_inbound_at = :now where id = :session")
BAD_PHONE = sql("update leads set phone_bad_since = :now where id = :lead")
CONFIRMED: Prepare = lambda db, shop, clock: book(db, shop, clock, "confirmed")  # noqa: E731
CANCELLED: Prepare = lambda db, shop, clock: book(db, shop, clock, "cancelled")  # noqa: E731
DONE: Prepare = lambda db, shop, clock: book(db, shop, clock, days=-2)  # noqa: E731
BAD_EMAIL = sql("update leads set email_bad_since = :now where id = :lead")


@pytest.mark.parametrize(
    ("prepare", "kind", "channel", "status", "reason"),
    [
        (None, "reply", "sms", "sent", "every check passed"),
        (None, "touch", "sms", "sent", "every check passed"),
        (stop, "reply", "sms", "withheld", STOPPED),
        (stop, "touch", "sms", "withheld", STOPPED),
        (stop, "confirmation", "sms", "withheld", STOPPED),
        (stop, "reminder", "sms", "withheld", STOPPED),
        (stop, "consent", "sms", "sent", "every check passed"),
        (BAD_PHONE, "reply", "sms", "withheld", "this address does not work"),
        (BAD_PHONE, "reply", "email", "sent", "every check passed"),
        (BAD_EMAIL, "touch", "email", "withheld", "this address does not work"),
        (NEWER, "reply", "sms", "dropped", "the customer wrote again before this was sent"),
        (NEWER, "touch", "email", "dropped", "the customer wrote after this was planned"),
        (NEWER, "confirmation", "sms", "sent", "every check passed"),
        (NEWER, "consent", "sms", "sent", "every check passed"),
        (HUMAN, "reply", "sms", "dropped", "a person has taken over the conversation"),
        (HUMAN, "touch", "sms", "dropped", "a person has taken over the conversation"),
        (HUMAN, "consent", "sms", "sent", "every check passed"),
        (book, "touch", "sms", "dropped", "the customer already has an appointment"),
        (book, "reply", "sms", "sent", "every check passed"),
        (CONFIRMED, "touch", "sms", "dropped", "the customer already has an appointment"),
        (CANCELLED, "touch", "sms", "sent", "every check passed"),
        (DONE, "touch", "sms", "sent", "every check passed"),
    ],
)  # fmt: skip
def test_what_may_go_and_why_not(
    prepare: Prepare | None, kind: str, channel: str, status: str, reason: str,
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender,
) -> None:  # fmt: skip
    message_id = put(db, world.north, clock.now(), kind=kind, channel=channel)
    if prepare is not None:
        prepare(db, world.north, clock)
    assert outbox.deliver(world.north.tenant_id, message_id) == status
    verdict = {"sent": "allow", "withheld": "withhold", "dropped": "drop"}[status]
    assert decisions(db, world.north, message_id) == [(verdict, [reason])]
    row = message_of(db, world.north, message_id)
    assert (len(sms.sent), row.tries) == ((1, 1) if status == "sent" else (0, 0))
    assert row.error == (None if status == "sent" else reason)
    assert (row.final_at is None) is (status == "sent")
    assert outbox.deliver(world.north.tenant_id, message_id) == "not claimed"


def test_a_stop_holds_at_this_business_only(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    stop(db, world.north, clock)
    assert outbox.deliver(world.south.tenant_id, put(db, world.south, clock.now())) == "sent"


@pytest.mark.parametrize(("minutes", "status"), [(4, "sent"), (5, "sent"), (6, "withheld")])
def test_the_one_answer_to_a_stop_has_five_minutes(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, minutes: int, status: str
) -> None:
    stop(db, world.north, clock)
    message_id = put(db, world.north, clock.now(), kind="consent")
    clock.advance(timedelta(minutes=minutes))
    assert outbox.deliver(world.north.tenant_id, message_id) == status


@pytest.mark.parametrize(
    ("first", "then", "status"),
    [
        ("customer", "customer", "sent"),
        ("customer", "shop", "withheld"),
        ("customer", "crm", "withheld"),
        ("carrier", "customer", "sent"),
        ("carrier", "crm", "withheld"),
        ("shop", "shop", "sent"),
    ],
)
def test_who_may_undo_a_stop(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, first: str, then: str, status: str
) -> None:
    stop(db, world.north, clock, actor=first)
    stop(db, world.north, clock, "grant", then)
    assert outbox.deliver(world.north.tenant_id, put(db, world.north, clock.now())) == status


def test_staff_hears_of_everything(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender, owner_engine: Engine
) -> None:
    message_id = notice(db, world.north, clock)
    stop(db, world.north, clock)
    for prepare in (BAD_PHONE, NEWER, HUMAN):
        prepare(db, world.north, clock)
    pause(owner_engine, world.north)
    assert outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (staff,) = rows(db, world.north, Staff)
    assert sms.sent[0].to_address == staff.phone


@pytest.mark.parametrize(
    ("channel", "allowed", "status"),
    [
        ("sms", [], "withheld"),
        ("sms", ["(312) 555-0199"], "sent"),
        ("sms", [CUSTOMER_EMAIL], "withheld"),
        ("email", [CUSTOMER_PHONE], "withheld"),
        ("email", [CUSTOMER_EMAIL.upper()], "sent"),
    ],
)
def test_demo_mode_writes_to_the_listed_only(
    test_database: TestDatabase, redis_url: str, db: Database, world: World, clock: FixedClock,
    channel: str, allowed: list[str], status: str,
) -> None:  # fmt: skip
    fake = FakeSender()
    given: dict[str, Any] = {"demo_mode": True, "demo_allow_list": ",".join(allowed)}
    with runtime_for(test_database, redis_url, clock, sms=fake, email=fake, **given) as runtime:
        message_id = put(db, world.north, clock.now(), channel=channel)
        assert runtime.outbox.deliver(world.north.tenant_id, message_id) == status
        staff_notice = notice(db, world.north, clock)
        assert runtime.outbox.deliver(world.north.tenant_id, staff_notice) == "withheld"
    assert len(fake.sent) == (status == "sent")


def test_a_paused_business_waits_and_then_sends(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender, owner_engine: Engine
) -> None:
    message_id = put(db, world.north, clock.now())
    pause(owner_engine, world.north)
    assert outbox.deliver(world.north.tenant_id, message_id) == "pending"
    assert outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    clock.advance(15 * MINUTE)
    pause(owner_engine, world.north, "active")
    assert outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (held, _) = rows(db, world.north, SendDecision)
    assert (held.decision, held.reasons) == ("hold", ["the business is paused"])
    assert held.hold_until == held.decided_at + 15 * MINUTE
    assert len(sms.sent) == 1


def test_too_late_is_too_late(outbox: Outbox, db: Database, world: World, clock: FixedClock) -> None:
    message_id = put(db, world.north, clock.now(), expires_at=clock.now() + MINUTE)
    clock.advance(MINUTE)
    assert outbox.deliver(world.north.tenant_id, message_id) == "withheld"
    assert decisions(db, world.north, message_id) == [("withhold", ["it is too late for this message"])]


def test_the_hardest_verdict_wins_and_all_reasons_are_kept(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    message_id = put(db, world.north, clock.now())
    pause(owner_engine, world.north)
    HUMAN(db, world.north, clock)
    stop(db, world.north, clock)
    assert outbox.deliver(world.north.tenant_id, message_id) == "withheld"
    assert decisions(db, world.north, message_id) == [
        ("withhold", [STOPPED, "the business is paused", "a person has taken over the conversation"])
    ]


def test_a_touch_in_the_night_goes_in_the_morning_after_another_look(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    clock.advance(timedelta(hours=10))  # ten in the evening in Chicago
    night = clock.now()
    goes, stopped = (put(db, shop, night, kind="touch") for shop in (world.north, world.south))
    for shop, message_id in ((world.north, goes), (world.south, stopped)):
        assert outbox.deliver(shop.tenant_id, message_id) == "pending"
    (held,) = rows(db, world.north, SendDecision)
    assert (held.decision, held.reasons) == ("hold", ["outside the lawful hours of the recipient"])
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
        ("withhold", ["outside the lawful hours of the recipient", "it would expire before it may be sent"])
    ]


def second_shop(db: Database, shop: Shop, clock: FixedClock) -> Shop:
    """Another location of the same business, which knows the same customer."""
    from dataclasses import replace

    with db.tenant(shop.tenant_id) as session:
        location = add_sample_location(
            session,
            shop.tenant_id,
            slug="west",
            name="West",
            phone="+13125550103",
            mailbox="west@north.example",
        )
        data = LeadData(source="sample", first_name="Dana", phone=CUSTOMER_PHONE, email=CUSTOMER_EMAIL)
        lead, _ = upsert_lead(session, shop.tenant_id, location.id, data)
        lead.created_at = clock.now() - OLD
        chat = open_session(session, lead)
        session.flush()
        return replace(
            shop, location_id=location.id, lead_id=lead.id, session_id=chat.id, phone="+13125550103"
        )


def test_one_touch_a_day_over_all_shops_of_a_business(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    west = second_shop(db, world.north, clock)
    first, second = (put(db, shop, clock.now(), kind="touch") for shop in (world.north, west))
    elsewhere = put(db, world.south, clock.now(), kind="touch")
    assert outbox.deliver(world.north.tenant_id, first) == "sent"
    start = clock.now()
    clock.advance(MINUTE)
    assert outbox.deliver(world.north.tenant_id, second) == "pending"
    assert decisions(db, world.north, second) == [("hold", ["this person already got a message today"])]
    assert message_of(db, west, second).send_after == start + timedelta(hours=20)
    assert outbox.deliver(world.south.tenant_id, elsewhere) == "sent", "another business, another sender"
    mail = put(db, west, clock.now(), kind="touch", channel="email")
    assert outbox.deliver(world.north.tenant_id, mail) == "sent", "the cap is per channel"
    reply = put(db, west, clock.now())
    assert outbox.deliver(world.north.tenant_id, reply) == "sent"
    clock.advance(timedelta(hours=24))
    assert outbox.deliver(world.north.tenant_id, second) == "sent"


def test_a_touch_that_is_on_its_way_counts(
    test_database: TestDatabase,
    redis_url: str,
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
) -> None:
    west = second_shop(db, world.north, clock)
    first, second = (put(db, shop, clock.now(), kind="touch") for shop in (world.north, west))
    slow = SlowSender()
    with (
        runtime_for(test_database, redis_url, clock, sms=slow) as busy,
        ThreadPoolExecutor(1) as pool,
    ):
        sending = pool.submit(busy.outbox.deliver, world.north.tenant_id, first)
        assert slow.reached.wait(20)
        try:
            assert runtime.outbox.deliver(world.north.tenant_id, second) == "pending"
        finally:
            slow.may_answer.set()
        assert sending.result(20) == "sent"


def test_two_shops_at_the_same_moment_send_one(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    west = second_shop(db, world.north, clock)
    for _ in range(5):
        ids = [put(db, shop, clock.now(), kind="touch") for shop in (world.north, west)]
        with ThreadPoolExecutor(2) as pool:
            seen = list(pool.map(lambda one: outbox.deliver(world.north.tenant_id, one), ids))
        assert sorted(seen) == ["pending", "sent"]
        # The next round begins as if nothing had been sent today.
        change(db, world.north, "update chat_messages set status = 'dropped'")
    assert len(sms.sent) == 5


def put_touches(db: Database, shop: Shop, now: datetime) -> list[int]:
    """Texts of the first four touches of the customer's cadence."""
    return [put(db, shop, now, kind="touch", touch_point_id=one) for one in start(db, shop, now)[:4]]


def test_the_first_day_of_a_cadence_allows_three(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    """Also for a lead that is days old: the plan counts from its first touch."""
    touches = put_touches(db, world.north, clock.now())
    seen = [outbox.deliver(world.north.tenant_id, one) for one in touches]
    assert seen == ["sent", "sent", "sent", "pending"]


def test_a_later_day_of_a_cadence_allows_one(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    first, *rest = put_touches(db, world.north, clock.now())
    assert outbox.deliver(world.north.tenant_id, first) == "sent"
    clock.advance(timedelta(hours=25))
    assert [outbox.deliver(world.north.tenant_id, one) for one in rest] == ["sent", "pending", "pending"]


def test_the_announcement_of_a_hand_off_goes_although_the_customer_wrote_again(
    outbox: Outbox, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now(), answers_up_to=1)
    change(
        db,
        world.north,
        "update chat_messages set raw = '{\"announces_hand_off\": true}' where id = :id",
        id=message_id,
    )
    HUMAN(db, world.north, clock)
    hear(runtime, world.north, "hello?")
    assert outbox.deliver(world.north.tenant_id, message_id) == "sent"


def test_a_dropped_reply_leaves_its_question_open(
    outbox: Outbox, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    first = hear(runtime, world.north, "how much?").message_id
    message_id = put(db, world.north, clock.now(), answers_up_to=first)
    change(
        db, world.north,
        "update chat_messages set raw = '{\"answered_before\": 0}' where id = :id", id=message_id,
    )  # fmt: skip
    change(db, world.north, "update chat_sessions set answered_up_to = :id where id = :session", id=first)
    hear(runtime, world.north, "and on Saturday?")
    assert outbox.deliver(world.north.tenant_id, message_id) == "dropped"
    assert chat_of(db, world.north).answered_up_to == 0


def test_the_gate_changes_nothing_about_the_lead(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    before = lead_of(db, world.north).version
    outbox.deliver(world.north.tenant_id, put(db, world.north, clock.now()))
    assert lead_of(db, world.north).version == before
