"""When a cadence begins: for somebody new at once, for somebody known when they ask for something new.

Never for who said stop, never beside a run that goes on, never over a person who has the conversation, an appointment
that is ahead, or words the agent is just answering.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.consent_policy import settings_for
from crm.lead_states import try_move
from crm.models import ChatMessage, ChatSession, Lead, LeadRequest, Location, TouchPoint
from crm.notices import notify_staff
from crm.touches import FOLLOW_UP, HELD, halt_touches
from scheduler.plan import Plan, plan_of
from scheduler.recheck import has_appointment
from scheduler.touches import Known, known_of, open_run, start_cadence

log = structlog.get_logger(__name__)

WHO = "intake"
# Somebody who wrote so lately is in conversation with the agent, which knows of the request.
LIVE = timedelta(hours=48)
GOES_ON = ("planned", "claimed")
REOPENED = ("won", "lost", "unreachable")


@dataclass(frozen=True)
class Begun:
    """What was begun. `first`: the touch that is due now; `known`: what was read of the lead; `fresh`: the lead was made
    in this transaction."""

    first: TouchPoint | None = None
    known: Known | None = None
    fresh: bool = False


def begin_cadence(
    session: Session,
    lead: Lead,
    chat: ChatSession,
    now: datetime,
    *,
    request_new: bool,
    created: bool = False,
    request_id: int | None = None,
) -> Begun:
    """Start the lead's cadence by rule, in the caller's transaction, which holds the rows of conversation and lead.

    `created`: the lead was made in this transaction. Told again without a new request, only a lead that never had a
    cadence and never wrote gets one. Where the plan that was meant cannot be followed it is the one that ships.
    """
    settings = settings_for(session, lead.tenant_id)
    if not created and not _asks_anew(session, lead, request_new):
        return Begun()
    if not created and request_new and settings.new_request == "ignore":
        return Begun()
    known = known_of(session, lead)
    if known.stopped:
        _tell(session, lead, chat, now, request_id, "had said stop, so nobody of us writes to them")
        return Begun()
    if not created and request_new:
        _reopen(session, lead, chat, known, now)
    if not created and not _may_begin(session, lead, chat, now, request_id):
        return Begun()
    if not created and request_new and settings.new_request == "reopen" and _has_touches(session, lead):
        return Begun()
    rows = start_cadence(
        session,
        lead,
        chat,
        now=now,
        plan=_plan(session, lead, chat, now),
        known=known,
        fresh=created,
        asked_again=request_new,
    )
    first = next((row for row in rows if row.status == "planned" and row.due_at <= now), None)
    return Begun(first, known, created)


def _plan(session: Session, lead: Lead, chat: ChatSession, now: datetime) -> Plan:
    plan, why = plan_of(session, lead)
    if why is not None:
        log.error("plan_replaced", lead_id=lead.id, plan=plan.name)
        location = session.get_one(Location, lead.location_id)
        notify_staff(
            session,
            session=chat,
            lead=lead,
            location=location,
            text=f"{why} New leads follow the plan that ships until you choose another one: leads plans list",
            dedupe_key=f"plan_replaced:{location.id}:{now:%Y-%m-%d}",
            now=now,
            kind="system",
        )
    return plan


def begun_since(session: Session, lead: Lead, request: LeadRequest | None) -> bool:
    """Whether a cadence was begun after this was asked for."""
    if request is None:
        return False
    mine = select(TouchPoint.id).where(
        TouchPoint.lead_id == lead.id,
        TouchPoint.kind == "touch",
        TouchPoint.plan != FOLLOW_UP,
        TouchPoint.created_at >= request.made_at,
    )
    return session.scalar(mine.limit(1)) is not None


def _asks_anew(session: Session, lead: Lead, request_new: bool) -> bool:
    """Whether there is a reason to write at all: something new is asked for, or nobody ever wrote either way."""
    if request_new:
        return True
    wrote = select(ChatMessage.id).where(ChatMessage.lead_id == lead.id, ChatMessage.direction == "in")
    return not _has_touches(session, lead) and session.scalar(wrote.limit(1)) is None


def _has_touches(session: Session, lead: Lead) -> bool:
    mine = select(TouchPoint.id).where(TouchPoint.lead_id == lead.id, TouchPoint.kind == "touch")
    return session.scalar(mine.limit(1)) is not None


def _reopen(session: Session, lead: Lead, chat: ChatSession, known: Known, now: datetime) -> None:
    facts = known.facts
    if lead.status not in REOPENED or (
        lead.status == "unreachable" and not (facts.has_phone or facts.has_email)
    ):
        return
    to = "new" if chat.last_inbound_id is None else "engaged"
    try_move(session, lead, to, who=WHO, why="they asked for something new", now=now)


def _may_begin(
    session: Session, lead: Lead, chat: ChatSession, now: datetime, request_id: int | None
) -> bool:
    if chat.state == "human" or lead.status == "human":
        _tell(session, lead, chat, now, request_id, "and you have the conversation")
        return False
    if has_appointment(session, lead, now):
        return False
    wrote = chat.last_inbound_at
    if chat.answer_due_at is not None or (wrote is not None and now - wrote < LIVE):
        return False
    if open_run(session, lead.id, GOES_ON) is not None:
        return False
    if _held_by_a_person(session, lead):
        _tell(session, lead, chat, now, request_id, "and you have paused what is written to them")
        return False
    # What was paused belongs to what they asked for then.
    halt_touches(session, lead.id, "ended", "they asked for something new", follow_ups=False, now=now)
    return True


def _held_by_a_person(session: Session, lead: Lead) -> bool:
    """Whether somebody of the shop paused the lead's cadence: only a person takes it up again, or begins another."""
    held = select(TouchPoint.id).where(
        TouchPoint.lead_id == lead.id,
        TouchPoint.status == "paused",
        TouchPoint.kind == "touch",
        TouchPoint.reason.startswith(HELD, autoescape=True),
    )
    return session.scalar(held.limit(1)) is not None


def _tell(
    session: Session, lead: Lead, chat: ChatSession, now: datetime, request_id: int | None, why: str
) -> None:
    """A request that no machine answers must not lie here unseen."""
    if request_id is None:
        return
    name = lead.first_name or lead.phone or lead.email or "A customer"
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, lead.location_id),
        text=f"{name} has a new request, {why}. See: leads transcript {lead.id}",
        dedupe_key=f"new_request:{request_id}",
        now=now,
    )
