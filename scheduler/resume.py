"""Taking a cadence up again: after silence, or because a person of the shop says so.

A reply pauses a run; when the customer says nothing for as long as the plan wants, the rest of it is planned anew in the
same rows, with the clock restarted. Nothing is taken up that a stop, a booking, a person on the line or an unanswered
message forbids. The conversation's row is locked throughout, as by everybody who stores a message: a reply that comes
meanwhile either is seen here or pauses what was planned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm.lead_states import locked, note
from crm.models import ChatSession, Lead, Location, TouchPoint
from crm.touch_changes import CADENCE, lock
from crm.touches import FOLLOW_UP, halt_touches
from scheduler.cadence import PlannedTouch, rest_of
from scheduler.dispatch import wake_dispatch
from scheduler.plan import Plan, UnknownPlan, plan_for
from scheduler.recheck import has_appointment
from scheduler.runtime import Runtime
from scheduler.silence import last_words
from scheduler.touches import Known, facts_to_plan, known_of, start_cadence

log = structlog.get_logger(__name__)

WHO = "cadence"
GOES_ON = ("planned", "claimed")
# An answer that is owed is given within minutes; whoever must do it by hand needs longer.
LOOK_AGAIN = timedelta(hours=6)
# After this an enquiry that nobody answered is no longer one to send advertising about.
GIVE_UP = timedelta(days=14)
NOT_PAUSED = "not paused any more"


class ResumeRefused(ValueError):
    """The cadence cannot be taken up. The message is a sentence for the owner."""


@dataclass(frozen=True)
class Paused:
    """One paused run with everything that decides about it; conversation, lead and touches are locked."""

    session: Session
    chat: ChatSession
    lead: Lead
    location: Location
    run: int
    rows: tuple[TouchPoint, ...]
    known: Known
    now: datetime

    @property
    def paused(self) -> list[TouchPoint]:
        """The rows that wait."""
        return [row for row in self.rows if row.status == "paused"]


def resume_lead(runtime: Runtime, tenant_id: int, touch_point_id: int) -> str:
    """Take up the run of this paused touch, wait longer, or end it; returns what was done and why. Safe to repeat and to
    run twice at once: all paused touches of a run are settled by the first."""
    now = runtime.clock.now()
    try:
        with runtime.db.tenant(tenant_id) as session:
            case = _load(session, touch_point_id, now)
            if case is None:
                return NOT_PAUSED
            outcome = _judge(case)
            due_now = any(row.status == "planned" and row.due_at <= now for row in case.rows)
    except DBAPIError:
        raise
    except Exception:
        _look_later(runtime, tenant_id, touch_point_id, now)
        raise
    if due_now:
        wake_dispatch(runtime.queue, now)
    log.info("cadence_resume", touch_point_id=touch_point_id, outcome=outcome)
    return outcome


def _look_later(runtime: Runtime, tenant_id: int, touch_point_id: int, now: datetime) -> None:
    """Whatever is wrong with this run, it keeps no other one from being looked at."""
    with runtime.db.tenant(tenant_id) as session:
        found = session.get(TouchPoint, touch_point_id)
        if found is None:
            return
        session.execute(
            update(TouchPoint)
            .where(
                TouchPoint.lead_id == found.lead_id,
                TouchPoint.cadence_run == found.cadence_run,
                TouchPoint.status == "paused",
                TouchPoint.resume_at.is_not(None),
            )
            .values(resume_at=now + LOOK_AGAIN)
        )


def resume_by_hand(session: Session, lead_id: int, *, who: str, why: str, now: datetime) -> str:
    """Take up the newest paused run of a lead without waiting for silence, in the caller's transaction; returns what was
    done. What a stop, a booking, a person on the line or an open question forbids is refused. Raises ResumeRefused,
    ChangeRefused, UnknownPlan."""
    chat, lead = lock(session, lead_id)
    case = paused_run(session, chat.id, None, now)
    if case is None:
        raise ResumeRefused(
            f"nothing of lead {lead.id}'s cadence is paused; see: leads cadence show {lead.id}"
        )
    over = over_because(case)
    if over is not None:
        raise ResumeRefused(f"it cannot go on: {over}")
    if chat.state == "human" or lead.status == "human":
        raise ResumeRefused(f"a person has the conversation; give it back first: leads back {lead.id}")
    words = last_words(session, chat)
    if words.open_why is not None:
        raise ResumeRefused(f"not now: {words.open_why}; see: leads transcript {lead.id}")
    return take_up(case, who=who, why=why, mode="rest")


def paused_run(session: Session, chat_id: int, run: int | None, now: datetime) -> Paused | None:
    """The lead's run with this number, or its newest that has paused touches, with all locks; None for none."""
    chat = session.get_one(ChatSession, chat_id, with_for_update=True, populate_existing=True)
    lead = locked(session, chat.lead_id)
    if lead is None or lead.erased_at is not None:
        return None
    mine = select(TouchPoint).where(
        TouchPoint.lead_id == lead.id, TouchPoint.kind == "touch", TouchPoint.plan != FOLLOW_UP
    )
    rows = session.scalars(
        mine.order_by(TouchPoint.cadence_run, TouchPoint.step)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    runs = {row.cadence_run for row in rows if row.status == "paused"}
    chosen = max(runs, default=0) if run is None else run
    if chosen not in runs:
        return None
    location = session.get_one(Location, chat.location_id)
    mine_only = tuple(row for row in rows if row.cadence_run == chosen)
    return Paused(session, chat, lead, location, chosen, mine_only, known_of(session, lead), now)


def _load(session: Session, touch_point_id: int, now: datetime) -> Paused | None:
    found = session.get(TouchPoint, touch_point_id)
    if found is None:
        return None
    case = paused_run(session, found.session_id, found.cadence_run, now)
    touch = None if case is None else next((row for row in case.paused if row.id == touch_point_id), None)
    return case if touch is not None and touch.resume_at is not None and touch.resume_at <= now else None


def _judge(case: Paused) -> str:
    over = over_because(case)
    if over is not None:
        # What the plan still had for other appointments and dates is not this run's.
        return _end(case, over)
    if case.chat.state == "human" or case.lead.status == "human":
        # Whoever gives the conversation back has it looked at again (crm.touches.let_resume).
        return _wait(case, None, "a person has the conversation")
    words = last_words(case.session, case.chat)
    if words.open_why is not None:
        if words.theirs_at is not None and case.now - words.theirs_at > GIVE_UP:
            return _end(case, words.open_why)
        return _wait(case, case.now + LOOK_AGAIN, words.open_why)
    after = next((row.resume_after_s for row in case.paused if row.resume_after_s is not None), None)
    silent_from = None if words.at is None or after is None else words.at + timedelta(seconds=after)
    if silent_from is not None and silent_from > case.now:
        return _wait(case, silent_from, "the last word is not that long ago")
    try:
        return take_up(case, who=WHO, why=f"silent since {words.at:%Y-%m-%d}" if words.at else "silence")
    except (UnknownPlan, ValidationError) as error:
        # A plan that is gone stays gone: looked at again every few seconds it would only fail.
        log.error("cadence_plan_unreadable", lead_id=case.lead.id, error=type(error).__name__)
        return _end(case, "its plan cannot be read any more")


def over_because(case: Paused) -> str | None:
    """Why this run can never go on; None when it can."""
    if case.known.stopped:
        return "the customer said stop"
    if case.lead.status in ("booked", "won") or has_appointment(case.session, case.lead, case.now):
        return "the customer booked"
    if case.lead.status in ("lost", "unreachable"):
        return f"the lead is {case.lead.status}"
    newer = select(TouchPoint.id).where(
        TouchPoint.lead_id == case.lead.id,
        TouchPoint.kind == "touch",
        TouchPoint.cadence_run > case.run,
        TouchPoint.status.in_(GOES_ON),
    )
    if case.session.scalar(newer.limit(1)) is not None:
        return "something newer is planned for this customer"
    return None


def take_up(case: Paused, *, who: str, why: str, mode: str | None = None) -> str:
    """Plan what is left of the run, from now on, and note it in the lead's history; `mode` instead of the plan's own
    "rest", "restart" or "never". Returns what was done. Raises UnknownPlan."""
    first = case.paused[0]
    plan = plan_for(case.session, case.lead.tenant_id, first.plan, first.plan_version)
    wanted = mode or plan.resume
    if wanted == "never":
        return _end(case, "the plan does not go on after a reply")
    rows = _restart(case, plan) if wanted == "restart" else _plan_rest(case, plan)
    planned = [row for row in rows if row.status == "planned"]
    if not planned:
        return _end(case, "nothing of the plan is left that may be sent")
    _note(case, f"run {planned[0].cadence_run} taken up: {len(planned)} touches", who, why)
    return f"taken up: {len(planned)} touches from {planned[0].local_time}"


def _plan_rest(case: Paused, plan: Plan) -> Sequence[TouchPoint]:
    done = frozenset(row.step for row in case.rows if row.status != "paused")
    facts = facts_to_plan(case.session, case.lead, plan, case.known, case.now)
    again = {touch.step: touch for touch in rest_of(plan, facts, case.now, done)}
    rows = case.paused
    for row in rows:
        _plan_row(row, again.get(row.step), case.now)
    case.session.flush()
    return rows


def _plan_row(row: TouchPoint, touch: PlannedTouch | None, now: datetime) -> None:
    # Kept as the moment of taking up: an old reply does not pause it again (scheduler.recheck).
    row.resume_at = now
    if touch is None:
        row.status, row.reason = "ended", "the plan no longer has this step"
        return
    row.channel, row.template, row.due_at, row.local_time = (
        touch.channel,
        touch.template,
        touch.due_at,
        touch.local_time,
    )
    row.status, row.reason = touch.status, touch.reason or "taken up again"


def _restart(case: Paused, plan: Plan) -> Sequence[TouchPoint]:
    for row in case.paused:
        row.status, row.reason, row.resume_at = "ended", "begun anew after silence", None
    case.session.flush()
    return start_cadence(case.session, case.lead, case.chat, now=case.now, plan=plan.name, known=case.known)


def _wait(case: Paused, until: datetime | None, why: str) -> str:
    for row in case.paused:
        if row.resume_at is not None:
            row.resume_at = until
    return f"waits: {why}" if until is None else f"waits until {until:%Y-%m-%d %H:%M} UTC: {why}"


def _end(case: Paused, why: str) -> str:
    if case.known.stopped:
        # Everything of theirs, whatever run it belongs to.
        opted_out = case.lead.status == "opted_out"
        halt_touches(case.session, case.lead.id, "ended", why, reminders=opted_out, now=case.now)
    for row in case.paused:
        row.status, row.reason, row.resume_at = "ended", why, None
    return f"ended: {why}"


def _note(case: Paused, what: str, who: str, why: str) -> None:
    note(case.session, case.lead, CADENCE, before=None, after=what, who=who, why=why, now=case.now)
