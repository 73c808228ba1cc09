"""Whoever has a visit in their own calendar by a mail of ours has it there no longer when it is cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from crm.calendar.states import cancel
from crm.db import Database
from crm.models import ChatMessage
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import add_message, dana, local
from tests.integration.talking import change, rows
from tests.integration.visit_help import Visits, visiting

THURSDAY = local(3, 14, month=12)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def visits(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Visits]:
    with visiting(test_database, redis_url, clock, world) as made:
        yield made


def in_their_calendar(visits: Visits) -> int:
    """Booked by text, and the mail with the file has left."""
    number = visits.booked_in_talk(THURSDAY)
    visits.clock.advance(5 * MINUTE)
    visits.work()
    assert [one.name for mail in visits.email.sent for one in mail.attachments] == ["appointment.ics"]
    return number


def cancelled_by(visits: Visits, number: int, channel: str) -> None:
    """The customer gives it up in the conversation."""
    asked = add_message(
        visits.db, dana(visits.shop), direction="in", status="received", body="cancel it please"
    )
    change(
        visits.db, visits.shop, "update chat_messages set channel = :c where id = :id", c=channel, id=asked
    )
    booker = replace(dana(visits.shop).booker(visits.clock.now()), message_id=asked)
    with visits.db.tenant(visits.shop.tenant_id) as s:
        cancel(s, booker, number)


@pytest.mark.parametrize("way", ["text", "command"])
def test_a_visit_that_is_given_up_leaves_the_mailbox_as_it_came(visits: Visits, way: str) -> None:
    number = in_their_calendar(visits)
    if way == "text":
        cancelled_by(visits, number, "sms")
    else:
        visits.marks(number, "cancelled")
    for _ in range(2):
        visits.work()
        visits.clock.advance(5 * MINUTE)
    first, last = visits.email.sent
    assert "is cancelled: Thu, Dec 3 at 2:00 PM." in last.body
    assert [one.name for one in last.attachments] == ["cancelled.ics"]
    content = last.attachments[0].content
    assert b"METHOD:CANCEL" in content
    assert b"STATUS:CANCELLED" in content
    uid = next(line for line in first.attachments[0].content.splitlines() if line.startswith(b"UID:"))
    assert uid in content
    assert visits.visit(number).remind_due_at is None


def test_who_never_got_the_file_gets_no_mail(visits: Visits) -> None:
    number = visits.books(THURSDAY)
    assert visits.email.sent == []
    visits.marks(number, "cancelled")
    assert visits.visit(number).remind_due_at is None
    visits.work()
    assert visits.email.sent == []


def test_an_answer_by_mail_takes_the_file_along_itself(visits: Visits) -> None:
    number = in_their_calendar(visits)
    cancelled_by(visits, number, "email")
    visits.work()
    assert len(visits.email.sent) == 1


def test_what_was_cancelled_and_is_over_is_told_to_nobody(visits: Visits) -> None:
    number = in_their_calendar(visits)
    cancelled_by(visits, number, "sms")
    visits.at(THURSDAY + MINUTE)
    assert len(visits.email.sent) == 1


def test_the_other_visit_keeps_its_entry(visits: Visits) -> None:
    number = in_their_calendar(visits)
    other = visits.books(local(8, 9, month=12))
    cancelled_by(visits, number, "sms")
    visits.work()
    assert visits.visit(other).status == "booked"
    named = [one for one in rows(visits.db, visits.shop, ChatMessage, ChatMessage.channel == "email")
             if (one.raw or {}).get("says_cancelled")]  # fmt: skip
    assert [(one.raw or {})["appointment_id"] for one in named] == [number]
