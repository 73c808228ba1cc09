"""SendGrid on loopback: mail/send, suppressions, Inbound Parse and Event Webhook posts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.standins.base import Clock, system_clock
from tests.standins.faults import Fault
from tests.standins.http import Request, Response, json_response
from tests.standins.sendgrid_inbound import Attachment, Delivery, SendGridInbound, compose
from tests.standins.sendgrid_rules import problems

__all__ = ["Attachment", "Delivery", "Mail", "SendGridStandIn", "compose"]

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


class SendGridStandIn(SendGridInbound):
    """One SendGrid account; `mails` holds what was accepted, suppressed addresses included."""

    def __init__(self, api_key: str = "SG.test", *, clock: Clock = system_clock) -> None:
        super().__init__(clock=clock)
        self.api_key = api_key
        self.mails: list[Mail] = []
        self.suppressed: dict[str, str] = {}

    def handle(self, request: Request) -> Response:
        """mail/send, the suppression lists and the global unsubscribe."""
        if request.bearer() != self.api_key:
            return self.error_response(Fault("status", status=401))
        path = request.path.removeprefix("/v3/")
        match request.method, path.split("/"):
            case "POST", ["mail", "send"]:
                return self._send(request)
            case "GET", ["suppression", kind]:
                rows = [
                    {"email": email, "created": 0} for email, why in self.suppressed.items() if why == kind
                ]
                return json_response(200, rows)
            case "POST", ["asm", "suppressions", "global"]:
                emails = request.json["recipient_emails"]
                self.suppressed |= dict.fromkeys(emails, "unsubscribes")
                return json_response(201, {"recipient_emails": emails})
            case "DELETE", ["asm", "suppressions", "global", email]:
                self.suppressed.pop(email, None)
                return Response(204)
        return self.error_response(Fault("status", status=404, message="Not Found"))

    def error_response(self, fault: Fault) -> Response:
        """SendGrid's error list; message= overrides the usual text."""
        text = fault.message or _TEXTS.get(fault.status, "Internal Server Error")
        return json_response(fault.status, {"errors": [{"message": text, "field": None, "help": None}]})

    def _send(self, request: Request) -> Response:
        if found := problems(request.json):
            errors = [{"message": text, "field": field, "help": None} for text, field in found]
            return json_response(400, {"errors": errors})
        mode = (request.json.get("mail_settings") or {}).get("sandbox_mode") or {}
        if mode.get("enable"):
            return Response(200)
        mail = Mail(secrets.token_urlsafe(16)[:22], request.json, self.clock())
        with self.lock:
            self.mails.append(mail)
        return Response(202, b"", {"X-Message-Id": mail.x_message_id})

    def events_for(
        self, mail: Mail, kinds: Sequence[str] = ("processed", "delivered"), **extra: Any
    ) -> list[dict[str, Any]]:
        """Event objects of a mail, one per recipient and kind; custom_args merged at the top level.

        A suppressed recipient gets one "dropped" event in place of the others. `extra` is added to each.
        """
        return [
            self._event(mail, email, kind, extra)
            for email in mail.to
            for kind in (("dropped",) if email in self.suppressed else kinds)
        ]

    def _event(self, mail: Mail, email: str, kind: str, extra: dict[str, Any]) -> dict[str, Any]:
        why = {"bounces": "Bounced Address", "spam_reports": "Spam Reporting Address"}
        details: dict[str, dict[str, Any]] = {
            "delivered": {"response": "250 OK"},
            "deferred": {"response": "450 try later", "attempt": "1"},
            "bounce": {"reason": "550 5.1.1 no such user", "status": "5.1.1", "type": "bounce"},
            "dropped": {"reason": why.get(self.suppressed.get(email, ""), "Unsubscribed Address")},
        }
        return {
            "email": email,
            "timestamp": int(self.clock().timestamp()),
            "event": kind,
            "sg_event_id": secrets.token_urlsafe(32),
            "sg_message_id": f"{mail.x_message_id}.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
            "smtp-id": mail.headers.get("Message-ID", f"<{mail.x_message_id}@ismtpd0039p1iad1.sendgrid.net>"),
            **details.get(kind, {}),
            **mail.custom_args,
            **extra,
        }
