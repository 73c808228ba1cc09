"""What the Twilio stand-in remembers about messages, and how the REST API shows them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

VERSION = "2010-04-01"
# Twilio acts on these only when they are the whole message (messaging facts 3.1).
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})
# Documented test numbers and the code they provoke at create (messaging facts 2.7).
MAGIC_NUMBERS = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
ERROR_TEXTS = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    20503: "Service is unavailable",
    21211: "Invalid 'To' Phone Number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "Message cannot be sent with the current combination of 'To' and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    30003: "Unreachable destination handset",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
}
_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = set("^{}\\[~]|€\f")


def new_sid(prefix: str = "SM") -> str:
    """A resource id: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def segments(body: str) -> int:
    """Number of SMS parts: 160/153 septets in GSM-7, else 70/67 UTF-16 units (messaging facts 2.6)."""
    if all(char in _GSM or char in _GSM_EXTENSION for char in body):
        units, single, part = sum(2 if char in _GSM_EXTENSION else 1 for char in body), 160, 153
    else:
        units, single, part = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if units <= single else -(-units // part)


def is_e164(number: str) -> bool:
    """True for + and 8 to 15 digits."""
    return re.fullmatch(r"\+[1-9]\d{7,14}", number) is not None


@dataclass
class TwilioMessage:
    """One message as Twilio holds it; times are aware UTC."""

    to: str
    from_: str | None
    body: str
    sid: str
    created: datetime
    status: str = "queued"
    direction: str = "outbound-api"
    status_callback: str | None = None
    messaging_service_sid: str | None = None
    error_code: int | None = None
    sent: datetime | None = None
    media: int = 0
    hidden_lists: int = 0
    posted: dict[str, str] = field(default_factory=dict)
    # The sub-account it belongs to; "" for the main one.
    account: str = ""

    def resource(self, account_sid: str) -> dict[str, Any]:
        """The documented JSON resource; dates in RFC 2822."""
        uri = f"/{VERSION}/Accounts/{account_sid}/Messages/{self.sid}.json"
        unassigned = self.from_ is None
        return {
            "account_sid": account_sid,
            "api_version": VERSION,
            "body": self.body,
            "date_created": format_datetime(self.created),
            "date_sent": format_datetime(self.sent) if self.sent else None,
            "date_updated": format_datetime(self.sent or self.created),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": ERROR_TEXTS.get(self.error_code, "Error") if self.error_code else None,
            "from": self.from_,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": str(self.media),
            "num_segments": "0" if unassigned else str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": uri.replace(".json", "/Media.json")},
            "to": self.to,
            "uri": uri,
        }


@dataclass(frozen=True)
class ListFilter:
    """The documented list filters; a message not yet sent has no DateSent and matches no date."""

    to: str
    from_: str
    on: str
    before: str
    after: str

    def keeps(self, message: TwilioMessage) -> bool:
        """True when the message belongs in the list."""
        if (self.to and message.to != self.to) or (self.from_ and message.from_ != self.from_):
            return False
        if not (self.on or self.before or self.after):
            return True
        return message.sent is not None and self._dated(message.sent)

    def _dated(self, sent: datetime) -> bool:
        if self.on and sent.date() != _moment(self.on).date():
            return False
        if self.before and sent > _end(self.before):
            return False
        return not (self.after and sent < _moment(self.after))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")


def _end(text: str) -> datetime:
    # A bare date in DateSent<= includes that whole day.
    return _moment(text) if "T" in text else _moment(text) + timedelta(days=1)
