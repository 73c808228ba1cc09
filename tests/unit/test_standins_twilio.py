"""The Twilio stand-in, driven by the official SDK over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.standins.http import Response
from tests.standins.server import LoopbackServer
from tests.standins.twilio import TwilioStandIn

SHOP, CUSTOMER = "+14155550199", "+14155550100"
PUBLIC = "https://hooks.example.com"


class Rewriting(TwilioHttpClient):  # type: ignore[misc, unused-ignore]
    """Sends the SDK's requests to the stand-in."""

    def __init__(self, url: str, timeout: float = 5) -> None:
        super().__init__(pool_connections=False, timeout=timeout)
        self._url = url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self._url), *args, **kwargs)


class Receiver:
    """Our side: takes webhooks, checks the signature on the public URL, keeps the forms."""

    def __init__(self, token: str) -> None:
        self.validator = RequestValidator(token)
        self.forms: list[dict[str, str]] = []
        self.answer = Response(200, b"<Response/>", {"Content-Type": "text/xml"})
        self.server = LoopbackServer(0, self.serve)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> Response:
        form = {k: v[0] for k, v in parse_qs(body.decode(), keep_blank_values=True).items()}
        signature = handler.headers.get("X-Twilio-Signature", "")
        if not self.validator.validate(PUBLIC + handler.path, form, signature):
            return Response(403)
        self.forms.append(form)
        return self.answer


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn("AC" + "1" * 32, "secret") as standin:
        yield standin


@pytest.fixture
def receiver(twilio: TwilioStandIn) -> Iterator[Receiver]:
    taker = Receiver(twilio.auth_token)
    twilio.reach[PUBLIC] = taker.url
    yield taker
    taker.server.close()


def client(twilio: TwilioStandIn, token: str = "secret", timeout: float = 5) -> Client:
    return Client(twilio.account_sid, token, http_client=Rewriting(twilio.url, timeout))


def test_a_text_is_accepted_shown_and_listed_over_pages(twilio: TwilioStandIn) -> None:
    sdk = client(twilio)
    made = [sdk.messages.create(to=CUSTOMER, from_=SHOP, body=f"text {n}") for n in range(5)]
    assert made[0].status == "queued"
    assert made[0].date_created.tzinfo is not None
    assert sdk.messages(made[2].sid).fetch().body == "text 2"
    listed = sdk.messages.list(to=CUSTOMER, page_size=2)
    assert [m.body for m in listed] == [f"text {n}" for n in (4, 3, 2, 1, 0)]
    assert sdk.messages.list(to=SHOP) == []
    assert len([r for r in twilio.requests if r.method == "GET" and "PageToken" in r.query]) == 2


@pytest.mark.parametrize(
    ("to", "body", "code"),
    [
        (CUSTOMER, " ", 21602),
        ("555", "hi", 21211),
        (CUSTOMER, "x" * 1601, 21617),
        ("+15005550009", "hi", 21614),
    ],
)
def test_refusals_carry_the_documented_code(twilio: TwilioStandIn, to: str, body: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as caught:
        client(twilio).messages.create(to=to, from_=SHOP, body=body)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert twilio.messages == []


def test_a_wrong_token_is_401_20003(twilio: TwilioStandIn) -> None:
    with pytest.raises(TwilioRestException) as caught:
        client(twilio, "wrong").messages.create(to=CUSTOMER, from_=SHOP, body="hi")
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_stop_blocks_the_pair_until_start(twilio: TwilioStandIn, receiver: Receiver) -> None:
    url, public = receiver.url + "/sms", PUBLIC + "/sms"
    assert twilio.inbound(url, CUSTOMER, SHOP, " Stop ", public_url=public).status_code == 200
    with pytest.raises(TwilioRestException) as caught:
        client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="bye")
    assert caught.value.code == 21610
    client(twilio).messages.create(to=CUSTOMER, from_="+14155550198", body="another number of ours")
    twilio.inbound(url, CUSTOMER, SHOP, "please stop", public_url=public)
    twilio.inbound(url, CUSTOMER, SHOP, "START", public_url=public)
    client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="welcome back")
    assert [form["Body"] for form in receiver.forms] == [" Stop ", "please stop", "START"]


def test_inbound_is_signed_on_the_public_url_and_listed(twilio: TwilioStandIn, receiver: Receiver) -> None:
    url, public, text = receiver.url + "/sms", PUBLIC + "/sms", "Yes – 9am 👍"
    assert (
        twilio.inbound(url, CUSTOMER, SHOP, text, sid="SM" + "a" * 32, public_url=public).status_code == 200
    )
    assert (
        twilio.inbound(url, CUSTOMER, SHOP, text, sid="SM" + "a" * 32, public_url=public).status_code == 200
    )
    assert twilio.inbound(url, CUSTOMER, SHOP, text).status_code == 403
    assert twilio.inbound(url, CUSTOMER, SHOP, text, public_url=public, token="old").status_code == 403
    assert [form["MessageSid"] for form in receiver.forms] == ["SM" + "a" * 32] * 2
    assert receiver.forms[0]["Body"] == text
    assert receiver.forms[0]["FromCity"] == ""
    listed = client(twilio).messages.list(to=SHOP)
    assert len(listed) == 3
    assert {message.direction for message in listed} == {"inbound"}


def test_the_published_signature_vector() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    params = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234"}
    params |= {"From": "+14158675309", "To": "+18005551212"}
    assert TwilioStandIn(auth_token="12345").sign(url, params) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_callbacks_out_of_order_doubled_and_failed(twilio: TwilioStandIn, receiver: Receiver) -> None:
    twilio.final[CUSTOMER] = ("undelivered", 30003)
    client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi", status_callback=PUBLIC + "/status?o=1")
    attempts = twilio.run_callbacks(order="reverse", duplicate=True)
    assert [attempt.status for attempt in attempts] == [200] * 4
    assert [form["MessageStatus"] for form in receiver.forms] == ["undelivered"] * 2 + ["sent"] * 2
    assert receiver.forms[0]["ErrorCode"] == "30003"
    shown = client(twilio).messages.list(to=CUSTOMER)[0]
    assert (shown.status, shown.error_code) == ("undelivered", 30003)


def test_a_callback_can_come_before_the_answer(twilio: TwilioStandIn, receiver: Receiver) -> None:
    twilio.callback_before_response = True
    made = client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi", status_callback=PUBLIC + "/s")
    assert made.status == "queued"
    assert [form["MessageSid"] for form in receiver.forms] == [made.sid]


def test_automatic_callbacks_follow_every_send(twilio: TwilioStandIn, receiver: Receiver) -> None:
    twilio.auto_callbacks = True
    client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi", status_callback=PUBLIC + "/s")
    twilio.stop()  # It waits for the callbacks under way.
    assert [form["MessageStatus"] for form in receiver.forms] == ["sent", "delivered"]


def test_an_uncertain_send_was_done_and_shows_up_late(twilio: TwilioStandIn) -> None:
    twilio.list_lag = 2
    twilio.fail_next(1, "accept_then_drop")
    with pytest.raises(requests.RequestException):
        client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi")
    seen = [len(client(twilio).messages.list(to=CUSTOMER)) for _ in range(3)]
    assert seen == [0, 0, 1]


def test_faults_of_the_wire(twilio: TwilioStandIn) -> None:
    twilio.fail_next(1, "retry_after", seconds=7)
    twilio.fail_next(1, "status", status=503)
    twilio.fail_next(1, "drop_connection")
    twilio.fail_next(1, "hang")
    seen: list[object] = []
    for timeout in (5, 5, 5, 0.3):
        try:
            client(twilio, timeout=timeout).messages.create(to=CUSTOMER, from_=SHOP, body="hi")
        except TwilioRestException as error:
            seen.append(error.code)
        except requests.RequestException as error:
            seen.append(type(error))
    assert seen[:3] == [20429, 20503, requests.ConnectionError]
    assert seen[3] == requests.ReadTimeout
    assert twilio.messages == []


def test_an_outage_ends_on_the_same_address(twilio: TwilioStandIn) -> None:
    twilio.stop()
    with pytest.raises(requests.ConnectionError):
        client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi")
    twilio.start()
    assert client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi").sid.startswith("SM")


def test_a_service_hides_the_sender_and_blocks_its_whole_pool(
    twilio: TwilioStandIn, receiver: Receiver
) -> None:
    service = "MG" + "2" * 32
    twilio.services[service] = [SHOP, "+14155550198"]
    made = client(twilio).messages.create(to=CUSTOMER, messaging_service_sid=service, body="hi")
    assert (made.status, made.num_segments) == ("accepted", "0")
    twilio.inbound(receiver.url + "/sms", CUSTOMER, SHOP, "STOP", public_url=PUBLIC + "/sms")
    with pytest.raises(TwilioRestException):
        client(twilio).messages.create(to=CUSTOMER, messaging_service_sid=service, body="hi")


def test_requests_can_be_held_and_counted(twilio: TwilioStandIn) -> None:
    twilio.fail_always("hold")

    def send() -> None:
        client(twilio).messages.create(to=CUSTOMER, from_=SHOP, body="hi")

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    twilio.wait_for_requests(3)
    assert twilio.messages == []
    twilio.release()
    for thread in threads:
        thread.join(5)
    assert (len(twilio.messages), twilio.max_in_flight) == (3, 3)


def test_twiml_replies_count_as_messages(twilio: TwilioStandIn, receiver: Receiver) -> None:
    receiver.answer = Response(
        200, b"<Response><Message>Hello</Message></Response>", {"Content-Type": "text/xml"}
    )
    twilio.inbound(receiver.url + "/sms", CUSTOMER, SHOP, "hi", public_url=PUBLIC + "/sms")
    assert [(m.direction, m.body) for m in twilio.messages] == [("outbound-reply", "Hello")]
