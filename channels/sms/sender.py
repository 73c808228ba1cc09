"""Handing a text to Twilio, with explicit time-outs and no retry of what may have been sent."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from urllib3.exceptions import NewConnectionError

from channels.carrier import Accepted, CarrierError, ErrorKind, Outgoing
from channels.sms.client import RateLimited, make_client
from channels.sms.errors import Action, rule_for
from channels.sms.text import plain_text

# Nothing may arrive in the night because a queue was long (messaging facts 2.5).
VALIDITY_S = 900
# Clocks differ by so much at most, between us and Twilio.
CLOCKS_APART = timedelta(seconds=60)
WHOLE_SECOND = timedelta(seconds=1)
KINDS: dict[Action, ErrorKind] = {
    Action.OPT_OUT: "opted_out",
    Action.CONFIGURATION: "misconfigured",
    Action.SLOW_DOWN: "transient",
    Action.QUIET_HOURS: "transient",
    Action.RETRY_ONCE: "transient",
    Action.STRIKE: "transient",
    Action.UNCERTAIN: "uncertain",
}


class TwilioSender:
    """One Twilio account. `service_sid` is a Messaging Service, or None to send from the location's number."""

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
        self._client = make_client(account_sid, auth_token, api_base)
        self._callback_base = callback_base
        self._service_sid = service_sid

    def send(self, message: Outgoing) -> Accepted:
        """Create the message, its body as it is stored. The outbox id travels in the status callback, so even a lost
        answer is resolved."""
        fields: dict[str, Any] = {
            "to": message.to_address,
            "body": message.body,
            "status_callback": f"{self._callback_base}/hooks/twilio/status?o={message.outbox_id}",
            "validity_period": min(VALIDITY_S, message.valid_s or VALIDITY_S),
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
        """Look through what Twilio lists for this number since the row was made (messaging facts 2.3).

        Without a filter by date: what is not sent yet has no date that Twilio could filter by.
        """
        try:
            for listed in self._client.messages.list(to=message.to_address, limit=200):
                if self._is_it(listed, message):
                    return _accepted(listed)
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise as_carrier_error(error) from error
        return None

    def status_of(self, message: Outgoing, carrier_id: str) -> Accepted | None:
        """What Twilio has of one message of ours now; None: it does not know it. Raises CarrierError when it cannot be
        asked."""
        try:
            return _accepted(self._client.messages(carrier_id).fetch())
        except TwilioRestException as error:
            if error.status == 404:
                return None
            raise as_carrier_error(error) from error
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise as_carrier_error(error) from error

    def _is_it(self, listed: Any, message: Outgoing) -> bool:
        """The same text from us to this number since the row was made. Twilio's Smart Encoding, where it is on, shows
        other characters than were sent, so both sides are compared in plain ones."""
        made = _aware(listed.date_created)
        if listed.sid in message.known_ids or not str(listed.direction).startswith("outbound"):
            return False
        if not self._service_sid and listed.from_ not in (None, message.from_address):
            return False
        same = plain_text(str(listed.body or "")) == plain_text(message.body)
        return same and (made is None or made >= message.created_at - CLOCKS_APART)


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

    def status_of(self, message: Outgoing, carrier_id: str) -> Accepted | None:
        """Nothing happens to it afterwards."""
        return Accepted("local", carrier_id, "sent")


def _accepted(listed: Any) -> Accepted:
    code, made = str(listed.error_code) if listed.error_code else None, _aware(listed.date_created)
    # Told in whole seconds, cut off: counted from the end of that one, because others keep their distance to it.
    at = None if made is None else made + WHOLE_SECOND
    return Accepted("twilio", str(listed.sid), str(listed.status), code, at)


def _aware(moment: Any) -> Any:
    return parsedate_to_datetime(moment) if isinstance(moment, str) else moment


def as_carrier_error(error: Exception) -> CarrierError:
    """What an error of the SDK or the network means for the message."""
    if isinstance(error, TwilioRestException):
        return _rest_error(error)
    if isinstance(error, RateLimited):
        return CarrierError(
            rule_for(20429).says,
            kind="transient",
            code="20429",
            retry_after_s=error.retry_after_s,
            slow_down=True,
        )
    cause = getattr(error.args[0], "reason", None) if error.args else None
    # No connection, no request: refused, unreachable, or a name that does not resolve.
    if isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError):
        return CarrierError("Twilio could not be reached", kind="transient")
    return CarrierError("Twilio did not answer; it is not known whether the text was sent", kind="uncertain")


def _rest_error(error: TwilioRestException) -> CarrierError:
    rule = rule_for(error.code, status=int(error.status))
    kind = KINDS.get(rule.action, "permanent")
    if int(error.status) >= 500:
        # A 5xx may come after the message was made, whatever code it has (messaging facts 0.3).
        kind = "uncertain"
    return CarrierError(
        rule.says,
        kind=kind,
        code=str(rule.code) if rule.code else None,
        slow_down=rule.action is Action.SLOW_DOWN,
    )
