"""A mail comes in, an appointment is made, and the same customer's text knows of it: the real processes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import Engine

from tests.acceptance.customer import Texter
from tests.acceptance.mailer import Mailer
from tests.acceptance.processes import System, running
from tests.acceptance.records import Records
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.standins.sendgrid import Mail, SendGridStandIn
from tests.standins.twilio import TwilioStandIn

pytestmark = pytest.mark.processes

LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
CERAMIC_SEDAN = "tint-full-sedan-ceramic"


@dataclass
class Carriers:
    """The stand-ins outside."""

    twilio: TwilioStandIn
    sendgrid: SendGridStandIn

    def env(self) -> dict[str, str]:
        """How an installation is told of them."""
        return {
            "TWILIO_ACCOUNT_SID": self.twilio.account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio.auth_token,
            "TWILIO_API_BASE": self.twilio.url,
            "SENDGRID_API_KEY": self.sendgrid.api_key,
            "SENDGRID_API_BASE": self.sendgrid.url,
        }


@pytest.fixture
def carriers() -> Iterator[Carriers]:
    """Twilio with status callbacks, and SendGrid."""
    with ExitStack() as stack:
        yield Carriers(
            stack.enter_context(TwilioStandIn(auto_callbacks=True)),
            stack.enter_context(SendGridStandIn()),
        )


def test_a_mail_becomes_an_appointment_that_a_text_knows_of(
    carriers: Carriers,
    world: World,
    test_database: TestDatabase,
    owner_engine: Engine,
    redis_url: str,
    tmp_path: Path,
) -> None:
    records = Records(owner_engine)
    records.set_quiet_window(0.3)
    system = System(tmp_path / "system", test_database, redis_url, carriers.env())
    with running(system):
        dana = Mailer(system, carriers.sendgrid, world.north.mailbox)
        priced = dana.say("Hi, how much is full ceramic tint for my 2019 Honda Civic sedan?")
        offered = dana.say("What do you have on Wednesday?")
        label = next(found for found in LABEL.findall(offered.text) if found.startswith("Wed"))
        confirmed = dana.say(f"{label} works for me, please book it.")
        records.wait_until_nothing_is_owed(system.now)
        (appointment,) = records.rows("appointments", world.north.tenant_id)
        text = Texter(system, carriers.twilio, world.north.phone).say("When is my appointment?")
        stranger = Texter(system, carriers.twilio, world.south.phone).say("When is my appointment?")
        records.wait_until_nothing_is_owed(system.now)
        told = system.leads_json("transcript", CUSTOMER_PHONE, tenant="north")
        system.stop()
        assert system.errors() == []

    assert "$449" in priced.text
    _assert_one_thread([priced, offered, confirmed], dana)
    assert label in confirmed.text
    _assert_booked(records, world, appointment, label)
    _assert_invitation(confirmed, appointment)
    assert label in text
    assert label not in stranger
    _assert_one_conversation(told, records, world)


def _assert_one_thread(mails: list[Mail], dana: Mailer) -> None:
    """Greeted and signed, in the customer's own thread, with the secret address to answer to."""
    assert {mail.subject for mail in mails} == {"Re: Tint for my car"}
    assert [mail.headers["In-Reply-To"] for mail in mails] == dana.ids
    assert len({mail.body["reply_to"]["email"] for mail in mails}) == 1
    assert mails[0].body["reply_to"]["email"].startswith("shop+")
    for mail in mails:
        assert "Hi Dana" in mail.text
        assert "North Tint" in mail.text
        assert "automated assistant" in mail.text


def _assert_booked(records: Records, world: World, appointment: dict[str, Any], label: str) -> None:
    assert appointment["status"] == "booked"
    assert appointment["service_ids"] == [world.north.service_ids[CERAMIC_SEDAN]]
    assert records.local_label(appointment) == label
    assert records.count("appointments", world.south.tenant_id) == 0


def _assert_invitation(mail: Mail, appointment: dict[str, Any]) -> None:
    """The calendar file of the confirmation is one that calendars take, about this appointment."""
    (file,) = mail.body["attachments"]
    assert file["type"] == "text/calendar"
    calendar = Calendar.from_ical(base64.b64decode(file["content"]))
    (event,) = calendar.walk("VEVENT")
    assert event.decoded("dtstart") == appointment["starts_at"]
    assert event.decoded("dtend") > appointment["starts_at"]
    assert str(event["uid"])


def _assert_one_conversation(told: list[dict[str, Any]], records: Records, world: World) -> None:
    assert [(one["direction"], one["channel"]) for one in told] == [
        ("in", "email"), ("out", "email"),
    ] * 3 + [("in", "sms"), ("out", "sms")]  # fmt: skip
    assert told[4]["body"].endswith("please book it.")
    (lead,) = records.rows("leads", world.north.tenant_id)
    assert (lead["email"], lead["phone"], lead["status"]) == (CUSTOMER_EMAIL, CUSTOMER_PHONE, "booked")
    south = records.rows("chat_messages", world.south.tenant_id)
    assert {row["channel"] for row in south} == {"sms"}
