"""What the agent knows in a turn: the prompt in its cacheable order, and the same knowledge as facts.

Order: tools, policy, shop (byte-stable for hours), then the conversation, then the records of now. Everything about
this customer and this moment stands in the conversation, and everything a customer or an outside system wrote stays
out of the system part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from agent.context.history import History, customer_texts, items_of, load_history
from agent.context.records import lead_facts, touch_facts, visit_facts
from agent.context.shop import shop_facts, shop_text
from agent.context.writer import anybody, hides_customer, writer_facts
from agent.language import language_of
from agent.models.base import Item
from agent.policy import default_policy, system_parts
from crm.models import ChatSession, Lead, Location, Tenant
from crm.policies import policy_text
from crm.remembered import chosen_language
from crm.tenants import settings_of
from crm.writers import addressed

__all__ = ["AsOf", "TurnContext", "build_context", "shop_text"]

# Empty lists of these are left out of the text, which is paid for in every round.
_WHEN_FILLED = ("past_appointments", "touches", "writer")


@dataclass(frozen=True)
class TurnContext:
    """One turn's knowledge. `trigger_message_id` is the newest inbound message it answers."""

    tenant_id: int
    session_id: int
    lead_id: int
    location_id: int
    trigger_message_id: int
    channel: str
    system: tuple[str, ...]
    items: tuple[Item, ...]
    facts: dict[str, Any]
    customer_words: str
    cache_key: str


@dataclass(frozen=True)
class AsOf:
    """A turn of the past: the message it answered, what had been answered before it, and its channel."""

    trigger_message_id: int
    answered_up_to: int
    channel: str


def build_context(
    session: Session,
    chat: ChatSession,
    now: datetime,
    *,
    policy_version: int | None = None,
    policy: str | None = None,
    as_of: AsOf | None = None,
    up_to: int | None = None,
) -> TurnContext:
    """Read everything a turn needs, in one transaction and a number of queries that does not grow with the conversation.

    `policy_version` None, or one that does not exist, means the policy that ships; `policy` is a text to use instead.
    `as_of` looks back at an earlier turn: messages, offers and bookings that came later are left out, while calendar
    hours, person and car are as they are now. `up_to`: the message to answer now when it is not the newest one.
    """
    newest = up_to or chat.last_inbound_id or 0
    moment = as_of or AsOf(newest, chat.answered_up_to, chat.last_channel or "sms")
    lead = session.get_one(Lead, chat.lead_id)
    location = session.get_one(Location, chat.location_id)
    if policy is None and policy_version is not None:
        policy = policy_text(session, chat.tenant_id, policy_version)
    history = load_history(session, chat.id, moment.trigger_message_id)
    trigger = moment.trigger_message_id
    unanswered = history.unanswered(moment.answered_up_to)
    writer = writer_facts(unanswered)
    if hides_customer(writer):
        history = history.only_with(unanswered[-1].from_address, moment.answered_up_to)
    to = addressed(unanswered)
    channel = to.channel if to is not None else moment.channel
    facts = _facts(session, chat, lead, location, history, now, trigger if as_of else None)
    facts |= {"channel": channel, "writer": writer}
    if hides_customer(writer):
        facts |= anybody(facts)
    words, items = items_of(history, moment.answered_up_to, _known(facts))
    return TurnContext(
        tenant_id=chat.tenant_id,
        session_id=chat.id,
        lead_id=lead.id,
        location_id=location.id,
        trigger_message_id=trigger,
        channel=channel,
        system=system_parts(policy or default_policy(), shop_text(facts["shop"])),
        items=items,
        facts=facts,
        customer_words=words,
        cache_key=f"tenant-{chat.tenant_id}-location-{location.id}-policy-{policy_version or 0}",
    )


def _facts(
    session: Session,
    chat: ChatSession,
    lead: Lead,
    location: Location,
    history: History,
    now: datetime,
    back_to: int | None,
) -> dict[str, Any]:
    """The records of now. `back_to`: the message of a past turn, after which nothing is looked at; None: of this one."""
    settings = settings_of(session.get_one(Tenant, chat.tenant_id))
    up_to = back_to or chat.last_inbound_id or 0
    return {
        "now_local": now.astimezone(ZoneInfo(location.timezone)).strftime("%Y-%m-%dT%H:%M"),
        "timezone": location.timezone,
        "channel": None,
        "first_reply": history.is_first_reply,
        "language": _language(lead, history),
        "lead": lead_facts(session, lead),
        "shop": shop_facts(session, location, settings, now),
        **visit_facts(session, chat, location, now, up_to, as_of=back_to is not None),
        "touches": touch_facts(session, chat, location, back_to) if history.has_touches else [],
        "summary": history.summary,
    }


def _language(lead: Lead, history: History) -> str:
    """What the customer chose, else what they write in, newest text first."""
    chosen = chosen_language(lead)
    if chosen is not None:
        return chosen
    for text in customer_texts(history.messages):
        found = language_of(text)
        if found is not None:
            return found
    return lead.language


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    """The part of the facts that belongs to this moment, as the model reads it; the shop stands in the system part."""
    keys = ("now_local", "timezone", "channel", "first_reply", "language", "lead", "appointments", "offers")
    known = {key: facts[key] for key in keys}
    known["weekday"] = datetime.fromisoformat(facts["now_local"]).strftime("%A")
    known["lead"] = {key: value for key, value in facts["lead"].items() if value or key == "vehicle"}
    return known | {key: facts[key] for key in _WHEN_FILLED if facts[key]}
