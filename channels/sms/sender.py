"""Handing a text to Twilio, with explicit time-outs and no retry of what may have been sent."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import NewConnectionError

from channels.carrier import Accepted, CarrierError, ErrorKind, Outgoing
from channels.sms.text import plain_text

TIMEOUT_S = 12.0
# Nothing may arrive in the night because a queue was long (messaging facts 2.5).
VALIDITY_S = 900
MISCONFIGURED = {20003, 21408, 21606, 21212, 30034}
# Our number's queue at Twilio is hours long (messaging facts 2.4): later is better than never.
QUEUE_FULL = 21611
SENTENCES = {
    21211: "the number is not valid",
    21614: "the number cannot receive texts",
    21612: "texts cannot reach this number from ours",
    21610: "this person opted out at the carrier",
    21635: "the number is a landline",
    20003: "Twilio refused our credentials (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN)",
    21408: "this region is not enabled at Twilio",
    21606: "the sending number is not ours at Twilio",
}


class _RateLimited(TwilioException):  # type: ignore[misc]
    """A 429, which the SDK reports without its headers. Nothing was processed (messaging facts 2.4, 20429)."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__("Twilio asks to slow down")
        self.retry_after_s = retry_after_s


class _RedirectedClient(TwilioHttpClient):  # type: ignore[misc]
    """Sends api.twilio.com's requests to another base address (setting TWILIO_API_BASE): a region or a stand-in."""

    def __init__(self, base: str) -> None:
        # No pooled retries: a POST whose answer was lost must not be repeated by a library.
        super().__init__(timeout=TIMEOUT_S, max_retries=None)
        self._base = base

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        answer = super().request(
            method, url.replace("https://api.twilio.com", self._base, 1), *args, **kwargs
        )
        if answer.status_code == 429:
            wait = str((answer.headers or {}).get("Retry-After", ""))
            raise _RateLimited(float(wait) if wait.isdigit() else None)
        return answer


class TwilioSender:
    """One Twilio account. `sender` is a Messaging Service SID or None to send from the location's number."""

    carrier = "twilio"

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        api_base: str,
        callback_base: str,
        service_sid: str | None = None,
    ) -> None:
        self._client = Client(account_sid, auth_token, http_client=_RedirectedClient(api_base))
        self._callback_base = callback_base
        self._service_sid = service_sid

    def send(self, message: Outgoing) -> Accepted:
        """Create the message. The outbox id travels in the status callback, so even a lost answer is resolved."""
        fields: dict[str, Any] = {
            "to": message.to_address,
            "body": plain_text(message.body),
            "status_callback": f"{self._callback_base}/hooks/twilio/status?o={message.outbox_id}",
            "validity_period": VALIDITY_S,
        }
        if self._service_sid:
            fields["messaging_service_sid"] = self._service_sid
        else:
            fields["from_"] = message.from_address
        try:
            created = self._client.messages.create(**fields)
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise as_carrier_error(error) from error
        return Accepted("twilio", str(created.sid), str(created.status))

    def find(self, message: Outgoing) -> Accepted | None:
        """Look through what Twilio lists for this number since the row was made (messaging facts 2.3)."""
        body = plain_text(message.body)
        try:
            for listed in self._client.messages.list(to=message.to_address, limit=200):
                made = _aware(listed.date_created)
                is_ours = (
                    str(listed.direction).startswith("outbound")
                    and listed.body == body
                    and listed.sid not in message.known_ids
                )
                if is_ours and (made is None or made >= message.created_at - timedelta(seconds=60)):
                    return Accepted("twilio", str(listed.sid), str(listed.status))
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise as_carrier_error(error) from error
        return None


class LocalSender:
    """Stands in for Twilio where no account is configured: takes every text, sends nothing anywhere.

    The transcript shows carrier "local". Its rows are the delivery, so asking it again always finds them.
    """

    carrier = "local"

    def send(self, message: Outgoing) -> Accepted:
        """Take the text."""
        return Accepted("local", f"local-{message.outbox_id}", "sent")

    def find(self, message: Outgoing) -> Accepted | None:
        """What it was given, it has."""
        return self.send(message)


def _aware(moment: Any) -> Any:
    return parsedate_to_datetime(moment) if isinstance(moment, str) else moment


def as_carrier_error(error: Exception) -> CarrierError:
    """What an error of the SDK or the network means for the message."""
    if isinstance(error, TwilioRestException):
        return _rest_error(error)
    if isinstance(error, _RateLimited):
        return CarrierError(str(error), kind="transient", code="20429", retry_after_s=error.retry_after_s)
    cause = getattr(error.args[0], "reason", None) if error.args else None
    # No connection, no request: refused, unreachable, or a name that does not resolve.
    if isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError):
        return CarrierError("Twilio could not be reached", kind="transient")
    return CarrierError("Twilio did not answer; it is not known whether the text was sent", kind="uncertain")


def _rest_error(error: TwilioRestException) -> CarrierError:
    code = int(error.code or 0)
    kind: ErrorKind
    if code == 21610:
        kind = "opted_out"
    elif code == QUEUE_FULL:
        kind = "transient"
    elif code in MISCONFIGURED or error.status in (401, 403, 404):
        kind = "misconfigured"
    elif error.status >= 500:
        # A 5xx may come after the message was made (messaging facts 0.3).
        kind = "uncertain"
    else:
        kind = "permanent"
    sentence = SENTENCES.get(code, f"Twilio answered {error.status}, code {code}")
    return CarrierError(sentence, kind=kind, code=str(code) if code else None)
