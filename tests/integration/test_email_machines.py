"""Mail that no person wrote, from SendGrid's post over real sockets to what the worker makes of it: nothing is
answered, a bounce finds its mail, an absence moves the touches, and the shop hears what a person should know."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from channels.email.bounces import find_bounced, is_proved
from channels.email.mail import Bounce
from crm.db import Database
from crm.models import ChatMessage, Lead
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL
from tests.integration.machine_help import CASES, OF_ITS_SENDER, Line, automatic, bounce_of, line
from tests.integration.talking import chat_of, lead_of, outgoing, rows
from tests.machine_mail.scoring import PERSON
from tests.standins.sendgrid_inbound import compose

__all__ = ["line"]


def test_no_machine_is_answered(line: Line, db: Database) -> None:
    machines = [case for case in CASES.values() if case.kind != PERSON]
    for case in machines:
        assert line.hear_case(case, as_customer=case.name not in OF_ITS_SENDER) != [], case.name
        assert chat_of(db, line.north).answer_due_at is None, case.name
    assert line.turn() == "not due"
    assert line.model.requests == []
    assert outgoing(db, line.north, "reply", "touch", "consent") == []
    stored = {message.raw["automatic"] for message in automatic(db, line.north) if message.raw}
    assert stored == {"auto_reply", "out_of_office", "list", "calendar", "challenge"}
    assert rows(db, line.north, ChatMessage, ChatMessage.kind == "inbound") == []


def test_people_who_look_like_machines_are_answered(line: Line, db: Database) -> None:
    people = [
        CASES[name]
        for name in ("out_until_monday_with_a_question", "suppress_dr_only", "sales_tool_with_unsubscribe")
    ]
    for case in people:
        assert line.hear_case(case) == ["processed"]
    assert line.turn() == "done"
    assert [row.kind for row in outgoing(db, line.north)] == ["reply"]


def test_a_bounce_finds_its_mail_and_marks_the_address(line: Line, db: Database) -> None:
    message_id, sent = line.post.send(line.north)
    assert line.hear(bounce_of(sent.body["headers"]["Message-ID"]), "") == ["processed"]
    message = line.post.row(line.north, message_id)
    assert (message.status, message.error_code) == ("undelivered", "5.1.1")
    assert lead_of(db, line.north).email_bad_since is not None
    assert [row for row in rows(db, line.north, ChatMessage) if row.direction == "in"] == []
    assert len(line.post.notices(line.north)) == 1
    assert line.turn() == "not due"


def test_a_full_mailbox_is_no_bad_address(line: Line, db: Database) -> None:
    message_id, sent = line.post.send(line.north)
    line.hear(bounce_of(sent.body["headers"]["Message-ID"], "5.2.2", "552 5.2.2 mailbox full"), "")
    assert line.post.row(line.north, message_id).status == "undelivered"
    assert lead_of(db, line.north).email_bad_since is None


def test_a_report_about_no_mail_of_ours_changes_nothing(line: Line, db: Database) -> None:
    message_id, _ = line.post.send(line.north)
    assert line.hear(bounce_of("<11111111-1111-4111-8111-111111111111@north.example>"), "") == ["ignored"]
    assert line.post.row(line.north, message_id).status == "sent"
    assert lead_of(db, line.north).email_bad_since is None


def test_a_delay_and_a_receipt_move_nothing(line: Line) -> None:
    message_id, sent = line.post.send(line.north)
    ours = sent.body["headers"]["Message-ID"].encode()
    delay = CASES["gmail_delay"].raw.replace(
        b"Reporting-MTA", b"X-Original-Message-ID: " + ours + b"\r\nReporting-MTA"
    )
    receipt = CASES["thunderbird_read"].raw.replace(
        b"Disposition:", b"Original-Message-ID: " + ours + b"\r\nDisposition:"
    )
    line.hear(delay, "")
    line.hear(receipt, CUSTOMER_EMAIL)
    assert line.post.row(line.north, message_id).status == "sent"
    assert sorted(map(str, line.notes())) == [
        f"delayed of message {message_id}",
        f"read of message {message_id}",
    ]


def test_by_the_recipient_only_when_it_can_be_only_one(line: Line, db: Database, clock: FixedClock) -> None:
    message_id, _ = line.post.send(line.north)
    report = Bounce(hard=True, recipient=CUSTOMER_EMAIL)

    def found(now: datetime | None, about: Bounce = report) -> int | None:
        with db.tenant(line.north.tenant_id) as session:
            message = find_bounced(session, about, now=now)
            assert message is None or not is_proved(message, about)
            return message.id if message else None

    assert found(clock.now()) == message_id
    assert found(None) is None
    assert found(clock.now() + timedelta(days=7)) is None
    assert found(clock.now(), Bounce(hard=True, recipient="nobody@example.com")) is None
    clock.advance(timedelta(hours=1))
    line.post.send(line.north)
    assert found(clock.now()) is None


def test_a_forged_report_ends_no_address(line: Line, db: Database) -> None:
    """Who knows the address but not the mail's own ids may say what they like."""
    message_id, _ = line.post.send(line.north)
    forged = re.sub(rb"(?m)^Message-ID:[^\r\n]*\r\n(?!.*Message-ID)", b"", bounce_of("<x@elsewhere.example>"))
    line.hear(forged.replace(b"<x@elsewhere.example>", b""), "")
    assert lead_of(db, line.north).email_bad_since is None
    assert line.post.row(line.north, message_id).status in ("sent", "undelivered")


def test_a_form_on_a_web_page_is_the_persons_who_filled_it_in(line: Line, db: Database) -> None:
    form = compose(
        "Website <no-reply@forms.example>", "shop@north.example", "New submission",
        "Name: Kim\nMessage: How much is a ceramic tint for my Civic?",
        headers={"Reply-To": "Kim <kim@mail.example>"},
    )  # fmt: skip
    assert line.hear(form, "no-reply@forms.example") == ["processed"]
    (kim,) = rows(db, line.north, Lead, Lead.email == "kim@mail.example")
    (stored,) = rows(
        db, line.north, ChatMessage, ChatMessage.lead_id == kim.id, ChatMessage.direction == "in"
    )
    assert stored.kind == "automatic"
    (notice,) = line.post.notices(line.north)
    assert "How much is a ceramic tint" in notice
    assert rows(db, line.north, Lead, Lead.email == "no-reply@forms.example") == []


def test_a_declined_invitation_reaches_the_shop(line: Line, db: Database) -> None:
    line.hear_case(CASES["apple_declined_folded"])
    line.hear_case(CASES["google_accepted"])
    (notice,) = line.post.notices(line.north)
    assert notice.startswith('Dana declined the invitation and wrote: "My car is in the body shop".')


def test_a_filter_that_wants_proof_is_told_once(line: Line, db: Database) -> None:
    line.hear_case(CASES["spam_arrest"])
    line.hear_case(CASES["prove_human"])
    (notice,) = line.post.notices(line.north)
    assert "only after a person has proved to be one" in notice


def test_what_may_be_a_persons_is_told_with_its_words(line: Line, db: Database) -> None:
    line.hear_case(CASES["only_suppress_all"])
    line.hear(
        CASES["only_suppress_all"]
        .raw.replace(b"<d1@", b"<d2@")
        .replace(b"dana@bigcorp.example", CUSTOMER_EMAIL.encode())
    )
    (notice,) = line.post.notices(line.north)
    assert "Please see the attached instructions for vendors." in notice
    assert len(automatic(db, line.north)) == 2, "both are on record"


@pytest.mark.parametrize(
    "body",
    [
        "Hello, we are happy to help you with all of your plumbing needs today, case {n}.",
        "What is it about, number {n}?",
    ],
    ids=["the same words with another number", "other words within seconds"],
)
def test_two_machines_that_mail_each_other_come_to_an_end(
    line: Line, db: Database, clock: FixedClock, body: str
) -> None:
    """A machine with no sign at all answers each of our mails within seconds. `line.model` would go on for ever."""
    rounds = 0
    for number in range(20):
        raw = compose(f"Dana <{CUSTOMER_EMAIL}>", line.north.mailbox, "Re: Tint", body.format(n=number))
        assert line.hear(raw) == ["processed"]
        if line.turn() != "done":
            break
        rounds += 1
    assert 2 <= rounds <= 6
    assert chat_of(db, line.north).state == "human"
    assert len([told for told in line.post.notices(line.north) if "has stopped answering" in told]) == 1
    assert len([mail for mail in line.post.sendgrid.mails if mail.to == [CUSTOMER_EMAIL]]) == rounds
