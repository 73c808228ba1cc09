"""What the gate asks of the whole person: what they wrote since, what they booked and with whom they talk at any shop of
the business, and how much they got on both channels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from crm.db import Database
from crm.models import ChatSession, TouchPoint
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.gate_help import (
    ask,
    at_noon,
    book,
    counted,
    held_text,
    in_the_morning,
    second_shop,
    sent_before,
)
from tests.integration.talking import change, chat_of, decisions, hear, put, rows
from tests.runtimes import FakeSender

OVERTAKEN = [("drop", ["the customer wrote after this was planned"])]


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


def test_a_mail_posted_before_the_touch_and_taken_in_after_it(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    posted = clock.now() + timedelta(hours=11) - timedelta(seconds=5)
    message_id = held_text(runtime, db, world.north, clock)
    hear(runtime, world.north, "Yes please, call me about the tint", channel="email", received_at=posted)
    assert in_the_morning(runtime, db, world.north, clock, message_id) == "dropped"
    assert decisions(db, world.north, message_id)[1:] == OVERTAKEN
    assert sms.sent == []


def test_a_text_that_came_by_a_slower_clock(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    first, *_ = start(db, world.north, clock.now())
    web = clock.now()
    clock.advance(timedelta(milliseconds=300))
    message_id = write_touch(db, world.north.tenant_id, first, clock)
    assert message_id is not None
    hear(runtime, world.north, "yes, Tuesday works", received_at=web)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "dropped"
    assert decisions(db, world.north, message_id) == OVERTAKEN


def test_what_they_wrote_before_it_does_not_stop_it(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    """Whatever the clocks say: a touch that was written after their words knew of them."""
    hear(runtime, world.north, "Hi")
    change(
        db, world.north, "update chat_sessions set last_inbound_at = :at", at=clock.now() + timedelta(hours=1)
    )
    assert (
        ask(db, world.north, put(db, world.north, clock.now(), kind="touch"), clock.now()).verdict == "allow"
    )


def test_the_last_word_never_goes_back(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    earlier = clock.now() - timedelta(hours=1)
    ids = start(db, world.north, clock.now())
    text_id = hear(runtime, world.north, "a text now").message_id
    mail_id = hear(runtime, world.north, "an older mail", channel="email", received_at=earlier).message_id
    chat = chat_of(db, world.north)
    assert (chat.last_inbound_at, chat.last_inbound_id) == (clock.now(), mail_id)
    assert mail_id > text_id
    change(db, world.north, "update touch_points set status = 'planned', resume_at = null")
    hear(runtime, world.north, "an even older one", channel="email", received_at=earlier - timedelta(hours=1))
    resume = {row.resume_at for row in rows(db, world.north, TouchPoint, TouchPoint.id.in_(ids))}
    assert resume == {clock.now() + timedelta(days=3)}, "silence is counted from the last word"


def test_booked_at_another_shop_of_the_business(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    west = second_shop(db, world.north, clock)
    message_id = put(db, west, clock.now(), kind="touch")
    book(db, world.south, clock)
    assert ask(db, west, message_id, clock.now()).verdict == "allow", "another business"
    book(db, world.north, clock)
    found = ask(db, west, message_id, clock.now())
    assert (found.verdict, found.reasons) == ("drop", ("the customer already has an appointment",))


def test_a_person_at_another_shop_has_the_conversation(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    west = second_shop(db, world.north, clock)
    touch, reply = (put(db, west, clock.now(), kind=kind) for kind in ("touch", "reply"))
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    found = ask(db, west, touch, clock.now())
    assert (found.verdict, found.reasons) == ("drop", ("a person has taken over the conversation",))
    assert ask(db, west, reply, clock.now()).verdict == "allow", "their own question is answered"


@pytest.mark.parametrize("closed", ["merged_into_id = :west", "erased_at = now()"])
def test_a_closed_conversation_has_nobody(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, closed: str
) -> None:
    west = second_shop(db, world.north, clock)
    touch = put(db, west, clock.now(), kind="touch")
    change(
        db, world.north, f"update chat_sessions set state = 'human', {closed} where id = :session",
        **({"west": west.session_id} if "west" in closed else {}),
    )  # fmt: skip
    with db.tenant(west.tenant_id) as s:
        assert s.get_one(ChatSession, west.session_id).state == "agent"
    assert ask(db, west, touch, clock.now()).verdict == "allow"


@pytest.mark.parametrize(
    ("texts", "mails", "wait"),
    [
        ((23,), (23.5, 22), 0.5),
        ((21,), (22, 23), 1),
        ((), (23, 22, 21), 1),
        ((), (22, 21), 0),
        ((23.9,), (25, 1), 0),
    ],
)
def test_three_in_24_hours_over_both_channels(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, texts: tuple[float, ...],
    mails: tuple[float, ...], wait: float,
) -> None:  # fmt: skip
    now = clock.now()
    sent_before(db, world.north, now, *mails)
    change(db, world.north, "update chat_messages set channel = 'email'")
    sent_before(db, world.north, now, *texts)
    first, *_ = start(db, world.north, now)
    message_id = put(db, world.north, now, kind="touch", touch_point_id=first)
    found = ask(db, world.north, message_id, now)
    assert found.hold_until == (now + timedelta(hours=wait) if wait else None)
    if wait:
        assert found.reasons == ("this person already got 3 messages within 24 hours",)


def test_one_call_for_all_of_it(runtime: Runtime, db: Database, world: World, clock: FixedClock) -> None:
    second_shop(db, world.north, clock)
    first, *_ = start(db, world.north, clock.now())
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=first)
    with counted(db) as seen:
        ask(db, world.north, message_id, clock.now())
    assert len([one for one in seen if "send_facts" in one]) == 1
    assert len(seen) == 2, "the message itself, and one call for all that decides"


def test_code_of_before_still_reads_what_it_knows(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    """Workers of the release before run on while the migration is in: their function gives them their 27 columns."""
    with db.tenant(world.north.tenant_id) as s:
        row = s.execute(
            text("select * from gate_facts(:t, :c, :l, 0, null, 'touch', 'sms', '', null, :now, :day)"),
            {"t": world.north.tenant_id, "c": world.north.session_id, "l": world.north.lead_id,
             "now": clock.now(), "day": clock.now().date()},
        ).one()  # fmt: skip
    assert len(row) == 27
    assert row.chat_state == "agent"
