"""The job `remind`: a visit that was made, moved or given up gets its messages planned as touch points.

The row's `remind_due_at` is the debt (crm/reminders.py). It is paid in the transaction that writes the touch points, so a
crash leaves either the debt or the plan. What is told is read again when each of them is written
(scheduler/reminder_writing.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from channels.hours import whereabouts
from crm.calendar.daybook import ACTIVE
from crm.calendar.labels import local_text
from crm.consent_policy import settings_for
from crm.models import Appointment, ChatSession, Lead, Location, TouchPoint
from crm.reminders import NO_SHOW, PLAN, take_back
from crm.sessions import open_session
from scheduler.calendar_files import take_file_back
from scheduler.dispatch import wake_dispatch
from scheduler.plan import Plan, UnknownPlan, load_plan, plan_for
from scheduler.recheck import has_appointment
from scheduler.reminder_rules import Told, comes_at, halt_reminder, is_told, switched_off, told_of
from scheduler.reminder_times import Moment, Visit, moments
from scheduler.runtime import Runtime
from scheduler.touches import start_cadence

__all__ = ["halt_reminder", "plan_visit"]

log = structlog.get_logger(__name__)

ANEW = "the messages about this visit were planned anew"
LONG_AGO = "the appointment was made long ago"
# A mark that is made later is book-keeping: nobody asks after a visit of last month.
ASKED_WITHIN = timedelta(days=3)
# What cannot be planned now is looked at again then, so that it keeps nobody else's reminders from being looked at.
AFTER_ERROR = timedelta(hours=1)


def plan_visit(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Plan the messages about one appointment if that is owed; says what came of it. Safe to repeat, by any number of
    workers at once."""
    now = runtime.clock.now()
    try:
        with runtime.db.tenant(tenant_id) as session:
            found = _locked(session, int(row_id), now)
            if found is None:
                return "not due"
            visit, chat, lead = found
            outcome, rows = _plan(session, visit, chat, lead, now)
            _owe_again(session, visit.id, None)
            due = [row.due_at for row in rows if row.status == "planned"]
    except DBAPIError:
        raise
    except Exception:
        with runtime.db.tenant(tenant_id) as session:
            _owe_again(session, int(row_id), now + AFTER_ERROR)
        raise
    if due and min(due) <= now:
        wake_dispatch(runtime.queue, now)
    log.info("visit_messages_planned", appointment_id=int(row_id), outcome=outcome, planned=len(due))
    return outcome


def _owe_again(session: Session, visit_id: int, at: datetime | None) -> None:
    """None: it is paid. Past the ORM, because this is no change of the appointment: nobody who compares its version loses
    anything."""
    session.execute(
        update(Appointment)
        .where(Appointment.id == visit_id, Appointment.remind_due_at.is_not(None))
        .values(remind_due_at=at)
        .execution_options(synchronize_session=False)
    )


def _locked(
    session: Session, row_id: int, now: datetime
) -> tuple[Appointment, ChatSession | None, Lead | None] | None:
    """The row, if its messages are owed. The conversation is locked before it, as everybody does who writes into one."""
    is_due = (Appointment.id == row_id, Appointment.remind_due_at <= now)
    whose = session.execute(select(Appointment.lead_id).where(*is_due)).first()
    if whose is None:
        return None
    lead = None if whose.lead_id is None else session.get(Lead, whose.lead_id)
    chat = None
    if lead is not None:
        open_session(session, lead)
        mine = select(ChatSession).where(ChatSession.lead_id == lead.id).with_for_update()
        chat = session.scalars(mine.execution_options(populate_existing=True)).one()
    statement = select(Appointment).where(*is_due).with_for_update()
    visit = session.scalars(statement.execution_options(populate_existing=True)).first()
    # Merged or split meanwhile: the debt stays, and the next look finds whose it is.
    return None if visit is None or visit.lead_id != whose.lead_id else (visit, chat, lead)


def _plan(
    session: Session, visit: Appointment, chat: ChatSession | None, lead: Lead | None, now: datetime
) -> tuple[str, list[TouchPoint]]:
    take_back(session, [visit.id], ANEW, now)
    if lead is None or chat is None or lead.erased_at is not None:
        return "nobody is to be written to", []
    if visit.status == "no_show":
        return _after_no_show(session, visit, chat, lead, now)
    if visit.status == "cancelled":
        return take_file_back(session, visit, chat, lead, now), []
    if visit.status not in ACTIVE or comes_at(visit) <= now:
        return "it is over", []
    location = session.get_one(Location, visit.location_id)
    told = told_of(session, visit, chat)
    plan = _plan_of(session, lead.tenant_id)
    due = moments(plan, _visit(visit, lead, location, told), now)
    run = session.scalar(select(func.max(TouchPoint.cadence_run)).where(TouchPoint.lead_id == lead.id)) or 0
    settings = settings_for(session, lead.tenant_id)
    rows = []
    for one in due:
        reason = switched_off(settings, visit, one.step.template) or one.reason or _known(one, told, now)
        rows.append(_row(chat, lead, visit, plan, one, run + 1, location, reason, now))
    session.add_all(rows)
    session.flush()
    return "planned", rows


def _plan_of(session: Session, tenant_id: int) -> Plan:
    """The business's own, if it is one for appointments and can be read; else the one that ships."""
    try:
        own = plan_for(session, tenant_id, PLAN)
    except (UnknownPlan, ValidationError) as error:
        log.error("reminder_plan_unreadable", tenant_id=tenant_id, error=type(error).__name__)
        return load_plan(PLAN)
    return own if own.kind == "appointment" else load_plan(PLAN)


def _known(one: Moment, told: Told, now: datetime) -> str | None:
    """Why there is nothing to confirm; None where there is, and for a reminder."""
    if one.step.before is not None:
        return None
    return is_told(told) or (LONG_AGO if now - told.at > one.step.grace else None)


def _visit(visit: Appointment, lead: Lead, location: Location, told: Told) -> Visit:
    where = whereabouts(
        lead.phone,
        location.timezone,
        shop_state=location.state,
        postal_code=lead.postal_code,
        state=lead.state,
    )
    return Visit(
        comes_at=comes_at(visit),
        told_at=told.at,
        timezone=location.timezone,
        zones=frozenset(where.zones),
        states=frozenset(where.states),
        in_talk=told.channel is not None,
    )


def _row(
    chat: ChatSession,
    lead: Lead,
    visit: Appointment,
    plan: Plan,
    one: Moment,
    run: int,
    location: Location,
    reason: str | None,
    now: datetime,
) -> TouchPoint:
    return TouchPoint(
        tenant_id=lead.tenant_id,
        lead_id=lead.id,
        session_id=chat.id,
        plan=plan.name,
        plan_version=plan.version,
        cadence_run=run,
        step=one.step.step,
        channel=one.step.channel,
        template=one.step.template,
        due_at=one.due_at,
        local_time=local_text(one.due_at, location.timezone),
        status="planned" if reason is None else "skipped",
        reason=reason,
        kind="confirmation" if one.step.before is None else "reminder",
        appointment_id=visit.id,
        outlives_replies=True,
        created_at=now,
    )


def _after_no_show(
    session: Session, visit: Appointment, chat: ChatSession, lead: Lead, now: datetime
) -> tuple[str, list[TouchPoint]]:
    """A few touches to who did not come, by the rules of all touches; a reply pauses and a booking ends them."""
    if not settings_for(session, lead.tenant_id).recover_no_shows:
        return "the shop's settings want nobody asked", []
    if now - comes_at(visit) > ASKED_WITHIN:
        return "the visit was too long ago to ask", []
    if has_appointment(session, lead, now):
        return "the customer has another appointment", []
    if chat.last_inbound_at is not None and chat.last_inbound_at > comes_at(visit):
        return "the customer wrote after it, and the conversation comes before", []
    rows = start_cadence(session, lead, chat, now=now, plan=NO_SHOW, asked_again=True)
    if not rows or rows[0].plan != NO_SHOW or rows[0].created_at != now:
        return "a cadence is under way", []
    for row in rows:
        row.appointment_id = visit.id
    session.flush()
    return "asked for another time", rows
