"""Outbound email with the official SDK against SendGrid's rules on loopback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.carrier import Attachment, CarrierError, Outgoing, Sender
from channels.email import sender as module
from channels.email.sender import LocalEmailSender, SendGridSender
from channels.email.text import base_subject, html_body, reply_address, reply_subject, split_address
from tests.standins.sendgrid import SendGridStandIn

MESSAGE = Outgoing(
    outbox_id=uuid.UUID(int=7),
    channel="email",
    kind="reply",
    to_address="dana@example.com",
    from_address="shop@north.example",
    body="Hi Dana,\n\nTuesday <9 AM> works: https://north.example/map?a=1&b=2.\n\nSam",
    created_at=datetime(2026, 11, 23, 15, tzinfo=UTC),
    subject="Re: Tint",
    from_name="North Tint",
    reply_to="shop+k3v9@north.example",
    in_reply_to="<two@x.example>",
    rfc_references=" ".join(f"<{number}@x.example>" for number in range(30)),
)


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn() as standin:
        yield standin


@pytest.fixture
def sender(sendgrid: SendGridStandIn) -> SendGridSender:
    return SendGridSender(sendgrid.api_key, sendgrid.url)


def refused(sender: Sender, message: Outgoing = MESSAGE) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        sender.send(message)
    return caught.value


def test_a_file_goes_along_in_base64(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    file = Attachment("appointment.ics", "text/calendar", b"BEGIN:VCALENDAR\r\n")
    sender.send(replace(MESSAGE, attachments=(file,)))
    sender.send(MESSAGE)
    with_file, without = sendgrid.mails
    assert with_file.body["attachments"] == [
        {
            "content": "QkVHSU46VkNBTEVOREFSDQo=",
            "filename": "appointment.ics",
            "type": "text/calendar",
            "disposition": "attachment",
        }
    ]
    assert "attachments" not in without.body


def test_what_leaves(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    accepted = sender.send(MESSAGE)
    (mail,) = sendgrid.mails
    assert (accepted.carrier, accepted.carrier_id) == ("sendgrid", mail.x_message_id)
    assert (mail.to, mail.from_, mail.subject) == (["dana@example.com"], "shop@north.example", "Re: Tint")
    assert mail.body["from"]["name"] == "North Tint"
    assert mail.body["reply_to"] == {"email": "shop+k3v9@north.example"}
    assert mail.text == MESSAGE.body
    assert "&lt;9 AM&gt;" in mail.html
    assert mail.custom_args == {"outbox_id": str(MESSAGE.outbox_id)}
    assert mail.body["tracking_settings"]["click_tracking"] == {"enable": False, "enable_text": False}
    assert mail.body["tracking_settings"]["open_tracking"] == {"enable": False}
    assert mail.headers["Message-ID"] == f"<{MESSAGE.outbox_id}@north.example>"
    assert mail.headers["In-Reply-To"] == "<two@x.example>"
    assert mail.headers["References"].split() == [f"<{number}@x.example>" for number in range(10, 30)]
    assert mail.headers["Auto-Submitted"] == "auto-replied"


def test_a_touch_says_that_it_is_generated(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    sender.send(replace(MESSAGE, kind="touch", in_reply_to=None, rfc_references=None))
    headers = sendgrid.mails[0].headers
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Auto-Response-Suppress"] == "All"
    assert headers["List-Unsubscribe"] == "<mailto:shop+k3v9@north.example?subject=unsubscribe>"
    assert "References" not in headers


def test_no_field_can_begin_another_header(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    evil = "x\r\nBcc: victim@example.com\x00\u2028y"
    sender.send(
        replace(
            MESSAGE, subject=evil, from_name=evil, in_reply_to=evil, rfc_references=evil, rfc_message_id=evil,
            reply_to=evil,
        )
    )  # fmt: skip
    (mail,) = sendgrid.mails
    given = [mail.subject, mail.body["from"]["name"], mail.body["reply_to"]["email"], *mail.headers.values()]
    assert not [value for value in given if any(ord(letter) < 32 or letter == "\u2028" for letter in value)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "permanent"), (413, "permanent"), (401, "misconfigured"), (403, "misconfigured"),
        (404, "misconfigured"), (408, "uncertain"), (500, "uncertain"), (502, "uncertain"), (503, "uncertain"),
    ],
)  # fmt: skip
def test_refusals(sendgrid: SendGridStandIn, sender: SendGridSender, status: int, kind: str) -> None:
    sendgrid.fail_next(1, status)
    error = refused(sender)
    assert (error.kind, error.code) == (kind, str(status))
    assert sendgrid.api_key not in str(error)


def test_slow_down_says_for_how_long(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    sendgrid.fail_next(1, "retry_after", seconds=7)
    error = refused(sender)
    assert (error.kind, error.retry_after_s) == ("transient", 7.0)


@pytest.mark.parametrize(
    "kind", ["drop_connection", "accept_then_drop", "html_200", "accept_then_hang", "hang"]
)
def test_what_may_have_been_sent_is_uncertain(
    sendgrid: SendGridStandIn, sender: SendGridSender, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.3)
    sendgrid.fail_next(1, kind)
    assert refused(sender).kind == "uncertain"
    assert len(sendgrid.requests) == 1, "never repeated by itself"


def test_a_refused_connection_was_certainly_not_sent(
    sendgrid: SendGridStandIn, sender: SendGridSender
) -> None:
    sendgrid.stop()
    assert refused(sender).kind == "transient"
    sendgrid.start()
    assert sender.send(MESSAGE).carrier == "sendgrid"


def test_sendgrid_cannot_be_asked(sender: SendGridSender) -> None:
    with pytest.raises(CarrierError) as caught:
        sender.find(MESSAGE)
    assert caught.value.kind == "permanent"


def test_the_local_sender_takes_everything() -> None:
    local = LocalEmailSender()
    assert local.send(MESSAGE) == local.find(MESSAGE)
    assert local.send(MESSAGE).carrier_id == str(MESSAGE.outbox_id)


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("Tint", "Tint"), ("Re: Tint", "Tint"), ("RE: Fwd: re: Tint", "Tint"), ("Re[2]: Tint", "Tint"),
        ("AW:Tint", "Tint"), ("Return of Re: x", "Return of Re: x"), (None, ""), ("Re:", ""),
    ],
)  # fmt: skip
def test_subjects_stay_the_same_however_often_answered(subject: Any, bare: str) -> None:
    assert base_subject(subject) == bare
    once = reply_subject(subject, "Your request")
    assert once == f"Re: {bare or 'Your request'}"
    assert reply_subject(once, "Your request") == once


def test_addresses_and_html() -> None:
    assert reply_address("shop@north.example", "k3v9") == "shop+k3v9@north.example"
    assert split_address("Shop+K3V9@North.Example") == ("shop@north.example", "k3v9")
    assert split_address("shop@north.example") == ("shop@north.example", None)
    assert split_address("shop+@north.example") == ("shop@north.example", None)
    page = html_body('<script>\n\nSee https://x.example/a?b=1&c=2. "ok"')
    assert "<p>&lt;script&gt;</p>" in page
    assert (
        '<a href="https://x.example/a?b=1&amp;c=2">https://x.example/a?b=1&amp;c=2</a>. &quot;ok&quot;'
        in page
    )
