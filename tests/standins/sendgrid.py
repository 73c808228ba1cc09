"""SendGrid on loopback: mail/send, suppressions, Inbound Parse and Event Webhook posts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.standins.base import Clock, system_clock
from tests.standins.faults import Fault
from tests.standins.http import Request, Response, html_response, json_response
from tests.standins.sendgrid_events import SendGridEvents, event_of, mixed_up, told_again
from tests.standins.sendgrid_inbound import Attachment, Delivery, compose
from tests.standins.sendgrid_lists import Lists
from tests.standins.sendgrid_rules import MOST_BYTES, problems

__all__ = ["Attachment", "Delivery", "Mail", "SendGridStandIn", "compose", "mixed_up", "told_again"]

_TEXTS = {
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    413: "The JSON payload you have included in your request is too large.",
    429: "too many requests",
}


@dataclass
class Mail:
    """One accepted mail. `x_message_id` is the prefix of later sg_message_id values, not the Message-ID."""

    x_message_id: str
    body: dict[str, Any]
    accepted: datetime
    subuser: str = ""

    @property
    def to(self) -> list[str]:
        """All recipients in `to`, of all personalizations."""
        return [person["email"] for each in self.body["personalizations"] for person in each["to"]]

    @property
    def from_(self) -> str:
        """The header sender's address."""
        return str(self.body["from"]["email"])

    @property
    def subject(self) -> str:
        """The subject that is shown."""
        return str(self.body["personalizations"][0].get("subject") or self.body.get("subject"))

    @property
    def text(self) -> str:
        """The plain part, or an empty string."""
        return self._part("text/plain")

    @property
    def html(self) -> str:
        """The HTML part, or an empty string."""
        return self._part("text/html")

    @property
    def headers(self) -> dict[str, str]:
        """Our own headers, those of the personalization last."""
        return {**(self.body.get("headers") or {}), **(self.body["personalizations"][0].get("headers") or {})}

    @property
    def custom_args(self) -> dict[str, str]:
        """Our own arguments, which come back at the top level of every event."""
        own = self.body["personalizations"][0].get("custom_args") or {}
        return {**(self.body.get("custom_args") or {}), **own}

    def _part(self, kind: str) -> str:
        return next(
            (str(part["value"]) for part in self.body.get("content") or [] if part["type"] == kind), ""
        )


class SendGridStandIn(SendGridEvents):
    """One SendGrid account with its subusers; `mails` holds what was accepted, suppressed addresses included."""

    def __init__(
        self, api_key: str = "SG.test", *, subusers: Sequence[str] = (), clock: Clock = system_clock
    ) -> None:
        super().__init__(clock=clock)
        self.api_key = api_key
        self.mails: list[Mail] = []
        self._lists = {name: Lists() for name in ("", *subusers)}

    def lists(self, subuser: str | None = None) -> Lists:
        """The suppression lists of the account, or of a subuser: each has its own."""
        return self._lists[subuser or ""]

    def suppress(self, kind: str, email: str, subuser: str | None = None, **more: Any) -> None:
        """Put an address on a list now; `created=` gives another moment."""
        self.lists(subuser).add(kind, email, self.clock(), **more)

    def handle(self, request: Request) -> Response:
        """mail/send and the suppression lists, for the account or on behalf of a subuser."""
        subuser = str(request.headers.get("On-Behalf-Of", ""))
        if request.bearer() != self.api_key:
            return self.error_response(Fault("status", status=401))
        if subuser not in self._lists:
            return self.error_response(Fault("status", status=403))
        if (request.method, request.path) == ("POST", "/v3/mail/send"):
            return self._send(request, subuser)
        with self.lock:
            answer = self._lists[subuser].answer(request, self.clock())
        return answer or self.error_response(Fault("status", status=404, message="Not Found"))

    def error_response(self, fault: Fault) -> Response:
        """SendGrid's error list; message= overrides the usual text."""
        text = fault.message or _TEXTS.get(fault.status, "Internal Server Error")
        return json_response(fault.status, {"errors": [{"message": text, "field": None, "help": None}]})

    def _send(self, request: Request, subuser: str) -> Response:
        if len(request.body) > MOST_BYTES:
            return html_response(413, "413 Request Entity Too Large")
        if found := problems(request.json, self.clock()):
            errors = [{"message": text, "field": field, "help": None} for text, field in found]
            return json_response(400, {"errors": errors})
        mode = (request.json.get("mail_settings") or {}).get("sandbox_mode") or {}
        if mode.get("enable"):
            return Response(200)
        mail = Mail(secrets.token_urlsafe(16)[:22], request.json, self.clock(), subuser)
        with self.lock:
            self.mails.append(mail)
        return Response(202, b"", {"X-Message-Id": mail.x_message_id})

    def events_for(
        self, mail: Mail, kinds: Sequence[str] = ("processed", "delivered"), **extra: Any
    ) -> list[dict[str, Any]]:
        """Event objects of a mail, one per recipient and kind; custom_args merged at the top level.

        A suppressed recipient gets one "dropped" event in place of the others. `extra` is added to each. What bounces,
        reports spam or unsubscribes is on the list afterwards.
        """
        lists, settings = self.lists(mail.subuser), mail.body.get("mail_settings") or {}
        bypass = bool((settings.get("bypass_list_management") or {}).get("enable"))
        found = []
        for email in mail.to:
            drops = not bypass and lists.reason_to_drop(email) is not None
            found += [
                event_of(mail, email, kind, lists, self.clock(), extra)
                for kind in (("dropped",) if drops else kinds)
            ]
        return found
