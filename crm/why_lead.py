"""Why a person is written to, or not, as things stand now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Tenant
from crm.reading import LeadCard, TouchLine, show_lead
from crm.why import Explanation, moment, why_message

_CHANNELS = {"sms": "texts", "email": "emails"}


@dataclass(frozen=True)
class LeadWhy:
    """What holds for a person now (`standing`, plain sentences), the planned touches with what became of each, and
    the explanations of the newest messages, oldest first."""

    lead_id: int
    name: str
    timezone: str
    standing: list[str]
    touches: list[TouchLine]
    messages: list[Explanation]


def why_lead(s: Session, lead_id: int, now: datetime, *, last: int = 5) -> LeadWhy:
    """Explain a person with the newest `last` messages of ours. Raises crm.reading.LeadNotFound."""
    card = show_lead(s, lead_id)
    newest = s.scalars(
        select(ChatMessage.id)
        .where(ChatMessage.lead_id == lead_id, ChatMessage.direction == "out")
        .order_by(ChatMessage.id.desc())
        .limit(last)
    ).all()
    return LeadWhy(
        lead_id=lead_id,
        name=card.line.name,
        timezone=card.line.timezone,
        standing=_standing(s, card, now),
        touches=card.cadence,
        messages=[why_message(s, message_id) for message_id in reversed(newest)],
    )


def _standing(s: Session, card: LeadCard, now: datetime) -> list[str]:
    lead = s.get_one(Lead, card.line.id)
    zone = card.line.timezone
    found = [*_business(s, lead), *_consent(card), *_addresses(lead, zone), *_conversation(s, card)]
    booked = [one for one in card.appointments if one.status in ("booked", "confirmed") and one.ends_at > now]
    found += [
        f"There is an appointment at {moment(one.starts_at, zone)}: no touches are sent." for one in booked
    ]
    return [*found, _next_touch(card, zone)]


def _business(s: Session, lead: Lead) -> list[str]:
    paused = s.get_one(Tenant, lead.tenant_id).status != "active"
    return ["The business is paused: nothing goes to customers."] if paused else []


def _consent(card: LeadCard) -> list[str]:
    found = []
    for one in card.consent:
        what = _CHANNELS[one.channel].capitalize()
        if one.state == "stopped":
            words = f', in these words: "{one.evidence}"' if one.evidence else ""
            found.append(
                f"{what} were stopped on {moment(one.since, card.line.timezone)}{words}. None is sent."
            )
        elif one.state == "granted":
            found.append(f"{what} are allowed: the consent ledger has a grant.")
        else:
            found.append(
                f"Nobody has said yes or no to {_CHANNELS[one.channel]}: the consent ledger is silent."
            )
    return found


def _addresses(lead: Lead, zone: str) -> list[str]:
    found = []
    for what, address, bad in (
        ("texts", lead.phone, lead.phone_bad_since),
        ("emails", lead.email, lead.email_bad_since),
    ):
        if address is None:
            found.append(f"There is no address for {what}.")
        elif bad is not None:
            found.append(f"The address for {what} has not worked since {moment(bad, zone)}: none is sent.")
    return found


def _conversation(s: Session, card: LeadCard) -> list[str]:
    chat = s.scalars(select(ChatSession).where(ChatSession.lead_id == card.line.id)).first()
    if chat is None:
        return ["There is no conversation yet."]
    if chat.state == "human":
        reason = f": {chat.state_reason}" if chat.state_reason else ""
        return [f"A person has the conversation{reason}. The agent is silent."]
    found = ["The agent answers."]
    if chat.answer_due_at is not None:
        found.append(f"An answer is owed and due at {moment(chat.answer_due_at, card.line.timezone)}.")
    return found


def _next_touch(card: LeadCard, zone: str) -> str:
    planned = [one for one in card.cadence if one.status in ("planned", "claimed")]
    if planned:
        one = min(planned, key=lambda touch: touch.due_at)
        return f"The next touch is step {one.run}.{one.step} by {one.channel} at {moment(one.due_at, zone)}."
    halted = [one for one in card.cadence if one.status in ("paused", "ended")]
    if halted:
        reason = f": {halted[0].reason}" if halted[0].reason else ""
        return f"No touch is planned; {len(halted)} are {halted[0].status}{reason}."
    return "No touch is planned."
