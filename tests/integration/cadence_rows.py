"""Starting a cadence and looking at its rows, for the tests of touches."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text

from crm.consents import record_consent
from crm.db import Database
from crm.models import (
    ChatMessage,
    ChatSession,
    Lead,
    TouchPoint,
    Vehicle,
)
from scheduler.touches import start_cadence
from tests.conftest import Shop


def start(db: Database, shop: Shop, now: datetime, *, grant: bool = True) -> list[int]:
    """Start the lead's cadence; the ids of its touch points by step."""
    with db.tenant(shop.tenant_id) as session:
        lead = session.get_one(Lead, shop.lead_id)
        if grant:
            consent(db, shop, "grant", now)
        rows = start_cadence(session, lead, session.get_one(ChatSession, shop.session_id), now=now)
        return [row.id for row in rows]


def consent(db: Database, shop: Shop, action: str, now: datetime, channel: str = "sms") -> None:
    with db.tenant(shop.tenant_id) as session:
        lead = session.get_one(Lead, shop.lead_id)
        record_consent(
            session,
            tenant_id=shop.tenant_id,
            channel=channel,  # type: ignore[arg-type]
            address=(lead.phone if channel == "sms" else lead.email) or "",
            action=action,  # type: ignore[arg-type]
            actor="customer",
            source="test",
            evidence="test",
            effective_at=now,
        )


def touch(db: Database, shop: Shop, touch_id: int) -> TouchPoint:
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(TouchPoint, touch_id)


def messages(db: Database, shop: Shop) -> list[ChatMessage]:
    with db.tenant(shop.tenant_id) as session:
        return list(session.scalars(select(ChatMessage).order_by(ChatMessage.id)))


def change(db: Database, shop: Shop, statement: str, **values: object) -> None:
    with db.tenant(shop.tenant_id) as session:
        session.execute(text(statement), {"lead": shop.lead_id, "session": shop.session_id, **values})


def wish(db: Database, shop: Shop, words: str) -> None:
    with db.tenant(shop.tenant_id) as session:
        session.get_one(Lead, shop.lead_id).wish = words
        owner = {"tenant_id": shop.tenant_id, "lead_id": shop.lead_id}
        session.add(Vehicle(**owner, year=2021, make="Honda", model="Civic", body_style="sedan"))
