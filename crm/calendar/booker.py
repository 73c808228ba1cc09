"""Who changes an appointment, on whose behalf, and by which right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE
from crm.calendar.refused import BookingRefused
from crm.calendar.rules import LIFTABLE, Refusal
from crm.lead_states import locked, try_move
from crm.models import Appointment

# First key of the advisory lock under which the writers of one location queue up; the second is the location.
CALENDAR_LOCK = 730_114


@dataclass(frozen=True)
class Booker:
    """On whose behalf a change is made: the customer's lead and session, who does it (`agent`, `owner`), the inbound
    message that asked for it, when, and why if a reason was given. An owner may act for no lead in particular."""

    lead_id: int | None
    session_id: int | None
    who: str
    now: datetime
    message_id: int | None = None
    why: str | None = None

    def entry(self, what: str, **details: Any) -> dict[str, Any]:
        """One line of an appointment's history."""
        why = {"why": self.why} if self.why else {}
        return {
            "who": self.who,
            "when": self.now.isoformat(),
            "what": what,
            "message": self.message_id,
            **why,
            **details,
        }


@dataclass(frozen=True)
class Override:
    """A person's word against the rules: who, why, and which rules are lifted. Never that a bay holds one car."""

    by: str
    why: str
    rules: frozenset[Refusal]

    def __post_init__(self) -> None:
        """Raises BookingRefused when nobody answers for it or the rule is none that may be lifted."""
        if not self.by.strip() or not self.why.strip():
            raise BookingRefused("override", "Lifting a rule needs the name of a person and a reason.")
        if not self.rules or not self.rules <= LIFTABLE:
            raise BookingRefused(
                "override", f"Only these rules can be lifted: {', '.join(sorted(LIFTABLE))}."
            )

    def record(self) -> dict[str, Any]:
        """As it is kept with the appointment."""
        return {"by": self.by, "why": self.why, "rules": sorted(self.rules)}


def queue_up(s: Session, location_id: int) -> None:
    """Wait for the other writers of this location's calendar; held until the transaction or savepoint ends."""
    s.execute(select(func.pg_advisory_xact_lock(CALENDAR_LOCK, location_id % 2**31)))


def upcoming(s: Session, lead_id: int, now: datetime, *, location_id: int | None = None) -> list[Appointment]:
    """The lead's booked or confirmed appointments that have not started, soonest first, freshly read."""
    statement = (
        select(Appointment)
        .where(Appointment.lead_id == lead_id, Appointment.status.in_(ACTIVE), Appointment.starts_at > now)
        .order_by(Appointment.starts_at, Appointment.id)
        .execution_options(populate_existing=True)
    )
    if location_id is not None:
        statement = statement.where(Appointment.location_id == location_id)
    return list(s.scalars(statement))


def same_work(visits: Iterable[Appointment], service_ids: Iterable[int]) -> list[Appointment]:
    """Those that are for exactly these services, in the order given."""
    wanted = sorted(service_ids)
    return [one for one in visits if sorted(one.service_ids) == wanted]


def set_lead(s: Session, lead_id: int | None, status: str, booker: Booker) -> None:
    """Say where a lead stands; an opt-out outlives a booking, and what a person has taken is theirs to hand back."""
    lead = None if lead_id is None else locked(s, lead_id)
    # A cancelled appointment opens nothing that was over before.
    if lead is None or (status != "booked" and lead.status in ("won", "lost")):
        return
    why = {"booked": "an appointment was booked", "won": "the work was done"}.get(status, "it was cancelled")
    try_move(s, lead, status, who=booker.who, why=why, now=booker.now, message_id=booker.message_id)
