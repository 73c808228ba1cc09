"""Facts that stop a cadence, looked at again in the moment a touch is written."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.lead_states import STATE
from crm.models import Appointment, ChatSession, Lead, LeadChange, TouchPoint
from crm.touches import BOOKED, FOLLOW_UP, REPLIED, over_because
from scheduler.touches import Known, said_stop

Halt = tuple[Literal["paused", "ended"], str]


def halt_reason(
    session: Session,
    lead: Lead,
    chat: ChatSession,
    touch: TouchPoint,
    now: datetime,
    *,
    known: Known | None = None,
    fresh: bool = False,
) -> Halt | None:
    """Whether all open touches of the lead are to be paused or ended, and why; None to go on. `known`: what was read of
    the lead in this transaction; `fresh`: the lead was made in it, so that it can have no appointment."""
    if known.stopped if known is not None else said_stop(session, lead):
        return "ended", "the customer said stop"
    if touch.plan == FOLLOW_UP:
        return _halt_follow_up(session, lead, chat, now)
    over = over_because(lead.status, touch.plan, chosen_so=_chosen_as_it_is(session, lead, touch))
    if over == BOOKED or (not fresh and has_appointment(session, lead, now)):
        return "ended", BOOKED
    if over is not None:
        return "ended", over
    if chat.state == "human" or lead.status == "human":
        return "paused", "a person has taken over the conversation"
    # What was taken up again after a silence is measured from then.
    since = max(touch.created_at, touch.resume_at or touch.created_at)
    if chat.last_inbound_at is not None and chat.last_inbound_at > since:
        return "paused", REPLIED
    return None


def _chosen_as_it_is(session: Session, lead: Lead, touch: TouchPoint) -> bool:
    """A wave writes to leads that were lost or won long ago; one that became so since then is over like any other."""
    if touch.wave_id is None or lead.status not in ("lost", "won"):
        return False
    since = select(LeadChange.id).where(
        LeadChange.lead_id == lead.id, LeadChange.what == STATE, LeadChange.at > touch.created_at
    )
    return session.scalar(since.limit(1)) is None


def _halt_follow_up(session: Session, lead: Lead, chat: ChatSession, now: datetime) -> Halt | None:
    """The customer asked for this one: a reply since then does not stop it, and neither does an old booking. A visit
    that is still ahead does, and "paused" means that the person who has the conversation is told instead."""
    if has_appointment(session, lead, now):
        return "ended", BOOKED
    if (over := over_because(lead.status, FOLLOW_UP, chosen_so=False)) is not None:
        return "ended", over
    if chat.state == "human" or lead.status == "human":
        return "paused", "a person has taken over the conversation"
    return None


def has_appointment(session: Session, lead: Lead, now: datetime) -> bool:
    """Whether the lead has an appointment that is not over."""
    found = session.scalar(
        select(Appointment.id)
        .where(
            Appointment.lead_id == lead.id,
            Appointment.status.in_(("booked", "confirmed")),
            Appointment.ends_at > now,
        )
        .limit(1)
    )
    return found is not None
