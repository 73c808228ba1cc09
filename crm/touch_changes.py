"""What a person of the shop changes in one lead's cadence by hand: pause it, skip a step, move a step.

Every change locks the conversation before the touch, as the dispatcher does when it writes one: whatever it had claimed
it finds taken back, and what it had written by then is told of instead of changed. Who did it and why is in the lead's
history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.labels import local_text
from crm.lead_states import locked, note
from crm.leads import root_of
from crm.models import ChatMessage, ChatSession, Lead, TouchPoint
from crm.touches import FOLLOW_UP, HELD, drop_waiting

CADENCE = "cadence"
OPEN = ("planned", "claimed", "paused")


class ChangeRefused(ValueError):
    """This cannot be changed (any more). The message is a sentence for the owner."""


@dataclass(frozen=True)
class Changed:
    """What was changed: how many touches, and how many that were written and waited in the outbox were dropped."""

    lead_id: int
    touches: int
    dropped: int = 0


def pause_cadence(s: Session, lead_id: int, *, who: str, why: str, now: datetime) -> Changed:
    """Pause all that is planned for a lead until a person resumes it, in the caller's transaction; what was written and
    has not left is dropped. Dates the customer named and reminders of a visit stay. Raises ChangeRefused."""
    _, lead = lock(s, lead_id)
    cadence = [row for row in _touches(s, lead) if row.kind == "touch" and row.plan != FOLLOW_UP]
    rows = [row for row in cadence if row.status in OPEN]
    reason = f"{HELD}{who}: {why}"
    written = [row.message_id for row in cadence if row.status == "written" and row.message_id]
    dropped = drop_waiting(s, written, f"the cadence was {reason}", now)
    if not rows and not dropped:
        raise ChangeRefused(f"lead {lead.id} has no cadence that goes on; see: leads cadence show {lead.id}")
    for row in rows:
        _settle(row, "paused", reason)
    _note(s, lead, f"{len(rows)} touches paused" if rows else "what waited was dropped", who, why, now)
    return Changed(lead.id, len(rows), dropped)


def skip_step(
    s: Session, lead_id: int, step: int, *, run: int | None, who: str, why: str, now: datetime
) -> TouchPoint:
    """Leave one step out, in the caller's transaction; what was written of it and has not left is dropped. `run` None:
    the newest cadence. Raises ChangeRefused."""
    _, lead = lock(s, lead_id)
    row = _step(s, lead, step, run)
    reason = f"skipped by {who}: {why}"
    if row.status not in OPEN and not _taken_back(s, row, reason, now):
        raise ChangeRefused(_over(s, row))
    _settle(row, "skipped", reason)
    _note(s, lead, f"step {row.cadence_run}.{row.step} skipped", who, why, now)
    return row


def move_step(
    s: Session,
    lead_id: int,
    step: int,
    at: datetime,
    *,
    timezone: str,
    run: int | None,
    who: str,
    why: str,
    now: datetime,
) -> TouchPoint:
    """Have one step sent at another moment, in the caller's transaction. What the law says of that hour is the gate's to
    see. Raises ChangeRefused."""
    _, lead = lock(s, lead_id)
    row = _step(s, lead, step, run)
    if row.kind != "touch":
        raise ChangeRefused("a reminder follows its appointment: move the appointment, or skip the reminder")
    if row.status == "paused":
        raise ChangeRefused(
            f"step {step} is paused ({row.reason}); first: leads cadence resume {lead.id}, which plans it anew"
        )
    if row.status not in OPEN:
        raise ChangeRefused(_over(s, row))
    if at <= now:
        raise ChangeRefused("that moment is over")
    before, row.due_at, row.local_time = row.local_time, at, local_text(at, timezone)
    _settle(row, "planned", f"moved by {who}: {why}")
    _note(
        s, lead, f"step {row.cadence_run}.{row.step} moved from {before} to {row.local_time}", who, why, now
    )
    return row


def lock(s: Session, lead_id: int) -> tuple[ChatSession, Lead]:
    """The conversation and the lead it is now, locked in the order everybody keeps. Raises ChangeRefused."""
    lead_id = root_of(s, s.get_one(Lead, lead_id)).id
    mine = select(ChatSession).where(ChatSession.lead_id == lead_id).with_for_update()
    chat = s.scalars(mine.execution_options(populate_existing=True)).first()
    lead = locked(s, lead_id)
    if lead is None or lead.erased_at is not None:
        raise ChangeRefused(f"lead {lead_id} was forgotten")
    if chat is None:
        raise ChangeRefused(f"lead {lead_id} was never written to")
    return chat, lead


def _touches(s: Session, lead: Lead) -> Sequence[TouchPoint]:
    mine = select(TouchPoint).where(TouchPoint.lead_id == lead.id).with_for_update()
    ordered = mine.order_by(TouchPoint.cadence_run, TouchPoint.step)
    return s.scalars(ordered.execution_options(populate_existing=True)).all()


def _step(s: Session, lead: Lead, step: int, run: int | None) -> TouchPoint:
    rows = _touches(s, lead)
    cadences = [row.cadence_run for row in rows if row.kind == "touch" and row.plan != FOLLOW_UP]
    chosen = max(cadences, default=None) if run is None else run
    mine = [row for row in rows if row.cadence_run == chosen]
    if not mine:
        runs = ", ".join(str(one) for one in sorted({row.cadence_run for row in rows})) or "none"
        which = "cadence" if run is None else f"run {run}"
        raise ChangeRefused(f"lead {lead.id} has no {which}; there are the runs: {runs}")
    for row in mine:
        if row.step == step:
            return row
    steps = ", ".join(str(row.step) for row in mine)
    raise ChangeRefused(f"run {chosen} of lead {lead.id} has no step {step}; it has: {steps}")


def _over(s: Session, row: TouchPoint) -> str:
    if row.status != "written":
        return f"step {row.step} is {row.status} already: {row.reason or 'no reason was stored'}"
    message = s.get(ChatMessage, row.message_id) if row.message_id else None
    became = "" if message is None else f" as message #{message.id}, which is {message.status}"
    return f"step {row.step} was written already{became}"


def _settle(row: TouchPoint, status: str, reason: str) -> None:
    row.status, row.reason = status, reason
    row.claim_token = row.claimed_until = None
    if status == "paused":
        row.resume_at = None


def _taken_back(s: Session, row: TouchPoint, reason: str, now: datetime) -> bool:
    """Whether a written touch still waited for its hour, and is dropped now."""
    written = row.status == "written" and row.message_id is not None
    return written and drop_waiting(s, [row.message_id or 0], f"the step was {reason}", now) > 0


def _note(s: Session, lead: Lead, what: str, who: str, why: str, now: datetime) -> None:
    note(s, lead, CADENCE, before=None, after=what, who=who, why=why, now=now)
