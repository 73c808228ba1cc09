"""What was planned for a lead, run by run, and what became of each touch: for `leads cadence show`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Location, TouchPoint
from crm.reading import LeadNotFound


@dataclass(frozen=True)
class TouchState:
    """One touch. Moments are UTC. `resume_at`: of a paused one, when it is looked at again; None: a person has to
    resume it. `message_status`: where its message is."""

    id: int
    step: int
    kind: str
    channel: str
    template: str
    due_at: datetime
    local_time: str
    status: str
    reason: str | None
    resume_at: datetime | None
    message_id: int | None
    message_status: str | None
    message_error: str | None


@dataclass(frozen=True)
class Run:
    """One time a plan was begun. `plan_version` None: the plan that ships."""

    number: int
    plan: str
    plan_version: int | None
    begun_at: datetime
    touches: tuple[TouchState, ...]


@dataclass(frozen=True)
class Runs:
    """All runs of a lead, oldest first; `conversation` is agent or human."""

    lead_id: int
    status: str
    conversation: str
    timezone: str
    runs: tuple[Run, ...]


def runs_of(s: Session, lead_id: int) -> Runs:
    """Everything that was planned for a lead. Raises LeadNotFound."""
    lead = s.get(Lead, lead_id)
    if lead is None:
        raise LeadNotFound(f"there is no lead {lead_id}")
    found = s.execute(
        select(TouchPoint, ChatMessage.status, ChatMessage.error)
        .outerjoin(ChatMessage, ChatMessage.id == TouchPoint.message_id)
        .where(TouchPoint.lead_id == lead_id)
        .order_by(TouchPoint.cadence_run, TouchPoint.step)
    ).all()
    runs: dict[int, list[tuple[TouchPoint, str | None, str | None]]] = {}
    for touch, status, error in found:
        runs.setdefault(touch.cadence_run, []).append((touch, status, error))
    state = s.scalar(select(ChatSession.state).where(ChatSession.lead_id == lead_id))
    return Runs(
        lead_id=lead_id,
        status=lead.status,
        conversation=state or "none yet",
        timezone=s.get_one(Location, lead.location_id).timezone,
        runs=tuple(_run(number, rows) for number, rows in runs.items()),
    )


def _run(number: int, rows: list[tuple[TouchPoint, str | None, str | None]]) -> Run:
    first = rows[0][0]
    return Run(
        number=number,
        plan=first.plan,
        plan_version=first.plan_version,
        begun_at=min(touch.created_at for touch, _, _ in rows),
        touches=tuple(_state(*row) for row in rows),
    )


def _state(touch: TouchPoint, status: str | None, error: str | None) -> TouchState:
    return TouchState(
        id=touch.id,
        step=touch.step,
        kind=touch.kind,
        channel=touch.channel,
        template=touch.template,
        due_at=touch.due_at,
        local_time=touch.local_time,
        status=touch.status,
        reason=touch.reason,
        resume_at=touch.resume_at if touch.status == "paused" else None,
        message_id=touch.message_id,
        message_status=status,
        message_error=error,
    )
