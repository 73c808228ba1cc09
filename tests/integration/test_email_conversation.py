"""Which conversation a mail belongs to, whoever wrote it and however it found its way."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import select

from crm.db import Database
from crm.models import ChatMessage, ChatSession
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from scheduler import jobs
from tests.conftest import CUSTOMER_EMAIL, World
from tests.integration.answering import Shop
from tests.integration.conversation_help import (
    desk,
    leads,
    mail,
    post,
    received,
    second_location,
    session_of,
    token_address,
)
from tests.integration.talking import answer, asked, chat_of, hear, lead_of, outgoing, say, scripted
from tests.standins.sendgrid_inbound import compose

__all__ = ["desk"]
SPOUSE = "Alex <alex@home.example>"


def test_a_new_address_with_the_secret_joins_the_conversation(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted(say("Which Tuesday do you mean?")))
    event = mail(
        runtime, world.north, "Tuesday?", sender=SPOUSE, post_as={"to": token_address(db, world.north)}
    )
    assert event.status == "processed"
    (row,) = received(db, world.north)
    assert (row.session_id, row.from_address) == (world.north.session_id, "alex@home.example")
    assert (row.raw or {})["authentic"] == "token"
    assert (row.raw or {})["own_address"] is False
    assert len(leads(db, world.north)) == 1
    assert lead_of(db, world.north).email == CUSTOMER_EMAIL
    assert answer(runtime, world.north) == "done"
    assert [one.to_address for one in desk.email.sent] == ["alex@home.example"]
    with db.tenant(world.north.tenant_id) as session:
        told = read_transcript(session, world.north.lead_id)
    assert told[0].reasons == ["from alex@home.example, not the customer's own address"]


@pytest.mark.parametrize("case", ["stale", "another tenant's", "another location's"])
def test_a_secret_of_another_conversation_opens_nothing(
    desk: Shop, db: Database, world: World, case: str
) -> None:
    runtime = desk.with_model(scripted())
    second_location(db, world.north)
    to = {
        "stale": "shop+aaaaaaaaaaaaaaaa@north.example",
        "another tenant's": token_address(db, world.south).replace("south", "north"),
        "another location's": token_address(db, world.north).replace("shop+", "west+"),
    }[case]
    event = mail(runtime, world.north, "Hello?", sender="new@else.example", post_as={"to": to})
    assert event.status == "processed"
    (row,) = received(db, world.north)
    assert row.session_id != world.north.session_id
    assert (row.raw or {})["authentic"] == "spf"
    new = next(lead for lead in leads(db, world.north) if lead.email == "new@else.example")
    where = {"another location's": "west@north.example"}.get(case, world.north.mailbox)
    assert (row.lead_id, row.to_address) == (new.id, where)
    assert received(db, world.south) == []


def test_the_newest_reference_that_is_known_counts(desk: Shop, db: Database, world: World) -> None:
    """One id a web form gives to everybody's mail names nobody; the mail that is answered does."""
    runtime = desk.with_model(scripted())
    mail(runtime, world.north, "one", sender="a@form.example", message_id="<form@form.example>")
    mail(runtime, world.north, "two", sender="b@form.example", message_id="<form@form.example>")
    mail(runtime, world.north, "three", sender="b@form.example", message_id="<b3@form.example>")
    first, second = (lead.id for lead in leads(db, world.north)[1:])
    mail(
        runtime, world.north, "and I", sender="c@x.example",
        references="<b3@form.example> <form@form.example> <nobody@x.example>",
    )  # fmt: skip
    mail(runtime, world.north, "me again", sender="a@form.example", references="<form@form.example>")
    mail(runtime, world.north, "who?", sender="d@x.example", references="<form@form.example>")
    by_words = {row.body: row.lead_id for row in received(db, world.north)}
    assert (by_words["and I"], by_words["me again"]) == (second, first)
    assert by_words["who?"] not in (first, second)


def test_text_and_mail_of_one_person_are_one_conversation_with_one_answer(
    desk: Shop, db: Database, world: World
) -> None:
    model = scripted(say("We are open until six."))
    runtime = desk.with_model(model)
    hear(runtime, world.north, "How late are you open?")
    mail(runtime, world.north, "And on Saturday?")
    assert answer(runtime, world.north) == "done"
    assert asked(model) == "How late are you open?\nAnd on Saturday?"
    assert [one.to_address for one in desk.email.sent] == [CUSTOMER_EMAIL]
    assert desk.texts() == []
    hear(runtime, world.north, "Thanks")
    runtime = desk.with_model(scripted(say("You are welcome.")))
    assert answer(runtime, world.north) == "done"
    assert desk.texts() == ["You are welcome."]
    assert len(leads(db, world.north)) == 1


def test_two_locations_of_one_business_have_a_conversation_each(
    desk: Shop, db: Database, world: World
) -> None:
    """The same mail to both is one message at each; its thread opens only the conversation of its own location."""
    runtime = desk.with_model(scripted())
    west = second_location(db, world.north)
    both = ["shop@north.example", "west@north.example"]
    mail(runtime, world.north, "Do you tint vans?", message_id="<van@x.example>", post_as={"to": both})
    mail(runtime, world.north, "Do you tint vans?", message_id="<van@x.example>", post_as={"to": both[1]})
    first, second = received(db, world.north)
    assert first.session_id == world.north.session_id
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(ChatSession, second.session_id).location_id == west
    mail(runtime, world.north, "Vans?", sender=SPOUSE, references="<van@x.example>", post_as={"to": both[1]})
    assert received(db, world.north)[-1].session_id == second.session_id


def test_mails_that_overtook_each_other_are_read_as_they_were_written(
    desk: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    model = scripted(say("Which car is it?"))
    runtime = desk.with_model(model)
    dates = [format_datetime(clock.now() - timedelta(seconds=wait)) for wait in (90, 30)]
    raws = [
        compose(CUSTOMER_EMAIL, world.north.mailbox, "Tint", text).replace(b"Date: ", b"X-Date: ")
        for text in ("Tuesday please", "no, Wednesday")
    ]
    dated = [f"Date: {date}\r\n".encode() + raw for date, raw in zip(dates, raws, strict=True)]
    for raw in reversed(dated):
        jobs.webhook(runtime, world.north.tenant_id, str(post(runtime, world.north, raw)))
    assert answer(runtime, world.north) == "done"
    assert asked(model) == "Tuesday please\nno, Wednesday"


def test_a_late_mail_says_so(desk: Shop, db: Database, world: World, clock: FixedClock) -> None:
    model = scripted(say("Noted."))
    runtime = desk.with_model(model)
    now = clock.now()
    for text, wait in (("no, Wednesday", 60), ("Tuesday please", 3600)):
        date = format_datetime(now - timedelta(seconds=wait))
        raw = compose(CUSTOMER_EMAIL, world.north.mailbox, "Tint", text).replace(b"Date: ", b"X-Date: ")
        jobs.webhook(
            runtime,
            world.north.tenant_id,
            str(post(runtime, world.north, f"Date: {date}\r\n".encode() + raw)),
        )
    late = received(db, world.north)[-1]
    assert late.received_at == now - timedelta(hours=1)
    assert answer(runtime, world.north) == "done"
    assert "reached us late" in asked(model)
    assert asked(model).endswith("no, Wednesday")


def test_a_clock_that_is_wrong_changes_nothing(
    desk: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = desk.with_model(scripted())
    for text, hours in (("one", 9), ("two", 8)):
        date = format_datetime(clock.now() - timedelta(hours=hours))
        raw = compose(CUSTOMER_EMAIL, world.north.mailbox, "Tint", text).replace(b"Date: ", b"X-Date: ")
        post_id = post(runtime, world.north, f"Date: {date}\r\n".encode() + raw)
        jobs.webhook(runtime, world.north.tenant_id, str(post_id))
    assert [row.received_at for row in received(db, world.north)] == [clock.now()] * 2


def test_somebody_else_never_takes_the_customers_answer_away(desk: Shop, db: Database, world: World) -> None:
    """A third person answers into the thread while the customer waits: the customer gets the answer."""
    runtime = desk.with_model(scripted(say("Which car is it?")))
    mail(runtime, world.north, "How much for a sedan?", message_id="<q@x.example>")
    mail(runtime, world.north, "Ask about vans too", sender=SPOUSE, references="<q@x.example>")
    with db.tenant(world.north.tenant_id) as session:
        other = session.scalars(select(ChatMessage).order_by(ChatMessage.id.desc()).limit(1)).one()
    assert (other.session_id, (other.raw or {})["found_by"]) == (world.north.session_id, "thread")
    assert answer(runtime, world.north) == "done"
    assert [one.to_address for one in desk.email.sent] == [CUSTOMER_EMAIL]


def test_the_agent_knows_on_which_channel_it_writes(desk: Shop, db: Database, world: World) -> None:
    """The policy asks for a greeting and a close in a mail, and the records of now say which it is; a mail is longer."""
    long = "Hi Dana,\n\n" + "We look at the car first. " * 40 + "\n\nNorth Tint, automated assistant"
    model = scripted(say(long))
    runtime = desk.with_model(model)
    mail(runtime, world.north, "What happens at the first visit?")
    assert answer(runtime, world.north) == "done"
    request = model.requests[0]
    assert '"channel":"email"' in str(request.items)
    assert "Email: greet by name" in request.system[0]
    (sent,) = outgoing(db, world.north, "reply")
    assert len(sent.body) > 1000
    assert chat_of(db, world.north).last_channel == "email"


def test_south_never_sees_a_mail_to_north(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted())
    mail(runtime, world.north, "hello", references="<one@x.example>")
    assert received(db, world.south) == []
    assert session_of(db, world.south, world.south.lead_id).last_inbound_id is None
