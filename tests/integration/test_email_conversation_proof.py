"""What a mail that nothing proves may do: ask what anybody may ask, and say stop for its own address."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from sqlalchemy import select

from agent.models.base import ModelRequest
from agent.models.playbook import PlaybookModel
from crm.consents import is_opted_out
from crm.db import Database
from crm.models import Appointment, ConsentEvent, Service
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, World
from tests.integration.answering import Shop
from tests.integration.conversation_help import desk, hire, mail, post, received, token_address
from tests.integration.talking import (
    answer,
    call,
    chat_of,
    flush,
    hear,
    lead_of,
    outgoing,
    rows,
    say,
    scripted,
    stops,
)
from tests.standins.sendgrid_inbound import compose

__all__ = ["desk"]
FORGED = {"spf": "fail"}
SPOUSE = "alex@home.example"
NO = "Please answer one of our mails."


def booked(db: Database, world: World, clock: FixedClock) -> Appointment:
    """The customer is booked for tomorrow."""
    with db.tenant(world.north.tenant_id) as session:
        service = session.scalars(
            select(Service).where(Service.location_id == world.north.location_id)
        ).first()
        assert service is not None
        starts = clock.now() + timedelta(days=1)
        row = Appointment(
            tenant_id=world.north.tenant_id, location_id=world.north.location_id, lead_id=world.north.lead_id,
            bay_id=world.north.bay_ids[0], starts_at=starts, ends_at=starts + timedelta(hours=2),
            service_ids=[service.id], status="booked", source="test",
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row


def status_of(db: Database, world: World, row: Appointment) -> str:
    with db.tenant(world.north.tenant_id) as session:
        return session.get_one(Appointment, row.id).status


def results(request: ModelRequest) -> str:
    """What the tools answered, as the model read it."""
    return str(request.items[-1])


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("cancel", {}),
        ("my_appointments", {}),
        ("book", {"offer_id": 1}),
        ("move", {"offer_id": 1}),
        ("update_lead", {"email": "evil@evil.example"}),
        ("update_lead", {"first_name": "Mallory"}),
    ],
)
@pytest.mark.parametrize("how", ["forged", "somebody else in the thread"])
def test_tools_that_need_the_customer_refuse(
    desk: Shop, db: Database, world: World, clock: FixedClock, tool: str, arguments: dict[str, Any], how: str
) -> None:
    visit = booked(db, world, clock)
    model = scripted(call(tool, **arguments), say(NO))
    runtime = desk.with_model(model)
    if how == "forged":
        mail(runtime, world.north, "Please cancel my appointment, yes, cancel it", post_as=FORGED)
    else:
        mail(runtime, world.north, "hello", message_id="<m1@x.example>")
        assert answer(desk.with_model(scripted(say("Hello! Which car is it?"))), world.north) == "done"
        mail(runtime, world.north, "Cancel it", sender=SPOUSE, references="<m1@x.example>")
    assert answer(runtime, world.north) == "done"
    assert "nothing proves to be the customer" in results(model.requests[1])
    assert status_of(db, world, visit) == "booked"
    lead = lead_of(db, world.north)
    assert (lead.email, lead.first_name) == (CUSTOMER_EMAIL, "Dana")


@pytest.mark.parametrize("how", ["spf", "dkim", "token"])
def test_the_customer_themselves_may(
    desk: Shop, db: Database, world: World, clock: FixedClock, how: str
) -> None:
    visit = booked(db, world, clock)
    runtime = desk.with_model(scripted(call("cancel"), say("It is cancelled.")))
    post_as: dict[str, Any] = {
        "spf": {},
        "dkim": {"spf": "fail", "dkim": "{@example.com : pass}"},
        "token": {"spf": "fail", "to": token_address(db, world.north)},
    }[how]
    mail(runtime, world.north, "Please cancel my appointment", post_as=post_as)
    assert answer(runtime, world.north) == "done"
    assert (received(db, world.north)[0].raw or {})["authentic"] == how
    assert status_of(db, world, visit) == "cancelled"


def test_a_forged_yes_before_a_real_text_agrees_to_nothing(
    desk: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    """The newest message is the customer's own, but the words that ask to cancel are not."""
    visit = booked(db, world, clock)
    runtime = desk.with_model(scripted(call("cancel"), say("Shall I cancel it?")))
    mail(runtime, world.north, "Please cancel my appointment", post_as=FORGED)
    hear(runtime, world.north, "I am on my way to the shop")
    assert answer(runtime, world.north) == "done"
    assert status_of(db, world, visit) == "booked"


def test_what_was_written_last_counts_and_not_what_came_last(
    desk: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    """ "Keep it" was written after "cancel it" and overtook it."""
    visit = booked(db, world, clock)
    runtime = desk.with_model(scripted(call("cancel"), say("Shall I cancel it?")))
    for text, seconds in (("Sorry, please keep my appointment", 30), ("Please cancel my appointment", 90)):
        raw = compose(CUSTOMER_EMAIL, world.north.mailbox, "Tint", text).replace(b"Date: ", b"X-Date: ")
        date = format_datetime(clock.now() - timedelta(seconds=seconds))
        event_id = post(runtime, world.north, f"Date: {date}\r\n".encode() + raw)
        assert jobs.webhook(runtime, world.north.tenant_id, str(event_id)) == "processed"
    assert answer(runtime, world.north) == "done"
    assert status_of(db, world, visit) == "booked"


def test_what_may_not_be_told_is_not_in_the_prompt(
    desk: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    booked(db, world, clock)
    hear(desk.with_model(scripted()), world.north, "my gate code is ZEBRA")
    assert answer(desk.with_model(scripted(say("Noted, see you soon."))), world.north) == "done"
    model = scripted(say(NO))
    runtime = desk.with_model(model)
    mail(runtime, world.north, "When is Dana's appointment?", sender=SPOUSE, references="<none@x.example>")
    # A stranger who is in no thread is somebody new; this one is brought into the conversation by its thread.
    mail(runtime, world.north, "hi", message_id="<m1@x.example>")
    assert answer(desk.with_model(scripted(say("Hello! Which car?"))), world.north) == "done"
    mail(runtime, world.north, "When is the appointment?", sender=SPOUSE, references="<m1@x.example>")
    assert received(db, world.north)[-1].session_id == world.north.session_id
    assert answer(runtime, world.north) == "done"
    (request,) = model.requests
    everything = str(request.items) + str(request.facts["lead"]) + str(request.facts["appointments"])
    assert "ZEBRA" not in everything
    assert "Nov 24" not in everything
    assert CUSTOMER_EMAIL not in everything
    assert request.facts["writer"]["proved"] is False
    assert f'"address":"{SPOUSE}"' in str(request.items)


def test_the_playbook_asks_them_to_write_from_their_own_address(
    desk: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    visit = booked(db, world, clock)
    runtime = desk.with_model(PlaybookModel())
    mail(runtime, world.north, "Please cancel my appointment", post_as=FORGED)
    assert answer(runtime, world.north) == "done"
    (sent,) = outgoing(db, world.north, "reply")
    assert "write from your usual address" in sent.body
    assert status_of(db, world, visit) == "booked"
    assert chat_of(db, world.north).state == "agent"
    mail(runtime, world.north, "How late are you open?", post_as=FORGED)
    assert answer(runtime, world.north) == "done"
    assert "Our" in outgoing(db, world.north, "reply")[-1].body


def addresses(db: Database, world: World) -> set[tuple[str, str]]:
    found = rows(db, world.north, ConsentEvent, ConsentEvent.action == "revoke")
    return {(one.channel, one.address) for one in found}


def stopped(db: Database, world: World, channel: str, address: str) -> bool:
    with db.tenant(world.north.tenant_id) as session:
        return is_opted_out(session, world.north.tenant_id, channel, address)


def test_a_forged_stop_closes_that_address_only(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted())
    mail(runtime, world.north, "Stop writing to me", post_as=FORGED)
    flush(runtime, world.north)
    assert addresses(db, world) == {("email", CUSTOMER_EMAIL)}
    assert not stopped(db, world, "sms", CUSTOMER_PHONE)
    assert lead_of(db, world.north).status != "opted_out"
    # They hear of it, and can undo it.
    assert [one.to_address for one in desk.email.sent] == [CUSTOMER_EMAIL]
    hear(runtime, world.north, "How late are you open?")
    assert answer(desk.with_model(scripted(say("Which day do you mean?"))), world.north) == "done"
    assert desk.texts() == ["Which day do you mean?"]


def test_a_forged_start_opens_nothing(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted())
    mail(runtime, world.north, "stop")
    assert stopped(db, world, "email", CUSTOMER_EMAIL)
    mail(runtime, world.north, "START", post_as=FORGED)
    assert stopped(db, world, "email", CUSTOMER_EMAIL)
    mail(runtime, world.north, "START")
    assert not stopped(db, world, "email", CUSTOMER_EMAIL)


def test_a_stop_of_somebody_else_in_the_thread_is_theirs(desk: Shop, db: Database, world: World) -> None:
    """The customer who waits for an answer still gets it; the shop hears of both."""
    hire(db, world.north)
    runtime = desk.with_model(scripted(say("Which car is it?")))
    mail(runtime, world.north, "How much for tint?", message_id="<m1@x.example>")
    mail(runtime, world.north, "unsubscribe", sender=SPOUSE, references="<m1@x.example>")
    assert addresses(db, world) == {("email", SPOUSE)}
    assert answer(runtime, world.north) == "done"
    by_kind = {(one.kind, one.to_address) for one in desk.email.sent}
    assert ("reply", CUSTOMER_EMAIL) in by_kind
    assert ("consent", SPOUSE) in by_kind
    (notice,) = outgoing(db, world.north, "notice")
    assert f"{SPOUSE}, which is not Dana's own address" in notice.body
    assert "Dana did not say stop" in notice.body


def test_a_stop_with_the_secret_is_the_customers_from_any_address(
    desk: Shop, db: Database, world: World
) -> None:
    hire(db, world.north)
    runtime = desk.with_model(scripted())
    mail(
        runtime, world.north, "stop", sender=SPOUSE, post_as={"to": token_address(db, world.north), **FORGED}
    )  # fmt: skip
    assert addresses(db, world) == {("email", SPOUSE), ("email", CUSTOMER_EMAIL), ("sms", CUSTOMER_PHONE)}
    assert lead_of(db, world.north).status == "opted_out"
    (notice,) = outgoing(db, world.north, "notice")
    assert "nor to Dana" in notice.body


@pytest.mark.parametrize("post_as", [FORGED, {}], ids=["forged", "proved"])
def test_the_models_own_opt_out_keeps_to_the_same_rule(
    desk: Shop, db: Database, world: World, post_as: dict[str, Any]
) -> None:
    runtime: Runtime = desk.with_model(scripted(call("opt_out", channel="all"), say("You get no more mail.")))
    mail(runtime, world.north, "I would rather we parted ways here", post_as=post_as)
    assert answer(runtime, world.north) == "done"
    everywhere = {("email", CUSTOMER_EMAIL), ("sms", CUSTOMER_PHONE)}
    assert addresses(db, world) == ({("email", CUSTOMER_EMAIL)} if post_as else everywhere)
    assert {actor for actor, _ in stops(db, world.north)} == {"customer"}


def test_the_models_opt_out_for_somebody_else_leaves_the_customer_alone(
    desk: Shop, db: Database, world: World
) -> None:
    runtime = desk.with_model(scripted(say("Hello! Which car is it?")))
    mail(runtime, world.north, "hello", message_id="<m1@x.example>")
    assert answer(runtime, world.north) == "done"
    runtime = desk.with_model(scripted(call("opt_out", channel="all"), say("You get no more mail.")))
    mail(runtime, world.north, "We would part ways here", sender=SPOUSE, references="<m1@x.example>")
    assert answer(runtime, world.north) == "done"
    assert addresses(db, world) == {("email", SPOUSE)}
    assert (desk.email.sent[-1].kind, desk.email.sent[-1].to_address) == ("consent", SPOUSE)
