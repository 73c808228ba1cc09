"""Touches with what came of them, as rows: what the dispatcher, carriers and customers would have left behind."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from crm.consents import record_consent
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, ChatMessage, ChatSession, Lead, TouchPoint
from crm.sessions import open_session
from tests.conftest import Shop

_numbers = itertools.count(1)


def new_person(s: Session, shop: Shop, **more: object) -> tuple[Lead, ChatSession]:
    """Somebody with a phone and an email of their own."""
    number = next(_numbers)
    data = LeadData(source="test", phone=f"+1312557{number:04d}", email=f"person{number}@example.com")
    lead, _ = upsert_lead(s, shop.tenant_id, shop.location_id, data)
    for name, value in more.items():
        setattr(lead, name, value)
    chat = open_session(s, lead)
    s.flush()
    return lead, chat


def past_touch(
    s: Session,
    chat: ChatSession,
    due: datetime,
    *,
    step: int = 2,
    plan: str = "default",
    version: int | None = None,
    channel: str = "sms",
    template: str = "words",
    status: str = "written",
    reason: str | None = None,
    message: str | None = "delivered",
    sent: datetime | None = None,
    run: int | None = None,
    kind: str = "touch",
) -> TouchPoint:
    """One touch that is over. `message`: what its message came to, sent at `sent` or when it was due."""
    touch = TouchPoint(
        tenant_id=chat.tenant_id, lead_id=chat.lead_id, session_id=chat.id, plan=plan, plan_version=version,
        cadence_run=run or next(_numbers), step=step, channel=channel, template=template, due_at=due, local_time="then",
        status=status, reason=reason, kind=kind, created_at=due,
    )  # fmt: skip
    s.add(touch)
    s.flush()
    if status == "written" and message is not None:
        left = message in ("sent", "delivered", "undelivered")
        row = ChatMessage(
            tenant_id=chat.tenant_id, session_id=chat.id, lead_id=chat.lead_id, direction="out", channel=channel,
            kind=kind, status=message, body="words", from_address="a", to_address="b", touch_point_id=touch.id,
            sent_at=(sent or due) if left else None, created_at=due,
            error="outside the lawful hours" if message == "withheld" else None,
        )  # fmt: skip
        s.add(row)
        s.flush()
        touch.message_id = row.id
    return touch


def word(s: Session, chat: ChatSession, at: datetime, kind: str = "inbound") -> ChatMessage:
    """The customer writes."""
    row = ChatMessage(
        tenant_id=chat.tenant_id, session_id=chat.id, lead_id=chat.lead_id, direction="in", channel="sms", kind=kind,
        status="received", body="words", from_address="b", to_address="a", received_at=at, created_at=at,
    )  # fmt: skip
    s.add(row)
    s.flush()
    return row


def stop(s: Session, chat: ChatSession, at: datetime, message: ChatMessage | None = None) -> None:
    """The customer says stop."""
    lead = s.get_one(Lead, chat.lead_id)
    record_consent(
        s, tenant_id=chat.tenant_id, channel="sms", address=str(lead.phone), action="revoke", actor="customer",
        source="wrote by sms", evidence="STOP", effective_at=at, lead_id=lead.id, carrier_knows=True,
        message_id=None if message is None else message.id,
    )  # fmt: skip


def book(s: Session, shop: Shop, chat: ChatSession, at: datetime, status: str = "booked") -> None:
    """An appointment that was made at `at`; each at a time of its own, so that bays do not matter."""
    starts = at + timedelta(days=30, hours=3 * next(_numbers))
    s.add(
        Appointment(
            tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=chat.lead_id,
            service_ids=[], starts_at=starts, ends_at=starts + timedelta(hours=2), status=status, source="agent",
            labour_minutes=60, history=[{"who": "agent", "when": at.isoformat(), "what": "booked", "message": None}],
        )
    )  # fmt: skip
    s.flush()
