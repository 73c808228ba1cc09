"""The shop's own people answer an alert from their mailbox: the customer gets their words, the agent is quiet."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from channels.courtesy import WORDS
from crm.db import Database
from crm.models import ChatMessage, Lead
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, World
from tests.integration.answering import Shop
from tests.integration.conversation_help import (
    OWNER,
    desk,
    event_of,
    hire,
    leads,
    mail,
    post,
    received,
    token_address,
)
from tests.integration.talking import (
    answer,
    asked,
    call,
    change,
    chat_of,
    flush,
    hear,
    lead_of,
    outgoing,
    rows,
    say,
    scripted,
)
from tests.standins.sendgrid_inbound import compose

__all__ = ["desk"]
HAND_OFF = call("hand_off", reason="asked_for_person", note="Wants to talk.")
QUOTED = (
    "Yes, we can do that at 2.\n\n"
    "On Mon, Nov 23, 2026 at 9:01 AM North Tint <shop@north.example> wrote:\n> Dana needs a person\n"
)


def alerted(desk: Shop, db: Database, world: World, channel: str = "sms") -> Runtime:
    """The customer wanted a person, and the owner has the alert in their mailbox."""
    hire(db, world.north)
    runtime = desk.with_model(scripted(HAND_OFF, say("A person will get back to you.")))
    hear(runtime, world.north, "a human please", channel=channel)
    assert answer(runtime, world.north) == "done"
    (alert,) = [one for one in desk.email.sent if one.kind == "notice"]
    assert (alert.to_address, alert.reply_to) == (OWNER, token_address(db, world.north, "staff-"))
    return runtime


def reply(runtime: Runtime, db: Database, world: World, words: str, **given: Any) -> str | None:
    """The owner answers the alert; returns the note on the post."""
    post_as = {"to": token_address(db, world.north, "staff-"), **given.pop("post_as", {})}
    sender = given.pop("sender", f"Sam Owner <{OWNER}>")
    subject = given.pop("subject", "Re: North Tint: a customer needs you")
    event = mail(runtime, world.north, words, sender=sender, subject=subject, post_as=post_as, **given)
    flush(runtime, world.north)
    return event.note


def test_the_answer_goes_to_the_customer_on_the_channel_they_used(
    desk: Shop, db: Database, world: World
) -> None:
    runtime = alerted(desk, db, world)
    reply(runtime, db, world, QUOTED)
    assert desk.texts()[-1] == "Yes, we can do that at 2."
    (row,) = outgoing(db, world.north, "staff")
    assert (row.channel, row.status, row.to_address) == ("sms", "sent", CUSTOMER_PHONE)
    chat = chat_of(db, world.north)
    assert (chat.state, chat.state_reason, lead_of(db, world.north).status) == (
        "human", "Sam answered by email", "human",
    )  # fmt: skip


def test_a_mail_answers_a_mail_without_the_assistants_words(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world, "email")
    reply(runtime, db, world, "We can.\n\n-- \nSam Owner\nNorth Tint\n312 555 0100")
    sent = desk.email.sent[-1]
    assert (sent.kind, sent.to_address, sent.body) == ("staff", CUSTOMER_EMAIL, "We can.")
    assert "automated" not in sent.body
    assert sent.reply_to == token_address(db, world.north)
    assert sent.in_reply_to != received(db, world.north)[-1].rfc_message_id


def test_it_takes_the_conversation_over_from_the_agent(desk: Shop, db: Database, world: World) -> None:
    """Answering any alert does, also one after which the agent goes on: the debt and the touches rest."""
    hire(db, world.north)
    model = scripted()
    runtime = desk.with_model(model)
    hear(runtime, world.north, "how much?")
    reply(runtime, db, world, "I will call you today.")
    assert desk.texts() == ["I will call you today."]
    assert chat_of(db, world.north).answer_due_at is None
    assert answer(runtime, world.north) == "not due"
    assert model.requests == []


def test_a_long_answer_to_a_text_goes_by_mail(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    long = "We can do that. " * 60
    reply(runtime, db, world, long)
    assert desk.texts() == ["A person will get back to you."]
    assert desk.email.sent[-1].body.split() == long.split()
    change(db, world.north, "update leads set email = null where id = :lead")
    note = reply(runtime, db, world, long + "Really.")
    assert note is not None
    assert "too long for a text message" in note
    assert "too long for a text message" in desk.email.sent[-1].body
    assert desk.email.sent[-1].to_address == OWNER


def test_the_same_mail_twice_is_sent_once(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    for _ in range(2):
        reply(runtime, db, world, "Yes.", message_id="<one@north.example.com>")
    assert desk.texts().count("Yes.") == 1
    assert len([one for one in received(db, world.north) if one.kind == "automatic"]) == 1


@pytest.mark.parametrize("words", ["/back", "Done, I called them.\n\n/back", " /BACK "])
def test_a_line_gives_the_conversation_back(desk: Shop, db: Database, world: World, words: str) -> None:
    runtime = alerted(desk, db, world)
    reply(runtime, db, world, words)
    assert chat_of(db, world.north).state == "agent"
    assert desk.texts()[1:] == (["Done, I called them."] if "Done" in words else [])
    model = scripted(say("Which car is it?"))
    hear(runtime, world.north, "and how much is it?")
    assert answer(desk.with_model(model), world.north) == "done"
    assert asked(model) == "and how much is it?"
    assert ("Done, I called them." in str(model.requests[0].items)) is ("Done" in words)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"post_as": {"spf": "fail"}}, "nothing proves"),
        ({"post_as": {"envelope_from": "x@evil.example"}}, "nothing proves"),
        ({"sender": "stranger@evil.example"}, "not an address of the shop's people"),
        ({"post_as": {"to": "shop@north.example"}}, "answers no alert"),
        ({"words": "> Dana needs a person\n"}, "no words of its own"),
        ({"words": "STOP"}, "says stop"),
    ],
    ids=["forged", "not aligned", "nobody of the shop", "no alert", "no words", "stop"],
)
def test_what_may_not_go_to_a_customer_is_kept_and_told_of(
    desk: Shop, db: Database, world: World, given: dict[str, Any], why: str
) -> None:
    runtime = alerted(desk, db, world)
    state = chat_of(db, world.north).state_reason
    words = given.pop("words", "Tell her it is free.")
    note = reply(runtime, db, world, words, **given)
    assert why in (note or "")
    assert desk.texts() == ["A person will get back to you."]
    assert outgoing(db, world.north, "staff") == []
    assert [one.kind for one in desk.email.sent if one.to_address == CUSTOMER_EMAIL] == []
    kept = received(db, world.north)[-1]
    assert (kept.kind, kept.from_address) == ("automatic", given.get("sender", OWNER))
    assert why in (kept.raw or {})["kept_because"]
    assert chat_of(db, world.north).state_reason == state
    notices = [row for row in outgoing(db, world.north, "notice") if "was not sent to anybody" in row.body]
    assert [why in row.body for row in notices] == [True]
    with db.tenant(world.north.tenant_id) as session:
        told = read_transcript(session, kept.lead_id)
    assert any(why in reason for line in told for reason in line.reasons)


def test_mail_for_nobody_makes_no_customer_of_the_owner(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    mail(runtime, world.north, "A fresh mail of mine", sender=OWNER)
    (_, room) = leads(db, world.north)
    assert (room.source, room.email, room.phone) == ("mailroom", None, None)
    mail(runtime, world.north, "Another one", sender=OWNER)
    assert len(leads(db, world.north)) == 2


def test_the_owner_is_told_when_the_customer_said_stop(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    hear(runtime, world.north, "STOP")
    flush(runtime, world.north)
    reply(runtime, db, world, "Yes, at 2.")
    assert "Yes, at 2." not in desk.texts()
    (row,) = outgoing(db, world.north, "staff")
    assert row.status == "withheld"
    flush(runtime, world.north)
    assert "was not sent: this person said stop" in desk.email.sent[-1].body
    assert desk.email.sent[-1].to_address == OWNER


def test_a_stop_between_writing_and_sending_is_told_too(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    post_as = {"to": token_address(db, world.north, "staff-")}
    mail(runtime, world.north, "Yes, at 2.", sender=OWNER, post_as=post_as)
    hear(runtime, world.north, "STOP")
    flush(runtime, world.north)
    assert outgoing(db, world.north, "staff")[0].status == "withheld"
    assert any(
        "was not sent: this person said stop" in row.body for row in outgoing(db, world.north, "notice")
    )


def test_out_of_office_of_the_owner_does_nothing(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    note = reply(
        runtime, db, world, "I am away until Monday.", subject="Automatic reply: a customer needs you",
        headers={"Auto-Submitted": "auto-replied"},
    )  # fmt: skip
    assert "automatic mail of Sam" in (note or "")
    assert len(received(db, world.north)) == 1
    assert len(outgoing(db, world.north, "notice")) == 1
    assert desk.texts() == ["A person will get back to you."]


def test_whoever_wrote_to_the_customer_directly_is_not_sent_twice(
    desk: Shop, db: Database, world: World
) -> None:
    runtime = alerted(desk, db, world, "email")
    raw = compose(OWNER, f"shop@north.example, {CUSTOMER_EMAIL}", "Re: Tint", "See you at 2.")
    to = token_address(db, world.north, "staff-")
    event_id = post(runtime, world.north, raw, to=to, envelope_from=OWNER)
    jobs.webhook(runtime, world.north.tenant_id, str(event_id))
    assert event_of(db, world.north, event_id).status == "processed"
    assert outgoing(db, world.north, "staff") == []
    assert chat_of(db, world.north).state == "human"


def test_an_owner_who_is_a_customer_too_is_answered_as_one(desk: Shop, db: Database, world: World) -> None:
    hire(db, world.north, CUSTOMER_EMAIL)
    runtime = desk.with_model(scripted(say("Which car is it?")))
    mail(runtime, world.north, "How much is tint?")
    assert answer(runtime, world.north) == "done"
    assert [one.kind for one in desk.email.sent] == ["reply"]


def test_an_alert_is_found_by_its_thread_too(desk: Shop, db: Database, world: World) -> None:
    """A mail program that ignores Reply-To answers to the mailbox itself."""
    runtime = alerted(desk, db, world)
    (alert,) = [one for one in desk.email.sent if one.kind == "notice"]
    reply(
        runtime, db, world, "By thread.", in_reply_to=f"<{alert.outbox_id}@north.example>",
        post_as={"to": world.north.mailbox},
    )  # fmt: skip
    assert desk.texts()[-1] == "By thread."


def test_the_other_business_cannot_answer(desk: Shop, db: Database, world: World, clock: FixedClock) -> None:
    """The owner of the south has the north's secret: to the north he is nobody of the shop."""
    runtime = alerted(desk, db, world)
    hire(db, world.south, "owner@south.example.com")
    note = reply(runtime, db, world, "Come to us!", sender="owner@south.example.com")
    assert "not an address of the shop's people" in (note or "")
    assert outgoing(db, world.north, "staff") == []


def test_the_assistants_introduction_waits_for_the_assistant(desk: Shop, db: Database, world: World) -> None:
    """A person's first words are not called a machine's, and the machine's own first ones still are."""
    hire(db, world.north)
    runtime = desk.with_model(scripted(say("Which car is it?")))
    hear(runtime, world.north, "hello")
    reply(runtime, db, world, "Hi, Sam here.\n/back")
    assert desk.sms.sent[-1].body == "Hi, Sam here."
    hear(runtime, world.north, "how much is tint?")
    assert answer(runtime, world.north) == "done"
    assert WORDS["en"].both.format(shop="North Tint") in desk.sms.sent[-1].body


def test_only_words_are_kept_in_the_rows(desk: Shop, db: Database, world: World) -> None:
    runtime = alerted(desk, db, world)
    reply(runtime, db, world, "Yes.")
    (sent,) = outgoing(db, world.north, "staff")
    assert (sent.raw or {})["staff"] == "Sam"
    assert rows(db, world.south, ChatMessage) == []
    with db.tenant(world.north.tenant_id) as session:
        assert session.execute(text("select count(*) from leads")).scalar_one() == 1
        assert session.get_one(Lead, world.north.lead_id).email == CUSTOMER_EMAIL
