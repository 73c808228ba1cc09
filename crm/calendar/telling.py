"""What a customer still has to be told of changes the shop made in the outside calendar. The row is the debt.

`tell_known` is what the customer knows, taken before the first change they have not heard of; a change that is made while
one is owed only moves the moment of telling. So dragging an entry to and fro is told once, as it ended, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE
from crm.calendar.outside import SOURCE
from crm.models import Appointment, ChatMessage, ChatSession

CHANGES = ("booked", "moved", "cancelled")
KEY = "crm_change:"


@dataclass(frozen=True)
class Known:
    """A visit as the customer knows it; satisfies `labels.Visited`. `config_id`: the connection that changed it."""

    starts_at: datetime
    arrives_from: datetime | None
    arrives_until: datetime | None
    status: str
    config_id: int | None = None

    @property
    def comes_at(self) -> datetime:
        """When they would come."""
        return self.arrives_from or self.starts_at


def state_of(row: Appointment) -> Known:
    """What a customer who knows of every change so far knows."""
    return Known(row.starts_at, row.arrives_from, row.arrives_until, row.status)


def owe(
    s: Session, row: Appointment, before: Known, config_id: int, now: datetime, settle: timedelta
) -> None:
    """Owe the customer a change that is about to be written into `row`. A message about an earlier change that has not
    left is untrue now: it is dropped, and what the customer knew before it is what they still know."""
    if row.lead_id is None:
        return
    unsent = _drop_unsent(s, row, now)
    ours = last_by(row) == SOURCE
    known = row.tell_known if row.tell_due_at is not None and ours else None
    known = known or (unsent if ours else None) or to_json(before, config_id)
    row.tell_known, row.tell_due_at = known, now + settle


def last_by(row: Appointment) -> str | None:
    """Who made the last change a customer would notice."""
    entries = [one for one in row.history if isinstance(one, dict) and one.get("what") in CHANGES]
    return entries[-1].get("who") if entries else None


def what_changed(known: Known, row: Appointment, least: timedelta) -> Literal["moved", "cancelled"] | None:
    """What the customer would be told; None when in the end nothing changed that is worth a message."""
    if row.status not in ACTIVE:
        return "cancelled" if row.status == "cancelled" else None
    return "moved" if abs((row.arrives_from or row.starts_at) - known.comes_at) >= least else None


def to_json(known: Known, config_id: int | None) -> dict[str, Any]:
    """As it is kept in the row, and in `raw` of a message."""
    return {
        "starts_at": known.starts_at.astimezone(UTC).isoformat(),
        "arrives_from": _text(known.arrives_from),
        "arrives_until": _text(known.arrives_until),
        "status": known.status,
        "config_id": config_id,
    }


def from_json(kept: Mapping[str, Any]) -> Known:
    """The other way round."""
    return Known(
        datetime.fromisoformat(kept["starts_at"]),
        _moment(kept.get("arrives_from")),
        _moment(kept.get("arrives_until")),
        str(kept.get("status")),
        kept.get("config_id"),
    )


def _drop_unsent(s: Session, row: Appointment, now: datetime) -> dict[str, Any] | None:
    """Take back messages about this appointment's changes that nobody has begun to send; what was known before the
    first of them."""
    chat = select(ChatSession.id).where(ChatSession.lead_id == row.lead_id).scalar_subquery()
    waiting = s.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat,
            ChatMessage.status == "pending",
            ChatMessage.claim_token.is_(None),
            ChatMessage.dedupe_key.startswith(f"{KEY}{row.id}:"),
        )
        .order_by(ChatMessage.id)
        .with_for_update()
    ).all()
    known: dict[str, Any] | None = None
    for message in waiting:
        message.status, message.final_at = "dropped", now
        message.error = "the appointment was changed again before this was sent"
        known = known or (message.raw or {}).get("known")
    return known


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
