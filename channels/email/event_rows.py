"""One event of SendGrid's Event Webhook as a row: what is read from it, and what makes it the same event again.

Anything may stand in an event: our own arguments and other people's are merged at the top level, `category` is a text
or an array, and new types appear (messaging facts 4.3). Nothing here raises.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from channels.email.event_effects import what_they_said
from crm.emails import normal_email
from crm.text import storable

DELIVERY = frozenset({"processed", "deferred", "delivered", "bounce", "dropped"})
OPT_OUTS = frozenset({"spamreport", "unsubscribe", "group_unsubscribe"})
# What is stored of one event at most, in characters of JSON.
MOST_RAW = 8_000
_KEPT_OF_BIG = (
    "email", "event", "timestamp", "sg_event_id", "sg_message_id", "outbox_id", "type", "status", "attempt",
    "bounce_classification",
)  # fmt: skip
_SOFT = ("sg_message_id", "event", "email", "timestamp", "url", "attempt", "outbox_id")


@dataclass(frozen=True)
class MailEventRow:
    """An event as far as we understand it. `address` is empty when there is none; `occurred_at` is SendGrid's moment,
    or that of the receipt where it makes no sense; `reason` is a strange server's text in one line."""

    event: str
    address: str
    sg_event_id: str | None
    sg_message_id: str
    soft_key: str
    outbox_id: uuid.UUID | None
    occurred_at: datetime
    reason: str | None
    raw: dict[str, Any]

    def said(self, name: str) -> str:
        """A field as text, in lower case; empty when it is missing or no text."""
        value = self.raw.get(name)
        return value.strip().lower() if isinstance(value, str) else ""


def read_event(given: dict[str, Any], received_at: datetime) -> MailEventRow:
    """The row for one object of the array."""
    clean: dict[str, Any] = _storable(given)
    return MailEventRow(
        event=_text(clean.get("event"), 60).lower() or "unknown",
        address=_address(clean.get("email")),
        sg_event_id=_text(clean.get("sg_event_id"), 200) or None,
        sg_message_id=_text(clean.get("sg_message_id"), 300),
        soft_key=_soft_key(clean),
        outbox_id=outbox_id_of(clean),
        occurred_at=_moment(clean.get("timestamp"), received_at),
        reason=what_they_said(clean.get("reason") or clean.get("response"), 500) or None,
        raw=_bounded(clean),
    )


def outbox_id_of(given: dict[str, Any]) -> uuid.UUID | None:
    """Our own argument in an event, or None: it may be missing, or another program's of the same name."""
    value = given.get("outbox_id")
    if not isinstance(value, str) or len(value) > 50:
        return None
    try:
        return uuid.UUID(value)
    except ValueError:
        return None


def _soft_key(clean: dict[str, Any]) -> str:
    """The second key, because `sg_event_id` may change when an event is told again (messaging facts 0.10)."""
    parts = [clean.get(name) for name in _SOFT]
    known = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(known.encode()).hexdigest()


def _storable(value: Any, depth: int = 0) -> Any:
    """The same without what jsonb cannot hold: NUL, lone surrogates, NaN, and nesting without end."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return (
            {storable(str(key)): _storable(one, depth + 1) for key, one in value.items()} if depth < 8 else {}
        )
    if isinstance(value, list):
        return [_storable(one, depth + 1) for one in value] if depth < 8 else []
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _bounded(clean: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(clean)) <= MOST_RAW:
        return clean
    return {name: _text(clean[name], 500) for name in _KEPT_OF_BIG if name in clean}


def _text(value: Any, limit: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()[:limit]


def _address(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return normal_email(value) or value.strip().lower()[:254]


def _moment(value: Any, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return otherwise
