"""Outbound email with the official SDK against SendGrid's rules on loopback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from channels.carrier import UNREPORTED, Attachment, CarrierError, Outgoing, Sender
from channels.email import sender as module
from channels.email.errors import from_http
from channels.email.sender import LocalEmailSender, SendGridSender
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
    youngest = [f"<{number}@x.example>" for number in range(12, 30)]
    assert mail.headers["References"].split() == ["<0@x.example>", *youngest, "<two@x.example>"]
    assert mail.headers["Auto-Submitted"] == "auto-replied"
    assert "X-Auto-Response-Suppress" not in mail.headers
    assert not [name for name in mail.headers if name.startswith("List-")]


def test_a_touch_says_that_it_is_generated(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    sender.send(replace(MESSAGE, kind="touch", in_reply_to=None, rfc_references=None))
    headers = sendgrid.mails[0].headers
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Auto-Response-Suppress"] == "All"
    assert headers["List-Unsubscribe"] == "<mailto:shop+k3v9@north.example?subject=unsubscribe>"
    assert "List-Unsubscribe-Post" not in headers, "no page of ours, so no promise of one click"
    assert "References" not in headers
    assert "In-Reply-To" not in headers


LINK = "https://hooks.example.com/u/abc"


def test_one_click_is_for_the_cadence_only(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    for kind in ("touch", "notice", "consent", "reply", "confirmation"):
        sender.send(replace(MESSAGE, kind=kind, unsubscribe_url=LINK, body=f"Hi\n\n--\n{LINK}"))
    touch, *others = sendgrid.mails
    assert touch.headers["List-Unsubscribe"] == (
        f"<{LINK}>, <mailto:shop+k3v9@north.example?subject=unsubscribe>"
    )
    assert touch.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f'<a href="{LINK}">' in touch.html
    assert touch.body["tracking_settings"]["subscription_tracking"] == {"enable": False}
    assert not [name for mail in others for name in mail.headers if name.startswith("List-")]
    suppressed = ["X-Auto-Response-Suppress" in mail.headers for mail in sendgrid.mails]
    assert suppressed == [True, True, False, False, True]
    assert [mail.headers["Auto-Submitted"] for mail in sendgrid.mails] == [
        "auto-generated", "auto-generated", "auto-replied", "auto-replied", "auto-generated",
    ]  # fmt: skip


def test_what_is_no_id_is_in_no_header(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    given = "<a@x> no-brackets <b b@x> <> <c@x\r\nBcc:v@x> <d@x><e@x>"
    sender.send(replace(MESSAGE, rfc_references=given, in_reply_to=None))
    headers = sendgrid.mails[0].headers
    assert (headers["References"], headers["In-Reply-To"]) == ("<a@x> <d@x> <e@x>", "<e@x>")


def test_mail_may_come_from_another_domain_than_answers_go_to(sendgrid: SendGridStandIn) -> None:
    sender = SendGridSender(sendgrid.api_key, sendgrid.url, sender_domain="north-tint.example")
    sender.send(MESSAGE)
    (mail,) = sendgrid.mails
    assert (mail.from_, mail.body["reply_to"]["email"]) == (
        "shop@north-tint.example", "shop+k3v9@north.example",
    )  # fmt: skip


def test_no_field_can_begin_another_header(sendgrid: SendGridStandIn, sender: SendGridSender) -> None:
    evil = "<x@y>\r\nBcc: victim@example.com\x00\u2028y"
    sender.send(
        replace(
            MESSAGE, subject=evil, from_name=evil, in_reply_to=evil, rfc_references=evil, rfc_message_id=evil,
            reply_to=evil,
        )
    )  # fmt: skip
    (mail,) = sendgrid.mails
    # Older Pythons find no address at all in such a Reply-To, and the SDK then leaves it out.
    reply_to = mail.body.get("reply_to", {}).get("email", "")
    given = [mail.subject, mail.body["from"]["name"], reply_to, *mail.headers.values()]
    assert not [value for value in given if any(ord(letter) < 32 or letter == "\u2028" for letter in value)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "permanent"), (413, "permanent"), (401, "misconfigured"), (403, "misconfigured"),
        (404, "misconfigured"), (405, "misconfigured"),
        (408, "uncertain"), (500, "uncertain"), (502, "uncertain"), (503, "uncertain"),
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
    assert (error.kind, error.retry_after_s, error.slow_down) == ("transient", 7.0, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": "1795446042", "Date": "Mon, 23 Nov 2026 15:00:00 GMT"}, 42.0),
        ({"X-RateLimit-Reset": "1795446042", "Date": "Mon, 23 Nov 2026 16:00:00 GMT"}, 0.0),
        ({"X-RateLimit-Reset": "1995446042", "Date": "Mon, 23 Nov 2026 15:00:00 GMT"}, 3600.0),
        ({"X-RateLimit-Reset": "1795446042", "Date": "yesterday"}, None),
        ({"X-RateLimit-Reset": "1795446042"}, None),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "nan"}, None),
        ({"Retry-After": "3", "X-RateLimit-Reset": "1795446042", "Date": "Mon, 23 Nov 2026 15:00:00 GMT"}, 3.0),
        ({"Retry-After": "-3"}, 0.0),
        ({}, None),
    ],
)  # fmt: skip
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert from_http(429, b"{}", headers).retry_after_s == seconds


def test_a_page_in_place_of_an_answer_is_read_as_none(
    sendgrid: SendGridStandIn, sender: SendGridSender
) -> None:
    sendgrid.fail_next(1, "html", status=413)
    assert refused(sender).kind == "permanent"
    sendgrid.fail_next(1, "html", status=403)
    error = refused(sender)
    assert (error.kind, "no reason given" in str(error)) == ("misconfigured", True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"errors":[{"message":"bad","field":"from.email"}]}', "misconfigured"),
        (b'{"errors":[{"message":"bad","field":"personalizations.0.to.0.email"}]}', "permanent"),
        (b'{"errors":[{"field":"from.email"},{"field":"content.0.value"}]}', "permanent"),
        (b'{"errors":[{"message":"bad","field":null}]}', "permanent"),
        (b'{"errors":[1, null]}', "permanent"),
        (b'{"errors":7}', "permanent"), (b"[]", "permanent"), (b"\xff<html>", "permanent"), (None, "permanent"),
    ],
)  # fmt: skip
def test_whose_fault_a_refused_mail_is(body: bytes | None, kind: str) -> None:
    assert from_http(400, body, None).kind == kind


def test_a_shops_own_key_is_named_as_such(sendgrid: SendGridStandIn) -> None:
    error = refused(SendGridSender("SG.old", sendgrid.url, whose="the shop's own SendGrid key"))
    assert error.kind == "misconfigured"
    assert "the shop's own SendGrid key" in str(error)
    assert "SG.old" not in f"{error!r}{SendGridSender('SG.old')!r}"


def test_mail_goes_on_behalf_of_a_subuser() -> None:
    with SendGridStandIn(subusers=["north"]) as sendgrid:
        SendGridSender(sendgrid.api_key, sendgrid.url, subuser="north").send(MESSAGE)
        SendGridSender(sendgrid.api_key, sendgrid.url).send(MESSAGE)
        assert refused(SendGridSender(sendgrid.api_key, sendgrid.url, subuser="x")).kind == "misconfigured"
        assert [mail.subuser for mail in sendgrid.mails] == ["north", ""]


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


@pytest.mark.parametrize(("events", "kind"), [(False, "permanent"), (True, "transient")])
def test_sendgrid_cannot_be_asked_but_may_tell(sender: SendGridSender, events: bool, kind: str) -> None:
    with pytest.raises(CarrierError) as caught:
        replace(sender, events=events).find(MESSAGE)
    assert (caught.value.kind, caught.value.code == UNREPORTED) == (kind, events)


def test_the_local_sender_takes_everything() -> None:
    local = LocalEmailSender()
    assert local.send(MESSAGE) == local.find(MESSAGE)
    assert local.send(MESSAGE).carrier_id == str(MESSAGE.outbox_id)
