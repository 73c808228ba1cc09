"""An order at Shopmonkey becomes a lead, a cadence, a conversation over two channels and an appointment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from crm.connectors.shopmonkey.config import create_crm_config
from crm.db import Database
from crm.models import Location
from ops.secrets import SecretBox
from tests.acceptance.connected_shop import EMAIL, PHONE, Shop
from tests.acceptance.customer import Texter
from tests.acceptance.processes import INBOUND_TOKEN, System, eventually, running
from tests.acceptance.records import Records
from tests.conftest import MONDAY_NINE_IN_CHICAGO, TestDatabase, World
from tests.standins.sendgrid import Mail, SendGridStandIn, compose
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.twilio import TwilioStandIn

pytestmark = pytest.mark.processes

CHICAGO = ZoneInfo("America/Chicago")
LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
OTHER_PHONE, OTHER_EMAIL = "+13125550164", "noor@example.com"
# Marketing texts may go from ten on.
MONDAY_QUARTER_PAST_TEN = MONDAY_NINE_IN_CHICAGO + timedelta(minutes=75)
CIVIC = {"year": 2019, "make": "Honda", "model": "Civic", "type": "Sedan"}
OPEN = ("planned", "claimed", "paused")


@pytest.fixture
def shop(
    db: Database,
    world: World,
    test_database: TestDatabase,
    owner_engine: Engine,
    redis_url: str,
    tmp_path: Path,
) -> Iterator[Shop]:
    """North, connected to all three vendors, Monday at a quarter past ten."""
    with ExitStack() as stack:
        twilio = stack.enter_context(TwilioStandIn(auto_callbacks=True))
        sendgrid = stack.enter_context(SendGridStandIn())
        env = {
            "TWILIO_ACCOUNT_SID": twilio.account_sid,
            "TWILIO_AUTH_TOKEN": twilio.auth_token,
            "TWILIO_API_BASE": twilio.url,
            "SENDGRID_API_KEY": sendgrid.api_key,
            "SENDGRID_API_BASE": sendgrid.url,
        }
        system = System(tmp_path / "system", test_database, redis_url, env)
        system.set_time(MONDAY_QUARTER_PAST_TEN)
        shopmonkey = stack.enter_context(ShopmonkeyStandIn(clock=system.now))
        token = _connect(db, world, shopmonkey, system)
        records = Records(owner_engine)
        records.set_quiet_window(0.3)
        stack.enter_context(running(system))
        yield Shop(
            system, records, world, shopmonkey, twilio, sendgrid, f"{system.url}/hooks/shopmonkey/{token}"
        )


def _connect(db: Database, world: World, shopmonkey: ShopmonkeyStandIn, system: System) -> str:
    with db.tenant(world.north.tenant_id) as session:
        config = create_crm_config(
            session,
            world.north.tenant_id,
            shopmonkey.api_key,
            shopmonkey.url,
            SecretBox(system.encryption_key),
            webhook_secret="shopmonkey-secret",
        )
        session.get_one(Location, world.north.location_id).crm_location_id = shopmonkey.location_id
        return config.hook_token


def test_an_order_becomes_an_appointment(shop: Shop) -> None:
    riley = Texter(shop.system, shop.twilio, shop.world.north.phone, PHONE)
    order = _order_of_riley(shop)
    eventually(riley.received, 30, "the first text")
    _assert_thirteen_touches(shop)
    first_mail = _second_touch_comes_by_mail(shop)
    offered = riley.say("Hi! How much is ceramic tint, and what times do you have this week?")
    assert "$449" in offered
    last_mail, label = _goes_on_by_mail(shop, first_mail)
    _assert_booked(shop, label)
    _the_edited_order_starts_nothing(shop, order)
    _days_pass_for_somebody_else(shop)
    assert len(riley.received()) == 2
    assert shop.mails(EMAIL)[-1] is last_mail
    _assert_transcript(shop, label)
    shop.system.stop()
    assert shop.system.errors() == []


def _order_of_riley(shop: Shop) -> str:
    """The order's webhook comes twice at once and a third time later: one lead, one text, one cadence."""
    lead = shop.shopmonkey.add_lead(
        "Riley", "Park", PHONE, EMAIL, vehicle=CIVIC, services=["Ceramic window tint"], opt_in=True
    )
    shop.tell(lead.order_id)
    shop.tell(lead.order_id)
    shop.settle()
    shop.tell(lead.order_id)
    shop.settle()
    assert len(shop.touches(PHONE)) == 13
    assert len([one for one in shop.twilio.messages if one.to == PHONE]) == 1
    return lead.order_id


def _assert_thirteen_touches(shop: Shop) -> None:
    touches = shop.touches(PHONE)
    assert [touch["step"] for touch in touches] == list(range(1, 14))
    assert touches[0]["status"] == "written"
    assert {touch["status"] for touch in touches[1:]} == {"planned"}
    due = [touch["due_at"] for touch in touches]
    assert due == sorted(set(due))
    for touch in touches:
        local = touch["due_at"].astimezone(CHICAGO)
        assert touch["local_time"] == f"{local:%Y-%m-%d %H:%M} America/Chicago"
        assert local.weekday() < 6
        assert (10, 0) <= (local.hour, local.minute) < (18, 0)
    assert timedelta(days=30) <= due[-1] - due[0] < timedelta(days=32)


def _second_touch_comes_by_mail(shop: Shop) -> Mail:
    assert shop.mails(EMAIL) == []
    shop.system.set_time(shop.touches(PHONE)[1]["due_at"] + timedelta(seconds=5))
    mail = shop.wait_for_mail(EMAIL, 1)
    shop.settle()
    assert mail.from_ == shop.world.north.mailbox
    assert mail.body["reply_to"]["email"].startswith("shop+")
    assert "In-Reply-To" not in mail.headers
    assert [touch["status"] for touch in shop.touches(PHONE)[:3]] == ["written", "written", "planned"]
    return mail


def _goes_on_by_mail(shop: Shop, first_mail: Mail) -> tuple[Mail, str]:
    """Two mails of the customer, each answered by mail in the same thread; the second one books."""
    assert {touch["status"] for touch in shop.touches(PHONE)[2:]} == {"paused"}
    shop.answer_mail(
        first_mail, "Could I come on Wednesday instead? What is free then?", "<one@riley.example>"
    )
    offer = shop.wait_for_mail(EMAIL, 2)
    _assert_in_thread(offer, first_mail, ["<one@riley.example>"])
    label = next(found for found in LABEL.findall(offer.text) if found.startswith("Wed"))
    shop.answer_mail(offer, f"{label} is good, please book it.", "<two@riley.example>")
    confirmation = shop.wait_for_mail(EMAIL, 3)
    _assert_in_thread(
        confirmation, first_mail, ["<one@riley.example>", offer.headers["Message-ID"], "<two@riley.example>"]
    )
    assert label in confirmation.text
    shop.settle()
    return confirmation, label


def _assert_in_thread(mail: Mail, first: Mail, since: list[str]) -> None:
    assert mail.subject == f"Re: {first.subject}"
    assert mail.headers["In-Reply-To"] == since[-1]
    assert mail.headers["References"].split() == [first.headers["Message-ID"], *since]


def _assert_booked(shop: Shop, label: str) -> None:
    (appointment,) = shop.records.rows("appointments", shop.world.north.tenant_id)
    lead = shop.lead(PHONE)
    assert (appointment["lead_id"], appointment["status"], lead["status"]) == (lead["id"], "booked", "booked")
    assert shop.records.local_label(appointment) == label
    # What is about the appointment goes on.
    assert {touch["plan"] for touch in shop.touches(PHONE) if touch["status"] in OPEN} <= {"reminders"}


def _the_edited_order_starts_nothing(shop: Shop, order: str) -> None:
    """Somebody at the shop edits the booked order, so Shopmonkey tells it again in a new version."""
    shop.shopmonkey.change("order", order, complaint="changed by hand")
    shop.tell(order, "UPDATE")
    shop.settle()
    assert {row["status"] for row in shop.records.all("select status from webhook_events")} == {"processed"}
    assert len([touch for touch in shop.touches(PHONE) if touch["plan"] == "default"]) == 13


def _days_pass_for_somebody_else(shop: Shop) -> None:
    """Another lead never answers and goes on getting touches, so the clock runs; the booked one gets nothing."""
    noor = Texter(shop.system, shop.twilio, shop.world.north.phone, OTHER_PHONE)
    other = shop.shopmonkey.add_lead("Noor", "Aziz", OTHER_PHONE, OTHER_EMAIL, vehicle=CIVIC, opt_in=True)
    shop.tell(other.order_id)
    eventually(noor.received, 30, "the other lead's first text")
    for step in (4, 5):
        before = (len(noor.received()), len(shop.mails(OTHER_EMAIL)))
        shop.system.set_time(shop.touches(OTHER_PHONE)[step - 1]["due_at"] + timedelta(seconds=5))
        eventually(
            lambda before=before: (len(noor.received()), len(shop.mails(OTHER_EMAIL))) != before,  # type: ignore[misc]
            30,
            f"step {step} of the other lead",
        )
        shop.settle()
    _unsubscribes(shop, shop.mails(OTHER_EMAIL)[-1])
    before = (len(noor.received()), len(shop.mails(OTHER_EMAIL)))
    shop.system.set_time(MONDAY_QUARTER_PAST_TEN + timedelta(days=40))
    shop.settle()
    assert (len(noor.received()), len(shop.mails(OTHER_EMAIL))) == before


def _unsubscribes(shop: Shop, mail: Mail) -> None:
    """The mail program sends what the List-Unsubscribe header asks for; that stops texts as well."""
    found = re.fullmatch(r"<mailto:(\S+)\?subject=(\w+)>", mail.headers["List-Unsubscribe"])
    assert found is not None
    to, subject = found.groups()
    raw = compose(OTHER_EMAIL, to, subject, "This message was automatically generated.")
    answer = shop.sendgrid.post_inbound(
        f"{shop.system.url}/hooks/sendgrid/inbound/{INBOUND_TOKEN}",
        raw=raw,
        envelope_to=to,
        envelope_from=OTHER_EMAIL,
    )
    assert answer.status_code == 200
    shop.settle()
    assert shop.lead(OTHER_PHONE)["status"] == "opted_out"
    assert not [touch for touch in shop.touches(OTHER_PHONE) if touch["status"] in OPEN]


def _assert_transcript(shop: Shop, label: str) -> None:
    told = shop.system.leads_json("transcript", PHONE, tenant="north")
    assert [(one["direction"], one["channel"], one["kind"]) for one in told] == [
        ("out", "sms", "touch"),
        ("out", "email", "touch"),
        ("in", "sms", "inbound"),
        ("out", "sms", "reply"),
        ("in", "email", "inbound"),
        ("out", "email", "reply"),
        ("in", "email", "inbound"),
        ("out", "email", "reply"),
    ]
    moments = [datetime.fromisoformat(one["at"]) for one in told]
    assert moments == sorted(moments)
    # Only what the customer wrote, without the mail it quotes.
    assert told[4]["body"] == "Could I come on Wednesday instead? What is free then?"
    printed = shop.system.leads("transcript", PHONE, env={"TENANT_ID": "north"})
    assert label in printed
