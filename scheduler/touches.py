"""Cadences as rows: starting one, and what is known of a lead when its touches are planned or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from channels.gate.opening import opening_hours
from crm.calendar.public_holidays import holidays_between, holidays_of
from crm.consent_policy import consent_of, may_email, may_text, settings_for
from crm.models import ChatSession, Lead, Location, TouchPoint
from crm.touches import FOLLOW_UP
from scheduler.cadence import LeadFacts, PlannedTouch, plan_touches
from scheduler.plan import Plan, plan_for
from scheduler.wording import has_postal_address

log = structlog.get_logger(__name__)

A_YEAR = timedelta(days=366)
OPEN = ("planned", "claimed", "paused")
WROTE_FIRST = "the customer wrote first: the conversation comes before the cadence"


@dataclass(frozen=True)
class Known:
    """What the ledger and the addresses of a lead come to, read once for all who ask in one transaction."""

    facts: LeadFacts
    stopped: bool


def start_cadence(
    session: Session,
    lead: Lead,
    chat: ChatSession,
    *,
    now: datetime,
    plan: str | Plan = "default",
    known: Known | None = None,
    fresh: bool = False,
    asked_again: bool = False,
) -> list[TouchPoint]:
    """Write the touch points of a plan for one lead, in the caller's transaction, in order of their steps.

    While a run is open (planned, claimed or paused touches) its rows are returned and nothing is written,
    so two webhooks of one lead make one cadence; a follow-up the customer asked for is none. Raises UnknownPlan.
    Wake "touch" for the first row after the commit, or write it at once (`dispatch.write_now`).

    `known`: what was read of the lead in this transaction. `fresh`: the lead was made in it, so that nothing can be
    open. `asked_again`: they have just asked, so the first touches go although they once wrote.
    """
    last = None if fresh else _last_run(session, lead, chat)
    if isinstance(last, list):
        return last
    chosen = plan_for(session, lead.tenant_id, plan) if isinstance(plan, str) else plan
    known = known or known_of(session, lead)
    rows = plan_rows(session, lead, chat, chosen, known, now, (last or 0) + 1, asked_again=asked_again)
    session.add_all(rows)
    session.flush()
    log.info("cadence_started", lead_id=lead.id, run=rows[0].cadence_run, plan=chosen.name, touches=len(rows))
    return rows


def plan_rows(
    session: Session,
    lead: Lead,
    chat: ChatSession,
    plan: Plan,
    known: Known,
    now: datetime,
    run: int,
    *,
    asked_again: bool = False,
) -> list[TouchPoint]:
    """The touch points of a run of this number, begun now, as rows that are not stored yet."""
    wrote_first = chat.last_inbound_id is not None and not asked_again
    planned = plan_touches(plan, facts_to_plan(session, lead, plan, known, now), now)
    return [_row(lead, chat, plan, touch, run, now, wrote_first) for touch in planned]


def _last_run(session: Session, lead: Lead, chat: ChatSession) -> list[TouchPoint] | int | None:
    """The rows of the run that is open, else the number of the last one there was. Locks the conversation."""
    session.get_one(ChatSession, chat.id, with_for_update=True, populate_existing=True)
    running = open_run(session, lead.id)
    if running is not None:
        return rows_of_run(session, lead.id, running)
    return session.scalar(select(func.max(TouchPoint.cadence_run)).where(TouchPoint.lead_id == lead.id))


def open_run(session: Session, lead_id: int, statuses: tuple[str, ...] = OPEN) -> int | None:
    """The number of the lead's run that has touches in one of `statuses`; a follow-up is none, and what belongs to an
    appointment neither."""
    return session.scalar(
        select(func.max(TouchPoint.cadence_run)).where(
            TouchPoint.lead_id == lead_id,
            TouchPoint.status.in_(statuses),
            TouchPoint.kind == "touch",
            TouchPoint.plan != FOLLOW_UP,
        )
    )


def rows_of_run(session: Session, lead_id: int, run: int) -> list[TouchPoint]:
    """The touch points of one run, in order of their steps."""
    statement = select(TouchPoint).where(TouchPoint.lead_id == lead_id, TouchPoint.cadence_run == run)
    return list(session.scalars(statement.order_by(TouchPoint.step)))


def known_of(session: Session, lead: Lead) -> Known:
    """What decides about touches to this lead, in one look at the ledger (`crm.consent_policy`): unknown consent means
    email, and answers to what the person writes."""
    location = session.get_one(Location, lead.location_id)
    settings = settings_for(session, lead.tenant_id)
    consent = consent_of(session, lead, settings.stop_covers)
    gone = lead.status == "opted_out"
    facts = LeadFacts(
        timezone=location.timezone,
        has_phone=bool(lead.phone and location.phone and lead.phone_bad_since is None),
        has_email=bool(lead.email and location.mailbox and lead.email_bad_since is None),
        may_text=not gone and may_text(consent, lead, settings).allowed,
        may_email=not gone and may_email(consent).allowed,
        has_postal=has_postal_address(location),
        seed=lead.id,
    )
    # Said at all, and nothing is left open: a stop of one channel alone lets the other one go on.
    addresses = [channel for channel, address in (("sms", lead.phone), ("email", lead.email)) if address]
    closed = all(consent.stop(channel, "marketing") is not None for channel in addresses)
    return Known(facts, gone or (bool(addresses) and closed))


def facts_to_plan(session: Session, lead: Lead, plan: Plan, known: Known, now: datetime) -> LeadFacts:
    """What is known of the lead with the hours and days of its shop, which only planning asks for."""
    location = session.get_one(Location, lead.location_id)
    in_hours = settings_for(session, lead.tenant_id).touches_in_shop_hours
    return replace(
        known.facts,
        hours=opening_hours(session, location, now) if in_hours else None,
        holidays=holidays_ahead(location.holidays, now) if plan.avoid_holidays else frozenset(),
    )


def holidays_ahead(observed: Mapping[str, Any], now: datetime) -> frozenset[date]:
    """The public holidays a location observes, for as long as any plan lasts from now on. Raises BadHolidays."""
    known = holidays_of(observed)
    first = now.date() - timedelta(days=1)
    return frozenset() if known is None else frozenset(holidays_between(known, first, first + A_YEAR))


def lead_facts(session: Session, lead: Lead) -> LeadFacts:
    """Addresses that work and what consent allows, now."""
    return known_of(session, lead).facts


def said_stop(session: Session, lead: Lead) -> bool:
    """Whether nothing of a cadence may go to this person on any channel, because they said stop."""
    return lead.status == "opted_out" or known_of(session, lead).stopped


def _resume_after_s(plan: Plan) -> int | None:
    after = None if plan.resume == "never" else plan.resume_after
    return None if after is None else int(after.total_seconds())


def _row(
    lead: Lead,
    chat: ChatSession,
    plan: Plan,
    touch: PlannedTouch,
    run: int,
    now: datetime,
    wrote_first: bool,
) -> TouchPoint:
    step = plan.get(touch.step)
    status, reason = touch.status, touch.reason
    if step is not None and not step.in_days and wrote_first:
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
        plan_version=plan.version,
        resume_after_s=_resume_after_s(plan),
        # The clock's moment, not the server's: "has replied since" is compared with it.
        created_at=now,
    )
