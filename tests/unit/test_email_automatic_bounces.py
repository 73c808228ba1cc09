"""What delivery reports say: whose fault, and of which mail."""

from __future__ import annotations

import pytest

from channels.email.bounces import read_bounce
from channels.email.mail import Bounce, Content, Report, Words
from channels.email.reports import delivery, fields_of, invitation_answer

OURS = "<0c1f6a53-7a0e-4b5f-93a5-1c37a6a2f7d1@north.example>"


def bounce(status: str | None, diagnostic: str, words: str = "It failed.") -> Bounce:
    lines = ["Final-Recipient: rfc822; Dana@Example.com", "Action: failed"]
    lines += [f"Status: {status}"] if status else []
    report = Report("message/delivery-status", "\n".join([*lines, f"Diagnostic-Code: smtp; {diagnostic}"]))
    return read_bounce(Content({}, words, "", reports=(report,)), Words(words, words))


@pytest.mark.parametrize(
    ("status", "diagnostic"),
    [
        ("5.1.1", "550 5.1.1 user unknown"),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
        ("5.1.2", "host not found"),
        ("5.2.1", "550 The email account that you tried to reach is disabled"),
        ("5.4.4", "Name service error: Host not found"),
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied"),
        ("5.0.0", "550 No such user here"),
        ("5.7.1", "550 5.7.1 recipient unknown"),
        (None, "550 Unrouteable address"),
    ],
)
def test_the_address_does_not_work(status: str | None, diagnostic: str) -> None:
    assert bounce(status, diagnostic).hard


@pytest.mark.parametrize(
    ("status", "diagnostic"),
    [
        ("5.2.2", "552 5.2.2 mailbox full"),
        ("4.2.2", "452 4.2.2 over quota"),
        ("4.4.7", "message expired"),
        ("4.1.1", "450 4.1.1 user unknown, try again later"),
        ("5.7.1", "550 5.7.1 blocked: spam content"),
        ("5.7.26", "550 5.7.26 unauthenticated mail is prohibited by DMARC policy"),
        ("5.3.4", "552 5.3.4 message size exceeds fixed limit"),
        ("5.1.8", "550 5.1.8 sender address rejected: domain not found"),
        ("5.0.0", "554 transaction failed"),
        ("5.0.0", "550 mailbox unavailable because it is over quota"),
        (None, "421 try again later"),
    ],
)
def test_it_was_this_once(status: str | None, diagnostic: str) -> None:
    assert not bounce(status, diagnostic).hard


def test_what_our_own_mail_says_below_is_no_reason() -> None:
    words = "Your message could not be delivered.\n\n--- Below this line is a copy of the message.\n\nuser unknown"
    assert not read_bounce(Content({}, words, ""), Words(words, words)).hard


def test_the_one_that_failed_of_several() -> None:
    report = Report(
        "message/delivery-status",
        "Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; a@example.com\nAction: delivered\nStatus: 2.0.0\n\n"
        "Final-Recipient: rfc822; b@example.com\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550\n  5.1.1 unknown\n",
    )
    content = Content({}, "", "", reports=(report,))
    found = read_bounce(content, Words("", ""))
    assert (found.recipient, found.status, found.hard) == ("b@example.com", "5.1.1", True)
    assert found.diagnostic == "smtp; 550 5.1.1 unknown"
    assert delivery(content) == "bounce"


@pytest.mark.parametrize(
    ("headers", "reports", "words"),
    [
        ({}, (Report("message/rfc822", f"From: a@b.example\nMessage-ID: {OURS}"),), ""),
        ({}, (Report("text/rfc822-headers", f"Message-Id: {OURS}"),), ""),
        ({}, (Report("message/delivery-status", f"X-Original-Message-ID: {OURS}"),), ""),
        ({}, (), f"It failed.\n\n> Message-ID: {OURS}\n> Subject: Tint"),
        ({"in-reply-to": OURS}, (), ""),
        ({"references": f"<a@b.example> {OURS}"}, (), ""),
    ],
    ids=["whole mail", "headers", "report", "words", "in-reply-to", "references"],
)
def test_where_a_report_names_the_mail(
    headers: dict[str, str], reports: tuple[Report, ...], words: str
) -> None:
    found = read_bounce(Content(headers, words, "", reports=reports), Words(words, words))
    assert OURS in found.message_ids
    assert found.outbox_id == "0c1f6a53-7a0e-4b5f-93a5-1c37a6a2f7d1"


def test_our_own_address_is_never_the_one_that_failed() -> None:
    words = "Mail from shop@north.example was not delivered to: dana@example.com because it failed"
    found = read_bounce(Content({"to": "<shop@north.example>"}, words, ""), Words(words, words))
    assert found.recipient == "dana@example.com"


def test_fields_are_read_group_by_group() -> None:
    assert fields_of("A: 1\nB: 2\n  more\n\n\nA: 3\nno field") == [{"a": "1", "b": "2 more"}, {"a": "3"}]


@pytest.mark.parametrize(
    ("method", "state", "answer"),
    [("REPLY", "DECLINED", "declined"), ("REPLY", "ACCEPTED", "accepted"), ("REPLY", "TENTATIVE", "tentative"),
     ("REPLY", "DELEGATED", "answered"), ("COUNTER", "TENTATIVE", "proposed another time")],
)  # fmt: skip
def test_answers_to_invitations(method: str, state: str, answer: str) -> None:
    text = (
        f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nATTENDEE;CN=D;PART\r\n STAT={state}:mailto:d@a.example\r\n"
        "UID:appointment-1-2@n.example\r\nCOMMENT;LANGUAGE=en:Sorry\\, no\r\nEND:VCALENDAR"
    )
    found = invitation_answer(Content({}, "", "", reports=(Report("text/calendar", text),)))
    assert found is not None
    assert (found.answer, found.uid, found.says) == (answer, "appointment-1-2@n.example", "Sorry, no")


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL", "PUBLISH", ""])
def test_invitations_of_others_are_no_answers(method: str) -> None:
    text = f"BEGIN:VCALENDAR\nMETHOD:{method}\nATTENDEE;PARTSTAT=DECLINED:mailto:a@b.example"
    assert invitation_answer(Content({}, "", "", reports=(Report("text/calendar", text),))) is None
