"""What the agent knows in a turn: the prompt in its cacheable order, and the same knowledge as facts.

Order: tools, policy, shop (byte-stable for hours), then the conversation. Everything about this customer and this
moment stands in the conversation, and everything a customer or an outside system wrote stays out of the system part.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.models.base import AssistantStep, Item, UserText
from agent.notes import RECORDS
from agent.policy import default_policy
from crm.calendar.booking import upcoming
from crm.calendar.labels import Visited, hours_text, visit_label
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    Lead,
    Location,
    LocationHours,
    Offer,
    Service,
    Tenant,
    Vehicle,
)
from crm.policies import policy_text
from crm.tenants import TenantSettings, settings_of

HISTORY = 30
# What left, or may have left; a dropped, withheld or undelivered message was never said.
SAID = ("sent", "delivered", "sending", "unknown", "pending")


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


def build_context(
    session: Session, chat: ChatSession, now: datetime, *, policy_version: int | None = None
) -> TurnContext:
    """Read everything a turn needs, in one transaction and a constant number of queries."""
    lead = session.get_one(Lead, chat.lead_id)
    location = session.get_one(Location, chat.location_id)
    tenant = session.get_one(Tenant, chat.tenant_id)
    settings = settings_of(tenant)
    policy = policy_text(session, tenant.id, policy_version) if policy_version else None
    messages = _messages(session, chat)
    facts = _facts(session, chat, lead, location, settings, messages, now)
    words, items = _items(messages, chat, facts)
    return TurnContext(
        tenant_id=chat.tenant_id,
        session_id=chat.id,
        lead_id=lead.id,
        location_id=location.id,
        trigger_message_id=chat.last_inbound_id or 0,
        channel=chat.last_channel or "sms",
        system=(policy or default_policy(), shop_text(facts["shop"], settings)),
        items=items,
        facts=facts,
        customer_words=words,
        cache_key=f"tenant-{chat.tenant_id}-location-{location.id}",
    )


def shop_text(shop: dict[str, Any], settings: TenantSettings) -> str:
    """The shop's facts as the second system part; the same bytes until somebody changes the shop."""
    lines = [
        "# The shop",
        f"Name: {shop['name']}",
        f"Address: {shop['address']}",
        f"Phone for people: {shop['phone']}",
        f"Hours: {shop['hours_text']}",
        f"You call yourself: {shop['assistant_name']}",
        *(f"{key}: {value}" for key, value in sorted(settings.shop_facts.items())),
    ]
    return "\n".join(lines)


def _messages(session: Session, chat: ChatSession) -> list[ChatMessage]:
    rows = session.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.kind.not_in(("notice", "automatic")),
            ChatMessage.id <= (chat.last_inbound_id or 0),
            (ChatMessage.direction == "in") | ChatMessage.status.in_(SAID),
        )
        .order_by(ChatMessage.id.desc())
        .limit(HISTORY)
    )
    return sorted(rows, key=lambda row: row.id)


def _items(
    messages: Sequence[ChatMessage], chat: ChatSession, facts: dict[str, Any]
) -> tuple[str, tuple[Item, ...]]:
    """The conversation as the model sees it: what is known first, then who said what, the unanswered texts last."""
    items: list[Item] = [UserText(f"{RECORDS}\n{_known(facts)}")]
    unanswered = [m for m in messages if m.direction == "in" and m.id > chat.answered_up_to]
    fresh = {message.id for message in unanswered}
    for message in messages:
        if message.id in fresh:
            continue
        items.append(
            UserText(message.body) if message.direction == "in" else AssistantStep(text=message.body)
        )
    words = "\n".join(message.body for message in unanswered)
    items.append(UserText(words))
    return words, tuple(items)


def _known(facts: dict[str, Any]) -> str:
    known = {
        key: facts[key]
        for key in ("now_local", "timezone", "channel", "first_reply", "lead", "appointments", "offers")
    }
    return json.dumps(known, ensure_ascii=False)


def _facts(
    session: Session,
    chat: ChatSession,
    lead: Lead,
    location: Location,
    settings: TenantSettings,
    messages: Sequence[ChatMessage],
    now: datetime,
) -> dict[str, Any]:
    zone = ZoneInfo(location.timezone)
    hours = session.scalars(
        select(LocationHours)
        .where(LocationHours.location_id == location.id)
        .order_by(LocationHours.weekday, LocationHours.opens)
    ).all()
    services = session.execute(select(Service.id, Service.name).where(Service.location_id == location.id))
    names = dict(services.all())
    return {
        "now_local": now.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        "timezone": location.timezone,
        "channel": chat.last_channel or "sms",
        "first_reply": not any(message.direction == "out" for message in messages),
        "lead": {"first_name": lead.first_name, "wish": lead.wish, "vehicle": _vehicle(session, lead)},
        "shop": {
            "name": location.name,
            "phone": location.public_phone or location.phone or "",
            "address": ", ".join(filter(None, (location.address, location.city, location.state))),
            "hours_text": hours_text(hours),
            "assistant_name": settings.assistant_name,
        },
        "offers": [_offer(offer, names, location) for offer in _open_offers(session, chat, now)],
        "appointments": [_appointment(row, names, location) for row in upcoming(session, lead.id, now)],
    }


def _vehicle(session: Session, lead: Lead) -> dict[str, Any] | None:
    row = session.scalars(
        select(Vehicle).where(Vehicle.lead_id == lead.id).order_by(Vehicle.id.desc()).limit(1)
    ).first()
    if row is None:
        return None
    return {"year": row.year, "make": row.make, "model": row.model, "body_style": row.body_style}


def _open_offers(session: Session, chat: ChatSession, now: datetime) -> list[Offer]:
    """The newest batch of times this customer was shown and can still take."""
    newest = session.scalar(
        select(Offer.message_id)
        .join(ChatMessage, ChatMessage.id == Offer.message_id)
        .where(Offer.session_id == chat.id, ChatMessage.status.in_(SAID))
        .order_by(Offer.message_id.desc())
        .limit(1)
    )
    if newest is None:
        return []
    return list(
        session.scalars(
            select(Offer).where(Offer.message_id == newest, Offer.expires_at > now).order_by(Offer.starts_at)
        )
    )


def _offer(offer: Offer, names: dict[int, str], location: Location) -> dict[str, Any]:
    return {
        "offer_id": offer.id,
        **_when(offer, location),
        "services": _names(offer.service_ids, names),
    }


def _appointment(row: Appointment, names: dict[int, str], location: Location) -> dict[str, Any]:
    return {
        "appointment_id": row.id,
        **_when(row, location),
        "services": _names(row.service_ids, names),
        "status": row.status,
    }


def _when(visit: Visited, location: Location) -> dict[str, str]:
    local = (visit.arrives_from or visit.starts_at).astimezone(ZoneInfo(location.timezone))
    return {
        "label": visit_label(visit, location.timezone),
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
    }


def _names(ids: Sequence[int], names: dict[int, str]) -> list[str]:
    return [names[service_id] for service_id in ids if service_id in names]
