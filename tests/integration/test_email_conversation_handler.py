"""The handler of stored mails: crashes in the middle, repetitions, machines' mail, and mail that nothing can read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from channels.email.mail import Automatic
from channels.email.staff import take_staff_mail
from crm.consents import is_opted_out
from crm.db import Database
from crm.models import MessageMedia
from ops.clock import FixedClock
from scheduler import hooks, jobs
from scheduler import mail as handler
from tests.conftest import CUSTOMER_EMAIL, World
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
from tests.integration.talking import answer, outgoing, rows, say, scripted
from tests.standins.sendgrid_inbound import compose

__all__ = ["desk"]
AWAY = {"Auto-Submitted": "auto-replied"}


class Killed(BaseException):
    """The process ends here, as kill -9 ends it: nobody catches this."""


def once(wrapped: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    """The function, which dies at its first call, before or after its work."""
    calls: list[int] = []

    def dying(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if before and len(calls) == 1:
            raise Killed
        result = wrapped(*given, **named)
        if len(calls) == 1:
            raise Killed
        return result

    return dying


@pytest.mark.parametrize("step", ["receive", "take", "_settle"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    desk: Shop,
    db: Database,
    world: World,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    before: bool,
) -> None:
    runtime = desk.with_model(scripted())
    taken: list[int] = []
    monkeypatch.setattr(handler, "take", lambda s, chat, message_id, automatic, now: taken.append(message_id))
    where = hooks if step == "_settle" else handler
    monkeypatch.setattr(where, step, once(getattr(where, step), before=before))
    raw = compose(CUSTOMER_EMAIL, world.north.mailbox, "Away", "Until Monday", headers=AWAY)
    event_id = post(runtime, world.north, raw)
    with pytest.raises(Killed):
        jobs.webhook(runtime, world.north.tenant_id, str(event_id))
    assert jobs.webhook(runtime, world.north.tenant_id, str(event_id)) == "not due", "its claim still holds"
    clock.advance(hooks.CLAIM + timedelta(seconds=1))
    is_done = (step, before) == ("_settle", False)
    again = jobs.webhook(runtime, world.north.tenant_id, str(event_id))
    assert again == ("not due" if is_done else "processed")
    assert event_of(db, world.north, event_id).status == "processed"
    (row,) = received(db, world.north)
    # The effects ran in the end, however often: they are made to be repeated.
    assert taken[-1] == row.id


def test_a_mail_with_an_answer_survives_a_crash_of_the_whole_job(
    desk: Shop, db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the shop's people is sent once, whether the worker dies before or after its transaction."""
    hire(db, world.north)
    runtime = desk.with_model(scripted())
    monkeypatch.setattr(handler, "take_staff_mail", once(take_staff_mail, before=False))
    raw = compose(OWNER, world.north.mailbox, "Re: alert", "See you at 2.")
    to = token_address(db, world.north, "staff-")
    event_id = post(runtime, world.north, raw, to=to, envelope_from=OWNER)
    with pytest.raises(Killed):
        jobs.webhook(runtime, world.north.tenant_id, str(event_id))
    assert outgoing(db, world.north) == []
    clock.advance(hooks.CLAIM + timedelta(seconds=1))
    assert jobs.webhook(runtime, world.north.tenant_id, str(event_id)) == "processed"
    assert [one.body for one in outgoing(db, world.north, "staff")] == ["See you at 2."]


def test_what_breaks_the_parser_is_read_plainly_from_the_third_try(
    desk: Shop, db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = desk.with_model(scripted())

    def broken(raw: bytes, content_type: str) -> Any:
        raise ValueError("a mail made to break us")

    monkeypatch.setattr(handler, "parse_email", broken)
    event_id = post(runtime, world.north, compose(CUSTOMER_EMAIL, world.north.mailbox, "Tint", "How much?"))
    for _ in range(2):
        with pytest.raises(ValueError, match="made to break"):
            jobs.webhook(runtime, world.north.tenant_id, str(event_id))
        clock.advance(timedelta(hours=1))
    assert jobs.webhook(runtime, world.north.tenant_id, str(event_id)) == "processed"
    assert "How much?" in received(db, world.north)[0].body
    assert answer(desk.with_model(scripted(say("Which car is it?"))), world.north) == "done"


@pytest.mark.parametrize("known", [True, False])
def test_mail_nothing_can_read_ends_with_a_word_to_the_shop(
    desk: Shop, db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    hire(db, world.north)
    runtime = desk.with_model(scripted())

    def broken(raw: bytes, content_type: str) -> Any:
        raise ValueError("a mail made to break us")

    monkeypatch.setattr(handler, "parse_email", broken)
    monkeypatch.setattr(handler, "parse_email_plainly", broken)
    sender = CUSTOMER_EMAIL if known else "who@else.example"
    raw = compose(sender, world.north.mailbox, "Tint", "How much?")
    event_id = post(runtime, world.north, raw, envelope_from=sender)
    for _ in range(hooks.MAX_TRIES):
        with pytest.raises(ValueError, match="made to break"):
            jobs.webhook(runtime, world.north.tenant_id, str(event_id))
        clock.advance(timedelta(hours=1))
    event = event_of(db, world.north, event_id)
    assert (event.status, event.note) == ("failed", "ValueError; see the worker's log")
    (notice,) = outgoing(db, world.north, "notice")
    assert (notice.to_address, notice.lead_id == world.north.lead_id) == (OWNER, known)
    assert f"A mail from {sender} could not be read" in notice.body
    assert str(event_id) in notice.body
    assert jobs.webhook(runtime, world.north.tenant_id, str(event_id)) == "not due"


def test_a_mail_that_kills_its_worker_every_time_is_given_up_too(
    desk: Shop, db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hire(db, world.north)
    runtime = desk.with_model(scripted())

    def killer(raw: bytes, content_type: str) -> Any:
        raise Killed

    monkeypatch.setattr(handler, "parse_email", killer)
    monkeypatch.setattr(handler, "parse_email_plainly", killer)
    event_id = post(runtime, world.north, compose(CUSTOMER_EMAIL, world.north.mailbox, "Tint", "How much?"))
    for _ in range(hooks.MAX_TRIES):
        with pytest.raises(Killed):
            jobs.webhook(runtime, world.north.tenant_id, str(event_id))
        clock.advance(hooks.CLAIM + timedelta(seconds=1))
    assert jobs.webhook(runtime, world.north.tenant_id, str(event_id)) == "failed"
    assert len(outgoing(db, world.north, "notice")) == 1


def test_machines_mail_is_kept_beside_the_conversation(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted())
    event = mail(runtime, world.north, "I am away until Monday.", headers=AWAY)
    assert event.status == "processed"
    (row,) = received(db, world.north)
    assert row.kind == "automatic"
    assert answer(runtime, world.north) == "not due"
    event = mail(runtime, world.north, "Our news!", sender="news@shop.example", headers={"List-Id": "<news>"})
    assert event.status == "ignored"
    assert "nobody we know" in (event.note or "")
    assert len(leads(db, world.north)) == 1


def test_a_machine_that_unsubscribes_an_unknown_address_is_obeyed(
    desk: Shop, db: Database, world: World
) -> None:
    runtime = desk.with_model(scripted())
    event = mail(
        runtime, world.north, "", sender="alias@else.example", subject="unsubscribe", headers=AWAY
    )  # fmt: skip
    assert event.status == "processed"
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "email", "alias@else.example")


def test_a_report_that_names_no_mail_of_ours_is_ignored(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted())
    event = mail(
        runtime, world.north, "Delivery has failed to these recipients: who@nowhere.example",
        sender="MAILER-DAEMON@mx.nowhere.example", subject="Undeliverable: hello", post_as={"envelope_from": ""},
        headers={"Auto-Submitted": "auto-replied"},
    )  # fmt: skip
    assert event.status == "ignored", event.note
    assert received(db, world.north) == []


def test_a_report_moves_the_mail_it_speaks_of(desk: Shop, db: Database, world: World) -> None:
    hire(db, world.north)
    runtime = desk.with_model(scripted(say("Which car is it?")))
    mail(runtime, world.north, "How much?")
    assert answer(runtime, world.north) == "done"
    (sent,) = desk.email.sent
    body = f"Your message could not be delivered.\n\nDana <{CUSTOMER_EMAIL}>: 550 5.1.1 user unknown\n"
    event = mail(
        runtime, world.north, body, sender="MAILER-DAEMON@mx.example.com", subject="Undelivered Mail",
        references=sent.rfc_message_id, post_as={"envelope_from": ""}, headers={"Auto-Submitted": "auto-replied"},
    )  # fmt: skip
    assert event.status == "processed", event.note
    assert outgoing(db, world.north, "reply")[0].status == "undelivered"
    assert len(received(db, world.north)) == 1


def test_files_come_with_the_message_and_logos_stay_outside(desk: Shop, db: Database, world: World) -> None:
    runtime = desk.with_model(scripted())
    lines = [
        f"From: {CUSTOMER_EMAIL}", f"To: {world.north.mailbox}", "Subject: Tint", "Message-ID: <p@x.example>",
        "MIME-Version: 1.0", 'Content-Type: multipart/related; boundary="b"', "",
        "--b", "Content-Type: text/html", "", '<p>My car <img src="cid:logo"><img src="cid:car"></p>',
        "--b", "Content-Type: image/png", "Content-ID: <logo>", "Content-Disposition: inline; filename=logo.png",
        "Content-Transfer-Encoding: base64", "", "iVBORw0KGgo=",
        "--b", "Content-Type: image/jpeg", "Content-ID: <car>", "Content-Disposition: inline; filename=car.jpg",
        "Content-Transfer-Encoding: base64", "", "/9j/" + "A" * 12000,
        "--b--", "",
    ]  # fmt: skip
    event_id = post(runtime, world.north, "\r\n".join(lines).encode())
    jobs.webhook(runtime, world.north.tenant_id, str(event_id))
    (file,) = rows(db, world.north, MessageMedia)
    assert (file.filename, file.status, file.url) == ("car.jpg", "stored", f"mail:{event_id}")


def test_a_mailbox_that_moved_to_another_business_gives_nothing_away(
    desk: Shop, db: Database, world: World
) -> None:
    runtime = desk.with_model(scripted())
    event = mail(runtime, world.north, "hello", post_as={"to": world.south.mailbox})
    assert (event.status, event.note) == ("ignored", "the mailbox belongs to another tenant now")
    assert (received(db, world.north), received(db, world.south)) == ([], [])


def test_the_effects_get_what_the_mail_said(
    desk: Shop, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Automatic] = []
    monkeypatch.setattr(handler, "take", lambda s, chat, message_id, automatic, now: seen.append(automatic))
    runtime = desk.with_model(scripted())
    mail(runtime, world.north, "I am away.", subject="Out of office", headers=AWAY)
    assert [one.kind for one in seen] in (["out_of_office"], ["auto_reply"])
