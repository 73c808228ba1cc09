"""Cadences as rows: starting one, and what is known of a lead when its touches are planned or written."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.consent_policy import consent_of, may_email, may_text, settings_for
from crm.models import ChatSession, Lead, Location, TouchPoint
from crm.touches import FOLLOW_UP
from scheduler.cadence import LeadFacts, PlannedTouch, plan_touches
from scheduler.plan import Plan, load_plan
from scheduler.wording import has_postal_address

log = structlog.get_logger(__name__)

OPEN = ("planned", "claimed", "paused")
WROTE_FIRST = "the customer wrote first: the conversation comes before the cadence"


def start_cadence(
    session: Session, lead: Lead, chat: ChatSession, *, now: datetime, plan: str = "default"
) -> list[TouchPoint]:
    """Write the touch points of a plan for one lead, in the caller's transaction, in order of their steps.

    While a run is open (planned, claimed or paused touches) its rows are returned and nothing is written,
    so two webhooks of one lead make one cadence; a follow-up the customer asked for is none. Raises UnknownPlan.
    Wake "touch" for the first row after the commit.
    """
    session.get_one(ChatSession, chat.id, with_for_update=True, populate_existing=True)
    running = session.scalar(
        select(func.max(TouchPoint.cadence_run)).where(
            TouchPoint.lead_id == lead.id, TouchPoint.status.in_(OPEN), TouchPoint.plan != FOLLOW_UP
        )
    )
    if running is not None:
        return rows_of_run(session, lead.id, running)
    last = session.scalar(select(func.max(TouchPoint.cadence_run)).where(TouchPoint.lead_id == lead.id))
    chosen = load_plan(plan)
    planned = plan_touches(chosen, lead_facts(session, lead), now)
    rows = [_row(lead, chat, chosen, touch, (last or 0) + 1, now) for touch in planned]
    session.add_all(rows)
    session.flush()
    log.info("cadence_started", lead_id=lead.id, run=rows[0].cadence_run, plan=plan, touches=len(rows))
    return rows


def rows_of_run(session: Session, lead_id: int, run: int) -> list[TouchPoint]:
    """The touch points of one run, in order of their steps."""
    statement = select(TouchPoint).where(TouchPoint.lead_id == lead_id, TouchPoint.cadence_run == run)
    return list(session.scalars(statement.order_by(TouchPoint.step)))


def lead_facts(session: Session, lead: Lead) -> LeadFacts:
    """Addresses that work and what consent allows, now (`crm.consent_policy`): unknown consent means email, and
    answers to what the person writes."""
    location = session.get_one(Location, lead.location_id)
    settings = settings_for(session, lead.tenant_id)
    consent = consent_of(session, lead, settings.stop_covers)
    gone = lead.status == "opted_out"
    return LeadFacts(
        timezone=location.timezone,
        has_phone=bool(lead.phone and location.phone and lead.phone_bad_since is None),
        has_email=bool(lead.email and location.mailbox and lead.email_bad_since is None),
        may_text=not gone and may_text(consent, lead, settings).allowed,
        may_email=not gone and may_email(consent).allowed,
        has_postal=has_postal_address(location),
    )


def said_stop(session: Session, lead: Lead) -> bool:
    """Whether nothing of a cadence may go to this person on any channel, because they said stop."""
    if lead.status == "opted_out":
        return True
    consent = consent_of(session, lead, settings_for(session, lead.tenant_id).stop_covers)
    # Said at all, and nothing is left open: a stop of one channel alone lets the other one go on.
    known = [channel for channel, address in (("sms", lead.phone), ("email", lead.email)) if address]
    return bool(known) and all(consent.stop(channel, "marketing") is not None for channel in known)


def _row(
    lead: Lead, chat: ChatSession, plan: Plan, touch: PlannedTouch, run: int, now: datetime
) -> TouchPoint:
    step = plan.get(touch.step)
    status, reason = touch.status, touch.reason
    if step is not None and not step.in_days and chat.last_inbound_id is not None:
        status, reason = "skipped", WROTE_FIRST
    return TouchPoint(
        tenant_id=lead.tenant_id,
        lead_id=lead.id,
        session_id=chat.id,
        plan=plan.name,
        cadence_run=run,
        step=touch.step,
        channel=touch.channel,
        template=touch.template,
        due_at=touch.due_at,
        local_time=touch.local_time,
        status=status,
        reason=reason,
        # The clock's moment, not the server's: "has replied since" is compared with it.
        created_at=now,
    )
