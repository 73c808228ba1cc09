"""The SendGrid stand-in's lists, subusers and event posts, driven by the official SDK over a socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from python_http_client.exceptions import ForbiddenError, HTTPError, NotFoundError
from sendgrid import SendGridAPIClient

from tests.standins.base import system_clock
from tests.standins.sendgrid import SendGridStandIn, mixed_up, told_again
from tests.standins.sendgrid_rules import MOST_BYTES, problems
from tests.unit.test_standins_sendgrid import Receiver, a_mail, send

DANA = "dana@example.com"


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn("SG.key", subusers=("north",)) as standin:
        yield standin


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taker = Receiver()
    yield taker
    taker.server.close()


def sdk(sendgrid: SendGridStandIn, subuser: str | None = None) -> Any:
    made = SendGridAPIClient("SG.key", host=sendgrid.url, impersonate_subuser=subuser)
    made.client.timeout = 5
    return made.client


def rows(client: Any, kind: str, **asked: Any) -> list[dict[str, Any]]:
    return list(json.loads(client.suppression._(kind).get(query_params=asked).body))


def test_each_subuser_has_lists_of_its_own(sendgrid: SendGridStandIn) -> None:
    sdk(sendgrid, "north").asm.suppressions._("global").post(request_body={"recipient_emails": [DANA]})
    assert [row["email"] for row in rows(sdk(sendgrid, "north"), "unsubscribes")] == [DANA]
    assert rows(sdk(sendgrid), "unsubscribes") == []
    sdk(sendgrid).mail.send.post(request_body=a_mail().get())
    sdk(sendgrid, "north").mail.send.post(request_body=a_mail().get())
    assert [mail.subuser for mail in sendgrid.mails] == ["", "north"]
    told = [[event["event"] for event in sendgrid.events_for(mail)] for mail in sendgrid.mails]
    assert told == [["processed", "delivered"], ["dropped"]]
    with pytest.raises(ForbiddenError):
        sdk(sendgrid, "nobody").mail.send.post(request_body=a_mail().get())


def test_lists_have_pages_and_times(sendgrid: SendGridStandIn) -> None:
    for number in range(7):
        sendgrid.suppress("bounces", f"a{number}@example.com", created=1000 + number, reason="550")
    client = sdk(sendgrid)
    assert [row["created"] for row in rows(client, "bounces", limit=3, offset=3)] == [1003, 1002, 1001]
    assert [row["created"] for row in rows(client, "bounces", start_time=1002, end_time=1003)] == [1003, 1002]
    assert rows(client, "bounces", offset=7) == []
    assert rows(client, "bounces")[0]["reason"] == "550"
    with pytest.raises(HTTPError):
        rows(client, "bounces", limit="all")


def test_addresses_are_taken_off_the_lists(sendgrid: SendGridStandIn) -> None:
    client = sdk(sendgrid)
    client.asm.suppressions._("global").post(request_body={"recipient_emails": [DANA]})
    assert json.loads(client.asm.suppressions._("global")._(DANA).get().body) == {"recipient_email": DANA}
    assert client.asm.suppressions._("global")._(DANA).delete().status_code == 204
    assert json.loads(client.asm.suppressions._("global")._(DANA).get().body) == {}
    sendgrid.suppress("spam_reports", DANA)
    client.suppression.spam_reports._(DANA).delete()
    with pytest.raises(NotFoundError):
        client.suppression.spam_reports._(DANA).delete()
    with pytest.raises(HTTPError):
        client.asm.suppressions._("global").post(request_body={"recipient_emails": "dana@example.com"})


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bounces", "Bounced Address"),
        ("spam_reports", "Spam Reporting Address"),
        ("invalid_emails", "Invalid"),
        ("unsubscribes", "Unsubscribed Address"),
        ("blocks", None),
    ],
)
def test_what_a_list_does_to_the_next_mail(sendgrid: SendGridStandIn, kind: str, reason: str | None) -> None:
    sendgrid.suppress(kind, DANA.upper())
    send(sendgrid, a_mail())
    told = sendgrid.events_for(sendgrid.mails[0], ["processed"])
    assert [(event["event"], event.get("reason")) for event in told] == [
        ("dropped", reason) if reason else ("processed", None)
    ]


def test_a_mail_may_go_past_the_lists(sendgrid: SendGridStandIn) -> None:
    sendgrid.suppress("bounces", DANA)
    send(sendgrid, {**a_mail().get(), "mail_settings": {"bypass_list_management": {"enable": True}}})
    assert [event["event"] for event in sendgrid.events_for(sendgrid.mails[0])] == ["processed", "delivered"]


@pytest.mark.parametrize(
    ("kind", "extra", "listed"),
    [
        ("bounce", {}, "bounces"),
        ("bounce", {"type": "blocked"}, "blocks"),
        ("spamreport", {}, "spam_reports"),
        ("unsubscribe", {}, "unsubscribes"),
        ("open", {}, None),
    ],
)
def test_what_an_event_does_to_the_lists(
    sendgrid: SendGridStandIn, kind: str, extra: dict[str, Any], listed: str | None
) -> None:
    send(sendgrid, a_mail())
    sendgrid.events_for(sendgrid.mails[0], [kind], **extra)
    found = {name for name, entries in sendgrid.lists().entries.items() if entries}
    assert found == ({listed} if listed else set())


def test_events_come_again_after_anything_but_2xx_with_the_same_bytes(
    sendgrid: SendGridStandIn, receiver: Receiver
) -> None:
    send(sendgrid, a_mail())
    events = sendgrid.events_for(sendgrid.mails[0])
    receiver.answers = [403, 302, 500]
    (delivery,) = sendgrid.deliver_events(receiver.url, events)
    assert (delivery.outcome, delivery.statuses) == ("delivered", [403, 302, 500, 200])
    assert len({body for _, body in receiver.got}) == 1
    receiver.answers = [500] * 4
    assert [one.outcome for one in sendgrid.deliver_events(receiver.url, events, batch=1)] == [
        "gave_up", "delivered",
    ]  # fmt: skip


def test_events_told_again_have_other_ids_and_can_be_mixed_up(sendgrid: SendGridStandIn) -> None:
    send(sendgrid, a_mail())
    events = sendgrid.events_for(sendgrid.mails[0], ["processed", "deferred", "delivered", "open"])
    again = told_again(events, 2)
    assert len({event["sg_event_id"] for event in [*events, *again]}) == 12
    assert [{**event, "sg_event_id": 0} for event in again] == [
        {**event, "sg_event_id": 0} for event in events
    ] * 2
    assert mixed_up(events, 3) == mixed_up(events, 3) != events
    assert {event["event"] for event in mixed_up(events, 3)} == {event["event"] for event in events}


def wrong(**changed: Any) -> list[str | None]:
    return [field for _, field in problems({**a_mail().get(), **changed}, system_clock())]


def test_the_rest_of_the_rules() -> None:
    now = system_clock()
    assert wrong() == []
    person = {"email": DANA}
    assert wrong(personalizations=[{"to": [person], "cc": [person]}]) == ["personalizations.0"]
    crowd = [{"email": f"a{number}@example.com"} for number in range(1001)]
    assert wrong(personalizations=[{"to": crowd}]) == ["personalizations"]
    assert wrong(categories=[str(number) for number in range(11)]) == ["categories"]
    assert wrong(categories=["a", "a"]) == ["categories"]
    assert wrong(categories=["x" * 256, 7]) == ["categories.0", "categories.1"]
    assert wrong(asm={"group_id": "1", "groups_to_display": list(range(26))}) == [
        "asm.group_id", "asm.groups_to_display",
    ]  # fmt: skip
    assert wrong(send_at=int((now + timedelta(hours=71)).timestamp())) == []
    assert wrong(send_at=int((now + timedelta(hours=73)).timestamp())) == ["send_at"]
    assert wrong(send_at="soon") == ["send_at"]
    assert wrong(custom_args={"a": "é" * 5000}) == ["custom_args"]
    assert wrong(reply_to={"email": DANA}, reply_to_list=[{"email": DANA}]) == ["reply_to"]
    file = {"content": base64.b64encode(b"x").decode(), "filename": "a.txt", "type": "text/plain"}
    assert wrong(attachments=[file]) == []
    bad = {"content": "not base64!", "type": "text/plain; charset=utf-8"}
    assert wrong(attachments=[bad]) == [f"attachments.0.{name}" for name in ("content", "filename", "type")]


def test_a_mail_too_large_meets_a_page(sendgrid: SendGridStandIn) -> None:
    body = {**a_mail().get(), "padding": "x" * MOST_BYTES}
    with pytest.raises(HTTPError) as caught:
        send(sendgrid, body)
    assert caught.value.status_code == 413
    assert b"<html>" in caught.value.body
