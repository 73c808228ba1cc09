"""The official Twilio SDK over a real socket: what every kind of answer means for the message."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NameResolutionError

from channels.carrier import CarrierError, Outgoing
from channels.sms import client as client_module
from channels.sms.sender import LocalSender, TwilioSender, as_carrier_error
from tests.standins.twilio import TwilioStandIn

ACCOUNT = "AC" + "0" * 32
OURS, CUSTOMER = "+13125550101", "+13125550199"


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn(numbers={OURS}, services={"MG" + "1" * 32: [OURS]}) as running:
        yield running


@pytest.fixture
def sender(twilio: TwilioStandIn) -> TwilioSender:
    return make(twilio)


def make(twilio: TwilioStandIn, token: str = "12345", service: str | None = None) -> TwilioSender:
    return TwilioSender(
        ACCOUNT, token, api_base=twilio.url, callback_base="https://hooks.example.com", service_sid=service
    )


def text(body: str = "It is $449.", to: str = CUSTOMER) -> Outgoing:
    return Outgoing(
        outbox_id=uuid.uuid4(), channel="sms", kind="reply", to_address=to, from_address=OURS, body=body,
        created_at=datetime.now(UTC),
    )  # fmt: skip


def refused(sender: TwilioSender, message: Outgoing) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        sender.send(message)
    return caught.value


def test_a_text_is_handed_over_with_all_it_needs(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    message = text()
    accepted = sender.send(message)
    (sent,) = twilio.messages
    assert (accepted.carrier, accepted.carrier_id, accepted.status) == ("twilio", sent.sid, "queued")
    assert sent.posted == {
        "To": CUSTOMER, "From": OURS, "Body": "It is $449.", "ValidityPeriod": "900",
        "StatusCallback": f"https://hooks.example.com/hooks/twilio/status?o={message.outbox_id}",
    }  # fmt: skip


def test_a_messaging_service_chooses_the_number(twilio: TwilioStandIn) -> None:
    accepted = make(twilio, service="MG" + "1" * 32).send(text())
    (sent,) = twilio.messages
    assert (sent.messaging_service_sid, sent.from_, accepted.status) == ("MG" + "1" * 32, None, "accepted")


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        (21211, "permanent", "the number is not valid"),
        (21614, "permanent", "the number cannot receive texts"),
        (21612, "permanent", "texts cannot reach this number from ours"),
        (21635, "permanent", "the number is a landline"),
        (21617, "permanent", "the text is longer than Twilio takes"),
        (21999, "permanent", "error 21999"),
        (21610, "opted_out", "this person opted out at the carrier"),
        (21408, "misconfigured", "texts to this region are not enabled in the Twilio console"),
        (21606, "misconfigured", "the sending number is not ours at Twilio"),
        (21611, "transient", "our number's queue at Twilio is more than ten hours long"),
    ],
)
def test_a_refusal_with_its_code(
    twilio: TwilioStandIn, sender: TwilioSender, code: int, kind: str, sentence: str
) -> None:
    twilio.reject_to[CUSTOMER] = code
    error = refused(sender, text())
    assert (error.kind, error.code, str(error)) == (kind, str(code), sentence)
    assert twilio.messages == []
    twilio.reject_to.clear()
    assert sender.find(text()) is None


def test_a_number_that_is_none_and_one_that_is_not_ours(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    assert refused(sender, text(to="12")).code == "21211"
    assert refused(sender, replace(text(), from_address="+13125550000")).kind == "misconfigured"


def test_wrong_credentials_are_the_owners_business(twilio: TwilioStandIn) -> None:
    wrong = make(twilio, token="other")
    error = refused(wrong, text())
    assert (error.kind, error.code) == ("misconfigured", "20003")
    assert "TWILIO_AUTH_TOKEN" in str(error)
    with pytest.raises(CarrierError):
        # Not None: that would be the answer that there is no such message.
        wrong.find(text())


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("retry_after", {"seconds": 7}, "transient"),
        ("status", {"status": 429}, "transient"),
        ("status", {"status": 500}, "uncertain"),
        ("status", {"status": 503}, "uncertain"),
        ("html", {"status": 403}, "misconfigured"),
        ("html_200", {}, "uncertain"),
        ("drop_connection", {}, "uncertain"),
        ("accept_then_drop", {}, "uncertain"),
        ("broken_json", {}, "uncertain"),
    ],
)
def test_trouble_is_never_repeated_by_a_library(
    twilio: TwilioStandIn, sender: TwilioSender, fault: str, options: dict[str, int], kind: str
) -> None:
    twilio.fail_next(1, fault, **options)
    assert refused(sender, text()).kind == kind
    assert len(twilio.requests) == 1


def test_the_real_address_has_no_retries_either(sender: TwilioSender) -> None:
    adapter = sender._client.http_client.session.get_adapter("https://api.twilio.com")
    assert adapter.max_retries.total == 0


def test_how_long_to_wait_is_what_twilio_says(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    twilio.fail_next(1, "retry_after", seconds=7)
    assert refused(sender, text()).retry_after_s == 7
    twilio.fail_next(1, 429)
    assert refused(sender, text()).retry_after_s is None


@pytest.mark.parametrize("fault", ["hang", "accept_then_hang"])
def test_silence_is_uncertain(twilio: TwilioStandIn, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(client_module, "TIMEOUT_S", 0.3)
    impatient = make(twilio)
    twilio.fail_next(1, fault)
    assert refused(impatient, text()).kind == "uncertain"
    assert len(twilio.messages) == (fault == "accept_then_hang")


def test_nobody_there_is_certainly_not_sent(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    twilio.stop()
    assert refused(sender, text()).kind == "transient"


def test_a_name_that_does_not_resolve_is_certainly_not_sent() -> None:
    cause = NameResolutionError("api.twilio.com", HTTPConnection("api.twilio.com"), socket.gaierror())
    error = as_carrier_error(requests.ConnectionError(MaxRetryError(HTTPConnectionPool("x"), "/", cause)))
    assert (error.kind, str(error)) == ("transient", "Twilio could not be reached")


def test_what_was_taken_without_an_answer_is_found(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    message = text("It’s $449 — OK?")
    twilio.fail_next(1, "accept_then_drop")
    refused(sender, message)
    found = sender.find(message)
    assert found is not None
    assert (found.carrier_id, found.status) == (twilio.messages[0].sid, "queued")
    # It says when in whole seconds. Never earlier than it was, or the next one might come too soon after it.
    taken = twilio.messages[0].created
    assert found.at is not None
    assert taken <= found.at <= taken + timedelta(seconds=1)


def test_a_list_that_lags_shows_it_later(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    twilio.list_lag = 2
    message = text()
    sender.send(message)
    assert [sender.find(message) is not None for _ in range(3)] == [False, False, True]


def test_only_this_very_message_is_found(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    message = text("Thanks!")
    other = sender.send(text("Thanks!"))
    sender.send(text("Something else"))
    sender.send(text("Thanks!", to="+13125550198"))
    assert sender.find(replace(message, known_ids=frozenset({other.carrier_id}))) is None
    found = sender.find(message)
    assert found is not None
    assert found.carrier_id == other.carrier_id
    assert sender.find(replace(message, created_at=datetime.now(UTC) + timedelta(minutes=5))) is None


def test_what_the_customer_wrote_is_not_ours(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    twilio.fail_next(1, "drop_connection")
    message = text("ok")
    refused(sender, message)
    sender.send(text("ok", to="+13125550198"))
    twilio.messages[0].to, twilio.messages[0].direction = CUSTOMER, "inbound"
    assert sender.find(message) is None


def test_a_text_is_sent_as_it_is_stored(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    sender.send(text("It’s “ready” – 9…"))
    assert twilio.messages[0].body == "It’s “ready” – 9…"


def test_smart_encoding_at_twilio_does_not_hide_a_text(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    message = text("It's ready - 9 works")
    sender.send(message)
    twilio.messages[0].body = "It’s ready – 9 works"
    assert sender.find(message) is not None


def test_the_same_text_from_another_number_of_ours_is_another_one(
    twilio: TwilioStandIn, sender: TwilioSender
) -> None:
    twilio.numbers = {OURS, "+13125550102"}
    message = text("Thanks!")
    sender.send(replace(message, from_address="+13125550102"))
    assert sender.find(message) is None


@pytest.mark.parametrize(("valid", "told"), [(None, "900"), (600, "600"), (90_000, "900")])
def test_twilio_keeps_a_text_no_longer_than_it_may_arrive(
    twilio: TwilioStandIn, sender: TwilioSender, valid: int | None, told: str
) -> None:
    sender.send(replace(text(), valid_s=valid))
    assert twilio.messages[0].posted["ValidityPeriod"] == told


def test_what_became_of_one_text(twilio: TwilioStandIn, sender: TwilioSender) -> None:
    message = text()
    sid = sender.send(message).carrier_id
    twilio.messages[0].status, twilio.messages[0].error_code = "undelivered", 30005
    said = sender.status_of(message, sid)
    assert said is not None
    assert (said.status, said.code) == ("undelivered", "30005")
    assert sender.status_of(message, "SM" + "f" * 32) is None
    twilio.fail_next(1, 503)
    with pytest.raises(CarrierError):
        sender.status_of(message, sid)


def test_without_an_account_the_rows_are_the_delivery() -> None:
    message = text()
    accepted = LocalSender().send(message)
    assert (accepted.carrier, accepted.status) == ("local", "sent")
    assert LocalSender().find(message) == accepted
