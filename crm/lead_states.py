"""Where a lead stands, who may move it from where to where, and its history.

Nobody else sets `Lead.status`. What a machine may do follows from what happened; a person may correct what a machine
may not. Nobody opens an opt-out but the person themselves: the ledger is asked (messaging facts 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from crm.consent_policy import consent_of, settings_for
from crm.models import Lead, LeadChange
from crm.models.people import LEAD_STATUSES

STATE = "state"
# Being written to can lead from these to an appointment.
OPEN = frozenset({"new", "engaged", "quoted"})

# From each state to the states that follow by rule, with what brings it about.
RULES: Mapping[str, Mapping[str, str]] = {
    "new": {
        "engaged": "they wrote", "quoted": "a price was given", "booked": "they booked", "won": "the work was done",
        "lost": "the enquiry was closed", "unreachable": "no address works", "opted_out": "they said stop",
        "human": "a person has the conversation",
    },
    "engaged": {
        "quoted": "a price was given", "booked": "they booked", "won": "the work was done",
        "lost": "the enquiry was closed", "unreachable": "no address works", "opted_out": "they said stop",
        "human": "a person has the conversation",
    },
    "quoted": {
        "booked": "they booked", "won": "the work was done", "lost": "the enquiry was closed",
        "unreachable": "no address works", "opted_out": "they said stop", "human": "a person has the conversation",
    },
    # Addresses that went bad do not undo a booking.
    "booked": {
        "engaged": "the appointment was cancelled", "won": "the work was done", "opted_out": "they said stop",
        "human": "a person has the conversation",
    },
    "won": {
        "new": "they asked again", "engaged": "they asked again", "booked": "they booked again",
        "opted_out": "they said stop", "human": "a person has the conversation",
    },
    "lost": {
        "new": "they asked again", "engaged": "they wrote again", "quoted": "a price was given",
        "booked": "they booked", "won": "the work was done", "opted_out": "they said stop",
        "human": "a person has the conversation",
    },
    "unreachable": {
        "new": "they asked again", "engaged": "an address works again", "quoted": "a price was given",
        "booked": "they booked", "won": "the work was done", "lost": "the enquiry was closed",
        "opted_out": "they said stop", "human": "a person has the conversation",
    },
    # Only their own START, which the ledger has to show.
    "opted_out": {"engaged": "they said START"},
    # What a person has taken is theirs to hand back; a booking and a stop are the customer's own acts.
    "human": {
        "engaged": "the conversation was given back", "booked": "they booked", "opted_out": "they said stop",
    },
}  # fmt: skip
# What only a person may do besides: correct a state. Nobody makes a lead new that has a history.
BY_PERSON: Mapping[str, frozenset[str]] = {
    "new": frozenset(),
    "engaged": frozenset(),
    "quoted": frozenset({"engaged"}),
    "booked": frozenset({"quoted", "lost", "unreachable"}),
    "won": frozenset({"quoted", "lost"}),
    "lost": frozenset({"unreachable"}),
    "unreachable": frozenset(),
    "opted_out": frozenset({"won", "lost"}),
    "human": frozenset({"quoted", "won", "lost", "unreachable"}),
}


class IllegalMove(ValueError):
    """A state that may not follow the one the lead is in. The message is fit to be shown to an owner."""


def allowed(before: str, *, by_person: bool = False) -> frozenset[str]:
    """The states that may follow `before`, for the rules or for a person."""
    rules = frozenset(RULES[before])
    return rules | BY_PERSON[before] if by_person else rules


def move(
    s: Session,
    lead: Lead,
    to: str,
    *,
    who: str,
    why: str,
    now: datetime,
    message_id: int | None = None,
    by_person: bool = False,
) -> bool:
    """Say where a lead stands and keep it in its history, in the caller's transaction; False when it is there already.

    The caller holds the lead's row lock, or lives with the version check at the flush. `who`: a person's name or which
    part of us did it. Raises IllegalMove; `try_move` is for who only wants what the rules allow.
    """
    before = lead.status
    if to == before:
        return False
    if to not in LEAD_STATUSES:
        raise IllegalMove(f"there is no state {to[:20]!r}; there are: {', '.join(LEAD_STATUSES)}")
    if to not in allowed(before, by_person=by_person):
        mine = ", ".join(sorted(allowed(before, by_person=by_person))) or "nothing"
        raise IllegalMove(f"a lead that is {before} cannot become {to}; from here it can become: {mine}")
    if before == "opted_out" and to == "engaged" and not _came_back(s, lead):
        raise IllegalMove("this person said stop; only their own START opens the conversation again")
    lead.status = to
    note(s, lead, STATE, before=before, after=to, who=who, why=why, now=now, message_id=message_id)
    return True


def try_move(
    s: Session,
    lead: Lead,
    to: str,
    *,
    who: str,
    why: str,
    now: datetime,
    message_id: int | None = None,
) -> bool:
    """The move if the rules allow it; False when they do not or the lead is there already. For what happened anyway,
    whatever state the lead is in: a hand-off, a booking, an order that was closed."""
    if to == lead.status or to not in allowed(lead.status):
        return False
    if lead.status == "opted_out" and not _came_back(s, lead):
        return False
    return move(s, lead, to, who=who, why=why, now=now, message_id=message_id)


def note(
    s: Session,
    lead: Lead,
    what: str,
    *,
    before: str | None,
    after: str | None,
    who: str,
    why: str | None,
    now: datetime,
    message_id: int | None = None,
) -> LeadChange:
    """One line of the lead's history besides its states, in the caller's transaction."""
    change = LeadChange(
        tenant_id=lead.tenant_id,
        lead_id=lead.id,
        what=what,
        before=before,
        after=after,
        who=who,
        why=why,
        message_id=message_id,
        at=now,
    )
    s.add(change)
    return change


def out_of_reach(s: Session, whose: ColumnElement[bool], *, who: str, now: datetime) -> None:
    """Whose last working address has just turned out to be bad is unreachable, in the caller's transaction. `whose`
    chooses among the leads of the business. One that somebody else is changing is left: what would be written to it is
    skipped for want of an address anyway."""
    statement = (
        select(Lead)
        .where(
            whose,
            Lead.status.in_(OPEN),
            or_(Lead.phone.is_(None), Lead.phone_bad_since.is_not(None)),
            or_(Lead.email.is_(None), Lead.email_bad_since.is_not(None)),
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    for lead in s.scalars(statement.execution_options(populate_existing=True)):
        try_move(s, lead, "unreachable", who=who, why="no address of theirs works", now=now)


def within_reach(s: Session, lead_id: int, *, who: str, now: datetime) -> None:
    """An address of theirs works after all, in the caller's transaction."""
    lead = locked(s, lead_id)
    if lead is not None and lead.status == "unreachable":
        move(s, lead, "engaged", who=who, why="an address of theirs works after all", now=now)


def locked(s: Session, lead_id: int) -> Lead | None:
    """The lead, freshly read and locked until the transaction ends. Leads are versioned: whoever moves one without the
    lock can lose their whole transaction to another writer."""
    # Whoever only refers to the lead (a message that is stored) need not wait.
    statement = select(Lead).where(Lead.id == lead_id).with_for_update(key_share=True)
    return s.scalar(statement.execution_options(populate_existing=True))


def history(s: Session, lead_id: int) -> list[LeadChange]:
    """All that changed about a lead, oldest first."""
    return list(s.scalars(select(LeadChange).where(LeadChange.lead_id == lead_id).order_by(LeadChange.id)))


def _came_back(s: Session, lead: Lead) -> bool:
    """Whether a channel is open to this person by the ledger's last word."""
    consent = consent_of(s, lead, settings_for(s, lead.tenant_id).stop_covers)
    known = [channel for channel, address in (("sms", lead.phone), ("email", lead.email)) if address]
    return any(consent.stop(channel) is None for channel in known)
