"""What happened with a lead, in plain words and in order: its own history, and the events that explain it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.lead_merging import WHAT, WHAT_MERGED, family_of
from crm.lead_states import STATE
from crm.models import Appointment, ChatMessage, ConsentEvent, Lead, LeadChange, LeadRequest, TouchPoint
from crm.reading import LeadNotFound

_SAID = {
    WHAT: "{after} was merged into this lead",
    WHAT_MERGED: "it was merged into {after}",
    "split": "a part of it became {after}",
    "split off": "it was split off {after}",
    "forgotten": "the person was forgotten",
}
_CHANNELS = {"sms": "text", "email": "email"}


@dataclass(frozen=True)
class Event:
    """One line. `what` is a sentence without names or words of the customer, but for reasons that people gave."""

    at: datetime
    lead_id: int
    what: str
    who: str | None = None
    why: str | None = None
    message_id: int | None = None


def story_of(s: Session, lead_id: int) -> list[Event]:
    """Everything of a lead and of those that were merged into it, oldest first. Raises LeadNotFound."""
    if s.get(Lead, lead_id) is None:
        raise LeadNotFound(f"there is no lead {lead_id}")
    ids = family_of(s, lead_id)
    parts: Iterable[Iterator[Event]] = (
        _began(s, ids), _changes(s, ids), _requests(s, ids), _messages(s, ids), _appointments(s, ids), _consents(s, ids),
        _touches(s, ids),
    )  # fmt: skip
    return sorted((event for part in parts for event in part), key=lambda event: (event.at, event.lead_id))


def _began(s: Session, ids: list[int]) -> Iterator[Event]:
    for lead in s.scalars(select(Lead).where(Lead.id.in_(ids))):
        yield Event(lead.created_at, lead.id, f"the lead came in (source: {lead.source})")


def _changes(s: Session, ids: list[int]) -> Iterator[Event]:
    for row in s.scalars(select(LeadChange).where(LeadChange.lead_id.in_(ids)).order_by(LeadChange.id)):
        said = _SAID.get(row.what)
        if said is not None:
            what = said.format(after=row.after)
        elif row.what == STATE:
            what = (
                f"{row.before or 'nothing'} -> {row.after}"
                if row.before != row.after
                else f"stays {row.after}"
            )
        else:
            what = " ".join(part for part in (row.what, row.before and f"{row.before} ->", row.after) if part)
        yield Event(row.at, row.lead_id, what, row.who, row.why, row.message_id)


def _requests(s: Session, ids: list[int]) -> Iterator[Event]:
    for row in s.scalars(select(LeadRequest).where(LeadRequest.lead_id.in_(ids))):
        yield Event(row.made_at, row.lead_id, f"they asked for something (source: {row.source})")
        if row.closed_at is not None:
            yield Event(row.closed_at, row.lead_id, f"that request was closed (source: {row.source})")


def _messages(s: Session, ids: list[int]) -> Iterator[Event]:
    """The first message each way on each channel; the conversation itself is `leads transcript`."""
    first = (
        select(func.min(ChatMessage.id))
        .where(ChatMessage.lead_id.in_(ids), ChatMessage.kind.not_in(("notice", "automatic")))
        .group_by(ChatMessage.lead_id, ChatMessage.direction, ChatMessage.channel)
    )
    for row in s.scalars(select(ChatMessage).where(ChatMessage.id.in_(first))):
        at = row.received_at or row.sent_at or row.created_at
        who = "they wrote" if row.direction == "in" else "we wrote"
        what = f"{who} for the first time by {_CHANNELS.get(row.channel, row.channel)}"
        yield Event(at, row.lead_id, what, message_id=row.id)


def _appointments(s: Session, ids: list[int]) -> Iterator[Event]:
    for row in s.scalars(select(Appointment).where(Appointment.lead_id.in_(ids))):
        for entry in row.history:
            at = datetime.fromisoformat(str(entry["when"]))
            lead_id = row.lead_id or 0
            yield Event(
                at, lead_id, f"appointment {row.id} {entry['what']}", entry.get("who"), entry.get("why")
            )


def _consents(s: Session, ids: list[int]) -> Iterator[Event]:
    for row in s.scalars(select(ConsentEvent).where(ConsentEvent.lead_id.in_(ids))):
        scope = "offers" if row.scope == "marketing" else "messages"
        what = f"{'stop' if row.action == 'revoke' else 'consent'} to {scope} by {_CHANNELS[row.channel]}"
        yield Event(row.effective_at, row.lead_id or 0, what, row.actor, row.source, row.message_id)


def _touches(s: Session, ids: list[int]) -> Iterator[Event]:
    """When each cadence began, and how it ended if it did."""
    runs = s.execute(
        select(
            TouchPoint.lead_id, TouchPoint.cadence_run, TouchPoint.plan, func.min(TouchPoint.created_at),
            func.count().filter(TouchPoint.status == "written"), func.count(),
            func.min(TouchPoint.reason).filter(TouchPoint.status == "ended"),
        )
        .where(TouchPoint.lead_id.in_(ids))
        .group_by(TouchPoint.lead_id, TouchPoint.cadence_run, TouchPoint.plan)
    )  # fmt: skip
    for lead_id, _, plan, began, written, count, ended in runs:
        state = f"; ended: {ended}" if ended else ""
        yield Event(began, lead_id, f"follow-ups planned ({plan}): {written} of {count} written{state}")
