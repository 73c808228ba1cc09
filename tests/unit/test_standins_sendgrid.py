"""The SendGrid stand-in, driven by the official SDK over a socket, posting to a receiver of ours."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from email import policy
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from python_http_client.exceptions import BadRequestsError, ServiceUnavailableError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import Content, CustomArg, Email, Header, Mail, To

from tests.standins.http import Response
from tests.standins.sendgrid import Attachment, SendGridStandIn, compose
from tests.standins.server import LoopbackServer


class Receiver:
    """Our side: keeps raw bodies and headers, answers the given statuses in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.server = LoopbackServer(0, self.serve)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> Response:
        self.got.append(({name.lower(): value for name, value in handler.headers.items()}, body))
        return Response(self.answers.pop(0) if self.answers else 200)

    def fields(self) -> dict[str, bytes]:
        headers, body = self.got[-1]
        whole = b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body
        found = {}
        for part in email.message_from_bytes(whole, policy=policy.HTTP).iter_parts():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found[str(part.get_param("name", header="content-disposition"))] = payload
        return found


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn("SG.key") as standin:
        yield standin


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taker = Receiver()
    yield taker
    taker.server.close()


def send(sendgrid: SendGridStandIn, mail: Mail, key: str = "SG.key") -> Any:
    sdk = SendGridAPIClient(key, host=sendgrid.url)
    sdk.client.timeout = 5
    return sdk.send(mail)


def a_mail(text: str = "Hello") -> Mail:
    mail = Mail(
        Email("shop@example.com", "The Shop"),
        To("dana@example.com"),
        "Your quote",
        Content("text/plain", text),
    )
    mail.add_header(Header("Message-ID", "<m1@example.com>"))
    mail.add_custom_arg(CustomArg("outbox_id", "42"))
    return mail


def test_a_mail_is_accepted(sendgrid: SendGridStandIn) -> None:
    response = send(sendgrid, a_mail())
    assert response.status_code == 202
    assert response.headers["X-Message-Id"] == sendgrid.mails[0].x_message_id
    kept = sendgrid.mails[0]
    assert (kept.to, kept.from_, kept.subject) == (["dana@example.com"], "shop@example.com", "Your quote")
    assert (kept.text, kept.headers["Message-ID"], kept.custom_args) == (
        "Hello",
        "<m1@example.com>",
        {"outbox_id": "42"},
    )


def test_a_wrong_key_is_401(sendgrid: SendGridStandIn) -> None:
    with pytest.raises(UnauthorizedError):
        send(sendgrid, a_mail(), "SG.other")


@pytest.mark.parametrize("change", ["reserved", "empty", "order", "no_to", "number"])
def test_bad_mails_are_400(sendgrid: SendGridStandIn, change: str) -> None:
    body = a_mail().get()
    match change:
        case "reserved":
            body["headers"] = {"Reply-To": "x@example.com"}
        case "empty":
            body["content"][0]["value"] = " "
        case "order":
            body["content"].insert(0, {"type": "text/html", "value": "<p>Hi</p>"})
        case "no_to":
            body["personalizations"] = [{"to": []}]
        case "number":
            body["custom_args"] = {"outbox_id": 42}
    with pytest.raises(BadRequestsError) as caught:
        send(sendgrid, body)
    assert json.loads(caught.value.body)["errors"]
    assert sendgrid.mails == []


def test_an_outage_is_an_http_error(sendgrid: SendGridStandIn) -> None:
    sendgrid.fail_next(1, 503)
    with pytest.raises(ServiceUnavailableError):
        send(sendgrid, a_mail())
    assert send(sendgrid, a_mail()).status_code == 202


def test_raw_mode_keeps_every_byte(sendgrid: SendGridStandIn, receiver: Receiver) -> None:
    raw = compose(
        "Dana <dana@example.com>", "shop@in.example.com", "Re: quote", "Ja – gern", in_reply_to="<m1@x>"
    )
    answer = sendgrid.post_inbound(
        receiver.url, raw=raw, envelope_to="reply+t@in.example.com", envelope_from="dana@example.com"
    )
    assert answer.status_code == 200
    fields = receiver.fields()
    assert json.loads(fields["envelope"]) == {"to": ["reply+t@in.example.com"], "from": "dana@example.com"}
    assert "text" not in fields
    parsed = email.message_from_bytes(fields["email"], policy=policy.default)
    assert parsed["In-Reply-To"] == "<m1@x>"
    assert raw in receiver.got[-1][1]


def test_parsed_mode_posts_the_mails_own_charset_and_files(
    sendgrid: SendGridStandIn, receiver: Receiver
) -> None:
    sendgrid.post_inbound(
        receiver.url,
        fields={"headers": "From: Dana <d@x.de>\n", "text": "grün", "subject": "Grüße"},
        charsets={"text": "iso-8859-1"},
        attachments=[Attachment("Stoßstange.jpg", b"\xff\xd8\r\n--x", "image/jpeg")],
    )
    fields = receiver.fields()
    assert fields["text"] == "grün".encode("iso-8859-1")
    assert fields["subject"].decode() == "Grüße"
    assert json.loads(fields["attachment-info"])["attachment1"]["filename"] == "Stoßstange.jpg"
    assert fields["attachment1"] == b"\xff\xd8\r\n--x"
    assert json.loads(fields["charsets"])["text"] == "iso-8859-1"


@pytest.mark.parametrize(
    ("answers", "outcome", "tries"),
    [([503, 500], "delivered", 3), ([403], "dropped", 1), ([302], "dropped", 1), ([500] * 9, "gave_up", 4)],
)
def test_retry_rule_of_inbound_parse(
    sendgrid: SendGridStandIn, receiver: Receiver, answers: list[int], outcome: str, tries: int
) -> None:
    receiver.answers = list(answers)
    delivery = sendgrid.deliver_inbound(receiver.url, raw=b"Subject: x\r\n\r\ny")
    assert (delivery.outcome, len(delivery.statuses)) == (outcome, tries)


def test_events_are_signed_over_the_raw_bytes(sendgrid: SendGridStandIn, receiver: Receiver) -> None:
    send(sendgrid, a_mail())
    events = sendgrid.events_for(sendgrid.mails[0])
    assert [event["event"] for event in events] == ["processed", "delivered"]
    assert events[0]["outbox_id"] == "42"
    assert events[0]["sg_message_id"].startswith(sendgrid.mails[0].x_message_id)
    checker = EventWebhook(sendgrid.public_key)
    seen = []
    for sign in ("good", "wrong"):
        sendgrid.post_events(receiver.url, events, sign=sign)
        headers, body = receiver.got[-1]
        stamp = headers["x-twilio-email-event-webhook-timestamp"]
        signature = headers["x-twilio-email-event-webhook-signature"]
        seen.append(checker.verify_signature(body.decode(), signature, stamp))
        assert body.endswith(b"]\r\n")
        assert b"},\r\n{" in body
    assert seen == [True, False]


def test_a_suppressed_address_is_accepted_and_then_dropped(sendgrid: SendGridStandIn) -> None:
    sdk = SendGridAPIClient("SG.key", host=sendgrid.url)
    sdk.client.asm.suppressions._("global").post(request_body={"recipient_emails": ["dana@example.com"]})
    send(sendgrid, a_mail())
    assert [event["event"] for event in sendgrid.events_for(sendgrid.mails[0])] == ["dropped"]
    listed = json.loads(sdk.client.suppression.unsubscribes.get().body)
    assert [row["email"] for row in listed] == ["dana@example.com"]


def test_a_mail_that_holds_the_boundary_arrives_whole(sendgrid: SendGridStandIn, receiver: Receiver) -> None:
    raw = b"Subject: x\r\n\r\nbefore\r\n--xYzZY\r\nafter"
    sendgrid.post_inbound(receiver.url, raw=raw)
    assert receiver.fields()["email"] == raw
