"""What the shop's own people are told: by which way, under which subject, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, Location, Staff
from crm.notices import SUBJECTS, NoticeKind, notify_staff
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.outbox_help import error
from tests.integration.talking import answer, change, hear, outgoing, put, say, scripted
from tests.runtimes import FakeSender, runtime_for

BOT = "Thank you for contacting us, somebody will be with you soon"


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, sms: FakeSender
) -> Iterator[Runtime]:
    model = scripted(*[say("Which car is it?")] * 20)
    with runtime_for(test_database, redis_url, clock, models=[model], sms=sms, email=FakeSender()) as made:
        yield made


def reached_by(db: Database, shop: Shop, *, phone: str | None, email: str | None) -> None:
    """Sam's addresses."""
    with db.tenant(shop.tenant_id) as session:
        sam = session.get_one(Staff, shop.staff_id)
        sam.phone, sam.email = phone, email


def tell(db: Database, shop: Shop, clock: FixedClock, kind: NoticeKind, avoid: bool = False) -> ChatMessage:
    """One notice to Sam."""
    with db.tenant(shop.tenant_id) as session:
        (notice,) = notify_staff(
            session,
            session=session.get_one(ChatSession, shop.session_id),
            lead=session.get_one(Lead, shop.lead_id),
            location=session.get_one(Location, shop.location_id),
            text="Something is up.",
            dedupe_key=f"test:{kind}:{avoid}",
            now=clock.now(),
            kind=kind,
            avoid="sms" if avoid else None,
        )
        return notice


def wrote(db: Database, shop: Shop) -> list[str]:
    """The notices about what the customer wrote while a person had the conversation, and about circles."""
    return [
        row.body
        for row in outgoing(db, shop, "notice")
        if (row.dedupe_key or "").startswith(("wrote:", "loop:"))
    ]


@pytest.mark.parametrize(
    ("phone", "email", "avoid", "channel"),
    [
        ("+13125550777", "sam@north.example", False, "sms"),
        ("+13125550777", "sam@north.example", True, "email"),
        ("+13125550777", None, True, "sms"),
        (None, "sam@north.example", False, "email"),
    ],
)
def test_a_notice_avoids_the_channel_it_is_about(
    db: Database,
    world: World,
    clock: FixedClock,
    phone: str | None,
    email: str | None,
    avoid: bool,
    channel: str,
) -> None:
    reached_by(db, world.north, phone=phone, email=email)
    notice = tell(db, world.north, clock, "alert", avoid)
    assert (notice.channel, notice.to_address) == (channel, phone if channel == "sms" else email)
    assert notice.created_at == clock.now()


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_mail_says_what_it_is_about(
    db: Database, world: World, clock: FixedClock, kind: NoticeKind
) -> None:
    reached_by(db, world.north, phone=None, email="sam@north.example")
    assert tell(db, world.north, clock, kind).subject == f"North Tint: {SUBJECTS[kind]}"
    assert len(set(SUBJECTS.values())) == len(SUBJECTS)


@pytest.mark.parametrize("kind", ["reply", "notice"])
def test_broken_texting_is_told_by_mail_once_also_when_a_notice_met_it_first(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender, kind: str
) -> None:
    reached_by(db, world.north, phone="+13125550777", email="sam@north.example")
    sms.errors = [error("misconfigured", "20003")] * 2
    for _ in range(2):
        row = put(db, world.north, clock.now(), kind=kind)
        runtime.outbox.deliver(world.north.tenant_id, row)
    told = [row for row in outgoing(db, world.north, "notice") if (row.dedupe_key or "").startswith("alert:")]
    assert [(row.channel, row.subject) for row in told] == [("email", f"North Tint: {SUBJECTS['alert']}")]
    assert told[0].body.startswith("Texts are not going out")


def test_a_machine_that_writes_on_to_a_person_makes_one_notice(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    for _ in range(30):
        hear(runtime, world.north, BOT)
        clock.advance(timedelta(minutes=5))
    assert wrote(db, world.north) == [f"Dana wrote: {BOT}"]
    clock.advance(timedelta(hours=4))
    hear(runtime, world.north, "Is my car ready?")
    assert wrote(db, world.north)[1:] == ["Dana wrote 30 messages, the last: Is my car ready?"]


def test_a_customer_who_comes_back_to_a_person_is_told_of(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    for words in ("hello?", "anybody?"):
        hear(runtime, world.north, words)
    clock.advance(timedelta(hours=2))
    hear(runtime, world.north, "I call you tomorrow")
    assert wrote(db, world.north) == [
        "Dana wrote: hello?",
        "Dana wrote 2 messages, the last: I call you tomorrow",
    ]


def test_a_conversation_in_circles_is_one_notice_and_a_new_one_after_it_was_given_back(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    def rounds(*bodies: str) -> None:
        for body in bodies:
            hear(runtime, world.north, body)
            answer(runtime, world.north)

    rounds(BOT, BOT, BOT, BOT, BOT)
    assert len(wrote(db, world.north)) == 1
    change(db, world.north, "update chat_sessions set state = 'agent', state_reason = null")
    rounds("how much is it?")
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    rounds("are you there?")
    assert wrote(db, world.north)[1:] == ["Dana wrote: are you there?"]


def test_the_same_stop_again_and_again_is_told_of_once_a_day(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    for _ in range(5):
        hear(runtime, world.north, "stop texting me")
    told = [row.body for row in outgoing(db, world.north, "notice")]
    assert told == [
        'Dana wrote "stop texting me" and gets no more messages from us. Please do not write either.'
    ]
    clock.advance(timedelta(hours=25))
    hear(runtime, world.north, "stop texting me")
    assert len(outgoing(db, world.north, "notice")) == 2
