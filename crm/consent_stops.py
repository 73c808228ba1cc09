"""Carrying out a stop: the ledger, the cadence, what waits in the outbox, and every lead of the same person.

Runs inside the caller's transaction, which holds the session and the lead it is about. Other leads of the same person
(the same phone or email at another shop of the business) are touched only where their rows are free: waiting for them
could be a deadlock, and the gate reads the ledger by address anyway.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.calendar.told import only_news
from crm.consent_policy import consent_of, same_person, settings_for
from crm.consents import THIS_CHANNEL_ONLY, Actor, Channel, Scope, record_consent
from crm.lead_states import try_move
from crm.models import Appointment, ChatMessage, ConsentEvent, Lead, TouchPoint
from crm.touches import halt_touches

OPEN_TOUCHES = ("planned", "claimed", "paused")
SAID_STOP = "this person said stop"


@dataclass(frozen=True)
class Stop:
    """One revocation as it was said. `channels` it closes; `alone`: it leaves the other channel as it is.
    `came_from` is the address it was written from, which need not be the lead's; `only_address`: it is about that one
    alone, as a wrong number is. `carrier_knows`: the channels on which the carrier has acted by itself."""

    channels: frozenset[Channel]
    scope: Scope
    actor: Actor
    source: str
    evidence: str
    at: datetime
    message_id: int | None = None
    came_from: tuple[Channel, str] | None = None
    alone: bool = False
    only_address: bool = False
    carrier_knows: frozenset[Channel] = frozenset()


def stop_person(session: Session, lead: Lead, stop: Stop) -> list[ConsentEvent]:
    """Record a stop for every address of the person and take back what is planned or waits. Returns the events."""
    people = same_person(session, lead)
    events = [_record(session, lead, stop, channel, address) for channel, address in _addresses(people, stop)]
    covers = settings_for(session, lead.tenant_id).stop_covers
    for one in people:
        free = one if one.id == lead.id else _if_free(session, one)
        closed = _closed(session, one, covers, stop.scope)
        if closed == {"sms", "email"}:
            _end_touches(session, one, mine=one.id == lead.id, reminders=stop.scope == "all")
            if stop.scope == "all" and free is not None:
                why = f"said stop ({stop.source})"
                try_move(
                    session,
                    free,
                    "opted_out",
                    who=stop.actor,
                    why=why,
                    now=stop.at,
                    message_id=stop.message_id,
                )
        _withhold(session, one, closed, stop)
    return events


def upcoming(session: Session, lead: Lead, now: datetime) -> list[tuple[Appointment, Lead]]:
    """What the person still has booked at any shop of the business, soonest first."""
    people = {one.id: one for one in same_person(session, lead)}
    rows = session.scalars(
        select(Appointment)
        .where(
            Appointment.lead_id.in_(people),
            Appointment.status.in_(("booked", "confirmed")),
            Appointment.ends_at > now,
        )
        .order_by(Appointment.starts_at)
    )
    return [(row, people[row.lead_id]) for row in rows if row.lead_id is not None]


def _addresses(people: list[Lead], stop: Stop) -> list[tuple[Channel, str]]:
    wanted: dict[tuple[Channel, str], None] = {}
    if stop.came_from is not None and stop.came_from[0] in stop.channels:
        wanted[stop.came_from] = None
    for lead in [] if stop.only_address else people:
        if "sms" in stop.channels and lead.phone:
            wanted["sms", lead.phone] = None
        if "email" in stop.channels and lead.email:
            wanted["email", lead.email] = None
    return list(wanted)


def _record(session: Session, lead: Lead, stop: Stop, channel: Channel, address: str) -> ConsentEvent:
    return record_consent(
        session,
        tenant_id=lead.tenant_id,
        channel=channel,
        address=address,
        action="revoke",
        actor=stop.actor,
        source=stop.source + (THIS_CHANNEL_ONLY if stop.alone else ""),
        evidence=stop.evidence,
        effective_at=stop.at,
        lead_id=lead.id,
        message_id=stop.message_id,
        scope=stop.scope,
        carrier_knows=channel in stop.carrier_knows,
    )


def _closed(session: Session, lead: Lead, covers: str, scope: Scope) -> Collection[Channel]:
    """The channels on which nothing of this kind may go to the lead any more; one without an address counts."""
    found = consent_of(session, lead, "all" if covers == "all" else "same")
    closed: set[Channel] = set()
    if not lead.phone or found.stop("sms", scope) is not None:
        closed.add("sms")
    if not lead.email or found.stop("email", scope) is not None:
        closed.add("email")
    return closed


def _if_free(session: Session, lead: Lead) -> Lead | None:
    return session.scalar(
        select(Lead)
        .where(Lead.id == lead.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _end_touches(session: Session, lead: Lead, *, mine: bool, reminders: bool) -> None:
    """Who only wants no promotions still hears of their appointment; who said stop hears nothing."""
    if mine:
        halt_touches(session, lead.id, "ended", "the customer said stop", reminders=reminders)
        return
    free = select(TouchPoint.id).where(TouchPoint.lead_id == lead.id, TouchPoint.status.in_(OPEN_TOUCHES))
    if not reminders:
        free = free.where(TouchPoint.kind == "touch")
    free = free.with_for_update(skip_locked=True)
    session.execute(
        update(TouchPoint)
        .where(TouchPoint.id.in_(session.scalars(free).all()))
        .values(status="ended", reason="the customer said stop", claim_token=None, claimed_until=None)
    )


def _withhold(session: Session, lead: Lead, closed: Collection[Channel], stop: Stop) -> None:
    """What waits in the outbox for this person will never go. The gate would say so too; this says it now."""
    waiting = select(ChatMessage).where(
        ChatMessage.lead_id == lead.id,
        ChatMessage.direction == "out",
        ChatMessage.status == "pending",
        ChatMessage.channel.in_(sorted(closed)),
        # What a person of the shop wrote, and news that nobody else tells, is left to the gate, which tells the shop that
        # it did not go.
        ChatMessage.kind.not_in(("notice", "consent", "staff")),
        ~only_news(),
    )
    if stop.scope == "marketing":
        waiting = waiting.where(ChatMessage.kind == "touch")
    for message in session.scalars(waiting.with_for_update(skip_locked=True)):
        message.status, message.final_at, message.error = "withheld", stop.at, SAID_STOP
