"""On which way the customer hears of a change, when, and who hears of it where they cannot be written to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from icalendar import Calendar

from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatSession, Lead
from ops.clock import FixedClock
from scheduler import jobs
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.back_help import WEDNESDAY, Back, change, moved, reading_back
from tests.integration.calendar_help import local
from tests.integration.talking import flush, hear
from tests.runtimes import FakeSender

HOUR = timedelta(hours=1)


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        change(made, ChatSession, last_channel="sms")
        yield made


def test_while_a_person_has_the_conversation_they_are_told_instead(back: Back) -> None:
    number = moved(back)
    change(back, ChatSession, state="human")
    assert back.tell(number) == "the shop was told"
    assert "please tell the customer" in back.notices()[0]
    assert back.texts() == []


def stop(back: Back, channel: Any, address: str) -> None:
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        record_consent(
            s, tenant_id=back.site.shop.tenant_id, channel=channel, address=address, action="revoke",
            actor="customer", source="test", evidence="stop", effective_at=back.site.clock.now(),
        )  # fmt: skip


def test_whoever_said_stop_is_not_written_to_and_the_shop_knows(back: Back) -> None:
    number = moved(back)
    stop(back, "sms", CUSTOMER_PHONE)
    assert back.tell(number) == "the shop was told"
    assert "said stop" in back.notices()[0]
    assert back.texts() == []


def test_a_stop_that_comes_while_it_waits_is_obeyed(back: Back) -> None:
    number = moved(back)
    back.tell(number)
    stop(back, "sms", CUSTOMER_PHONE)
    assert flush(back.site.runtime, back.site.shop).startswith("withheld")
    assert back.site.texts.sent == []


def test_a_number_that_does_not_work_leaves_mail(back: Back) -> None:
    number = moved(back)
    change(back, Lead, phone_bad_since=back.site.clock.now())
    assert back.tell(number) == "told by email"


def test_who_never_agreed_to_texts_gets_a_mail_where_there_is_one(back: Back) -> None:
    change(back, ChatSession, last_channel=None)
    number = moved(back)
    assert back.tell(number) == "told by email"
    change(back, Lead, email=None)
    back.drag(number, local(26, 9))
    back.look()
    assert back.tell(number) == "told by sms"


def test_nobody_is_woken_for_a_visit_that_is_days_away(back: Back) -> None:
    number = back.booked(local(27, 9))
    back.site.clock.advance(local(23, 23) - back.site.clock.now())
    back.drag(number, local(27, 13))
    back.look()
    assert back.tell(number) == "kept for the morning"
    morning = back.row(number).tell_due_at
    assert morning is not None
    assert morning >= local(24, 8)
    back.drag(number, local(27, 9))
    back.look()
    assert back.tell(number, morning - back.site.clock.now()) == "nothing changed in the end"


def test_a_visit_early_in_the_morning_is_told_of_at_night(back: Back) -> None:
    number = back.booked()
    back.site.clock.advance(local(23, 23) - back.site.clock.now())
    back.drag(number, local(24, 13))
    back.look()
    assert back.tell(number) == "told by sms", "they would set out at eight"


def test_in_spanish(back: Back) -> None:
    change(back, Lead, language="es")
    number = moved(back)
    back.tell(number)
    (body,) = back.texts()
    assert (
        "tuvo que mover su cita. Ahora es: mié, 25 nov a las 11:00 AM, en lugar de: mar, 24 nov a las 9:00 AM."
        in (body.replace("mie,", "mié,"))
    )
    assert "Hi " not in body


def test_by_mail_the_calendar_file_goes_along_with_the_next_sequence(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> None:
    with reading_back(test_database, redis_url, clock, db, world) as back:
        mails = FakeSender("sendgrid")
        back.site.runtime.outbox.senders["email"] = mails  # type: ignore[index]
        change(back, ChatSession, last_channel="email")
        number = moved(back)
        assert back.tell(number) == "told by email"
        assert flush(back.site.runtime, back.site.shop) == "sent"
        back.site.shopmonkey.cancel_appointment(back.entry(number)["id"])
        back.look()
        back.tell(number)
        assert flush(back.site.runtime, back.site.shop) == "sent"
        first, second = mails.sent
        assert [one.to_address for one in mails.sent] == [CUSTOMER_EMAIL] * 2
        files = [Calendar.from_ical(one.attachments[0].content) for one in (first, second)]
        events = [file.walk("VEVENT")[0] for file in files]
        assert [str(file["METHOD"]) for file in files] == ["REQUEST", "CANCEL"]
        assert [int(event["SEQUENCE"]) for event in events] == [1, 2]
        assert events[0]["UID"] == events[1]["UID"]
        assert events[0].decoded("DTSTART") == WEDNESDAY


def test_an_answer_to_it_reaches_the_agent(back: Back) -> None:
    """The news is part of the conversation: what the customer says to it is answered like anything else."""
    number = moved(back)
    back.tell(number)
    flush(back.site.runtime, back.site.shop)
    hear(back.site.runtime, back.site.shop, "That does not work, what else do you have?")
    back.site.clock.advance(timedelta(seconds=20))
    assert jobs.answer(back.site.runtime, back.site.shop.tenant_id, str(back.site.shop.session_id)) == "done"
