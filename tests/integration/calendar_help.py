"""Small steps the calendar's tests share: more customers, offers they were shown, a turn for the tools."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from agent.models.base import ToolCall, ToolResult
from agent.tools import default_toolbox
from agent.tools.base import ToolContext
from crm.calendar.booking import Booker
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.models import ChatMessage, Offer, Service, Turn
from crm.sessions import open_session
from ops.clock import Clock
from tests.conftest import Shop

CHICAGO = ZoneInfo("America/Chicago")


def local(day: int, hour: int, minute: int = 0, month: int = 11, year: int = 2026) -> datetime:
    """A moment of Chicago's wall clock, in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=CHICAGO).astimezone(UTC)


@dataclass(frozen=True)
class Customer:
    """A lead and its session at one shop."""

    shop: Shop
    lead_id: int
    session_id: int

    def booker(self, now: datetime) -> Booker:
        """This customer, through the agent."""
        return Booker(self.lead_id, self.session_id, "agent", now, message_id=7)


def dana(shop: Shop) -> Customer:
    """The customer of the world's fixture."""
    return Customer(shop, shop.lead_id, shop.session_id)


def customers(db: Database, shop: Shop, count: int, first: int = 1000) -> list[Customer]:
    """New customers of one shop."""
    with db.tenant(shop.tenant_id) as s:
        made = []
        for number in range(first, first + count):
            data = LeadData(source="sample", first_name=f"C{number}", phone=f"+1312556{number:04d}")
            lead, created = upsert_lead(s, shop.tenant_id, shop.location_id, data)
            assert created
            made.append(Customer(shop, lead.id, open_session(s, lead).id))
        return made


def add_message(
    db: Database, who: Customer, *, direction: str = "out", status: str = "delivered", body: str = "Hi"
) -> int:
    """A text of the conversation; returns its id."""
    with db.tenant(who.shop.tenant_id) as s:
        message = ChatMessage(
            tenant_id=who.shop.tenant_id,
            session_id=who.session_id,
            lead_id=who.lead_id,
            direction=direction,
            channel="sms",
            kind="reply" if direction == "out" else "inbound",
            status=status,
            body=body,
            from_address="+13125550101",
            to_address="+13125550199",
        )
        s.add(message)
        s.flush()
        return message.id


def add_offer(
    db: Database,
    who: Customer,
    starts_at: datetime,
    *,
    code: str = "tint-full-sedan-carbon",
    shown: str | None = "delivered",
    expires_at: datetime | None = None,
) -> int:
    """An offer, shown in a reply with status `shown` (None: never shown); returns its id."""
    message_id = None if shown is None else add_message(db, who, status=shown)
    with db.tenant(who.shop.tenant_id) as s:
        service = s.get_one(Service, who.shop.service_ids[code])
        offer = Offer(
            tenant_id=who.shop.tenant_id,
            session_id=who.session_id,
            lead_id=who.lead_id,
            location_id=who.shop.location_id,
            service_ids=[service.id],
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=service.duration_minutes),
            expires_at=expires_at or starts_at - timedelta(hours=2),
            message_id=message_id,
        )
        s.add(offer)
        s.flush()
        return offer.id


def add_turn(db: Database, clock: Clock, who: Customer, body: str = "yes please") -> ToolContext:
    """A running turn about one inbound text, as the tools need it."""
    trigger = add_message(db, who, direction="in", status="received", body=body)
    with db.tenant(who.shop.tenant_id) as s:
        turn = Turn(
            tenant_id=who.shop.tenant_id,
            session_id=who.session_id,
            trigger_message_id=trigger,
            status="done",
            started_at=clock.now(),
        )
        s.add(turn)
        s.flush()
        return ToolContext(
            db=db,
            clock=clock,
            tenant_id=who.shop.tenant_id,
            location_id=who.shop.location_id,
            lead_id=who.lead_id,
            session_id=who.session_id,
            turn_id=turn.id,
            trigger_message_id=trigger,
            channel="sms",
        )


def call(ctx: ToolContext, name: str, **arguments: Any) -> tuple[dict[str, Any], ToolResult]:
    """One call of a default tool: what it says, parsed, and the result as the model gets it."""
    result = default_toolbox().run(ctx, ToolCall("call-1", name, arguments))
    return json.loads(result.text), result
