"""What a cadence begun now would be: the real planner, the real words and the real gate, and nothing is kept.

Each touch is written as the dispatcher writes it, at the moment it would be due, with what is known today of consents,
prices and free times; then the gate is asked as at sending. The caller rolls its transaction back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from channels.email.links import MailLinks
from channels.gate import Decision, GateRules, decide
from channels.templates import TemplateFailed
from crm.models import ChatMessage, ChatSession, Lead, Location, TouchPoint
from crm.sessions import open_session
from scheduler.dispatch_message import write
from scheduler.due import Due
from scheduler.plan import Plan
from scheduler.recheck import halt_reason
from scheduler.touches import known_of, open_run, plan_rows


@dataclass(frozen=True)
class Foreseen:
    """One touch as it would be. `due_at`, `hold_until`: UTC; `local_time` is the first one where the shop is. `gate`: what
    the gate would say (allow, hold, withhold, drop) with its reasons; None where nothing would be written."""

    step: int
    channel: str
    template: str
    about: str
    due_at: datetime
    local_time: str
    status: str
    reason: str | None
    subject: str | None = None
    body: str | None = None
    gate: str | None = None
    gate_reasons: tuple[str, ...] = ()
    hold_until: datetime | None = None


@dataclass(frozen=True)
class DryRun:
    """All touches of a plan for one lead. `obstacle`: what would end or pause it at once; `goes_on`: the number of the run
    that is open now."""

    lead_id: int
    plan: str
    plan_version: int | None
    timezone: str
    obstacle: str | None
    goes_on: int | None
    touches: tuple[Foreseen, ...]


def dry_run(
    session: Session, lead: Lead, plan: Plan, now: datetime, rules: GateRules, links: MailLinks | None
) -> DryRun:
    """Plan, write and judge every touch in the caller's transaction, which must be rolled back. Raises nothing of its
    own: what cannot be written says so."""
    chat = open_session(session, lead)
    session.get_one(ChatSession, chat.id, with_for_update=True, populate_existing=True)
    known = known_of(session, lead)
    going = open_run(session, lead.id)
    last = session.scalar(select(func.max(TouchPoint.cadence_run)).where(TouchPoint.lead_id == lead.id))
    rows = plan_rows(session, lead, chat, plan, known, now, (last or 0) + 1)
    session.add_all(rows)
    session.flush()
    location = session.get_one(Location, chat.location_id)
    halt = halt_reason(session, lead, chat, rows[0], now, known=known)
    touches = []
    for row in rows:
        step = plan.get(row.step)
        if step is None:
            continue
        due = Due(session, row, chat, lead, location, plan, step, row.due_at, links, known)
        touches.append(_foresee(due, rules))
    obstacle = None if halt is None else f"it would be {halt[0]} at once: {halt[1]}"
    return DryRun(lead.id, plan.name, plan.version, location.timezone, obstacle, going, tuple(touches))


def _foresee(due: Due, rules: GateRules) -> Foreseen:
    touch = due.touch
    at, local, message_id = touch.due_at, touch.local_time, None
    if touch.status == "planned":
        try:
            message_id = write(due).message_id
        except TemplateFailed as error:
            touch.status, touch.reason = "skipped", str(error)
    message = None if message_id is None else due.session.get_one(ChatMessage, message_id)
    verdict = None if message is None else _ask(due, message, rules)
    return Foreseen(
        step=touch.step,
        channel=touch.channel,
        template=touch.template,
        about=due.step.about,
        due_at=at,
        local_time=local,
        status="planned" if message is not None else touch.status,
        reason=touch.reason,
        subject=None if message is None else message.subject,
        body=None if message is None else message.body,
        gate=None if verdict is None else verdict.verdict,
        gate_reasons=() if verdict is None else verdict.reasons,
        hold_until=None if verdict is None else verdict.hold_until,
    )


def _ask(due: Due, message: ChatMessage, rules: GateRules) -> Decision:
    """The gate's word, and then as if it had gone: what comes after it is counted as after a message that arrived."""
    decision = decide(due.session, message, due.now, rules)
    gone = decision.hold_until if decision.verdict == "hold" else due.now
    arrived = decision.verdict in ("allow", "hold")
    message.status, message.sent_at = ("sent", gone) if arrived else ("withheld", None)
    due.session.flush()
    return decision
