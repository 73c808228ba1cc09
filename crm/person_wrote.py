"""A person of the shop writes to a customer in the outside system: the conversation is theirs from then on.

Two voices that answer one customer are worse than a pause, so the agent says nothing more until the shop hands the
conversation back. What it has not sent yet is dropped, and nothing it did itself counts: our messages leave by other
ways, and a note on a request is no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.told import tell_untold
from crm.customer_ids import given_by
from crm.lead_states import note, try_move
from crm.leads import root_of
from crm.models import ChatMessage, ChatSession, Lead, LeadRequest, Location
from crm.notices import notify_staff
from crm.touches import halt_touches

WROTE = "a person wrote"
# How many messages of persons were seen, among a request's facts: what was seen once pauses nothing again.
SEEN = "person_messages"
# What the agent would still say. Answers to a stop are owed by law, and notices go to the shop itself.
DRAFTS = ("reply", "touch", "confirmation", "reminder")


def leads_of_customer(s: Session, source: str, customer_external_id: str) -> list[int]:
    """The leads this person is, whether a request of theirs is open or they only have an appointment."""
    statement = select(Lead).where(Lead.external_customer_id == customer_external_id)
    known = (
        select(LeadRequest.id).where(LeadRequest.lead_id == Lead.id, LeadRequest.source == source).exists()
    )
    found = s.scalars(statement.where(given_by(source) | known).order_by(Lead.id))
    return sorted({root_of(s, lead).id for lead in found})


def seen_before(request: LeadRequest) -> int:
    """How many messages of persons were seen of this request."""
    seen = request.facts.get(SEEN)
    return seen if isinstance(seen, int) else 0


def hand_to_person(
    s: Session, lead_id: int, *, system: str, key: str, now: datetime
) -> Sequence[ChatMessage] | None:
    """Give the conversation of a lead to the person who wrote in `system`, in the caller's transaction.

    `key` names what they wrote, so that it is told once. None when a person has the conversation already, or there is
    none; else the notices to wake after the commit.
    """
    lead_id = root_of(s, s.get_one(Lead, lead_id)).id
    chat = s.scalars(
        select(ChatSession)
        .where(ChatSession.lead_id == lead_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    # Locked in this order by everybody; leads are versioned.
    lead = s.get(Lead, lead_id, with_for_update=True, populate_existing=True)
    if chat is None or lead is None or lead.erased_at is not None or chat.state == "human":
        return None
    why = f"a person of the shop wrote in {system}"
    chat.state, chat.state_reason = "human", why
    untold = _drop_what_is_owed(s, chat, why, now)
    note(s, lead, WROTE, before=None, after=key, who=system, why=why, now=now)
    try_move(s, lead, "human", who=system, why=why, now=now)
    halt_touches(s, lead.id, "paused", "a person has taken over the conversation")
    name = " ".join(filter(None, (lead.first_name, lead.last_name))) or lead.phone or lead.email
    notices = notify_staff(
        s,
        session=chat,
        lead=lead,
        location=s.get_one(Location, chat.location_id),
        text=f"Somebody wrote to {name or 'a customer'} in {system}, so the assistant is quiet and the conversation is"
        f" yours. See: leads transcript {lead.id}",
        dedupe_key=f"person_wrote:{key}",
        now=now,
    )
    return [*notices, *untold]


def _drop_what_is_owed(s: Session, chat: ChatSession, why: str, now: datetime) -> list[ChatMessage]:
    """The answer that is owed, the turn that may be under way, and what waits in the outbox. A turn that ends later finds
    that its lease is gone. Returns notices about what nobody else would tell the customer."""
    chat.answered_up_to = max(chat.answered_up_to, chat.last_inbound_id or 0)
    chat.answer_due_at = chat.burst_started_at = chat.lease_token = chat.lease_until = None
    chat.answer_tries = 0
    waiting = s.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.direction == "out",
            ChatMessage.status == "pending",
            ChatMessage.kind.in_(DRAFTS),
            ChatMessage.claim_token.is_(None),
        )
        .order_by(ChatMessage.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for message in waiting:
        message.status, message.error, message.final_at = "dropped", why, now
    s.flush()
    return [notice for message in waiting for notice in tell_untold(s, message, why, now)]
