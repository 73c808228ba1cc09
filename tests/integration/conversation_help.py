"""Mail that comes in as SendGrid posts it, from the stored post to the handler, and what the shop then holds."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, Location, Staff, WebhookEvent
from crm.webhooks import store_event
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, Shop, TestDatabase
from tests.integration.answering import Shop as Answering
from tests.integration.answering import answering
from tests.integration.talking import rows
from tests.standins.sendgrid_inbound import compose, inbound_parts

_numbers = itertools.count(1)
BOUNDARY = "xYzZY-conversation"
OWNER = "sam@north.example.com"


@pytest.fixture
def desk(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Answering]:
    """A shop that answers, with carriers in memory."""
    with answering(test_database, redis_url, clock) as made:
        yield made


def post(
    runtime: Runtime,
    shop: Shop,
    raw: bytes,
    *,
    to: str | list[str] | None = None,
    envelope_from: str = CUSTOMER_EMAIL,
    spf: str = "pass",
    dkim: str = "none",
) -> uuid.UUID:
    """Store a post as the webhook does; returns the event's id. The handler has not run."""
    fields = {"SPF": spf, "dkim": dkim}
    parts = inbound_parts(raw, fields, to or shop.mailbox, envelope_from, (), None)
    edge = f"--{BOUNDARY}".encode()
    body = b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"
    with runtime.db.tenant(shop.tenant_id) as session:
        event_id = store_event(
            session,
            tenant_id=shop.tenant_id,
            source="sendgrid_inbound",
            dedupe_key=f"test-{next(_numbers)}",
            headers={},
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
            body=body,
            now=runtime.clock.now(),
        )
    assert event_id is not None
    return event_id


def mail(
    runtime: Runtime,
    shop: Shop,
    text: str,
    *,
    sender: str = CUSTOMER_EMAIL,
    subject: str = "Tint",
    post_as: Mapping[str, Any] | None = None,
    **more: Any,
) -> WebhookEvent:
    """Somebody writes a mail and the worker takes it; returns the settled event. `more` goes into the mail."""
    raw = compose(sender, shop.mailbox, subject, text, **more)
    given = {"envelope_from": sender.partition("<")[2].rstrip(">") or sender, **(post_as or {})}
    event_id = post(runtime, shop, raw, **given)
    jobs.webhook(runtime, shop.tenant_id, str(event_id))
    return event_of(runtime.db, shop, event_id)


def event_of(db: Database, shop: Shop, event_id: uuid.UUID) -> WebhookEvent:
    """One stored post, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(WebhookEvent, event_id)


def token_address(db: Database, shop: Shop, tag: str = "") -> str:
    """The secret address of the customer's conversation; `tag` "staff-" for the one alerts are answered to."""
    with db.tenant(shop.tenant_id) as session:
        token = session.get_one(ChatSession, shop.session_id).reply_token
    local, _, domain = shop.mailbox.partition("@")
    return f"{local}+{tag}{token}@{domain}"


def received(db: Database, shop: Shop) -> list[ChatMessage]:
    """What came in, oldest first."""
    return rows(db, shop, ChatMessage, ChatMessage.direction == "in")


def leads(db: Database, shop: Shop) -> list[Lead]:
    """The business's leads."""
    return rows(db, shop, Lead)


def hire(db: Database, shop: Shop, email: str = OWNER, *, phone: str | None = None) -> None:
    """The shop's one person gets alerts by email."""
    with db.tenant(shop.tenant_id) as session:
        person = session.get_one(Staff, shop.staff_id)
        person.email, person.phone = email, phone


def second_location(db: Database, shop: Shop, mailbox: str = "west@north.example") -> int:
    """Another shop of the same business; returns its id."""
    with db.tenant(shop.tenant_id) as session:
        first = session.get_one(Location, shop.location_id)
        other = Location(
            tenant_id=shop.tenant_id, slug="west", name="North Tint West", timezone=first.timezone, mailbox=mailbox
        )  # fmt: skip
        session.add(other)
        session.flush()
        return other.id


def session_of(db: Database, shop: Shop, lead_id: int) -> ChatSession:
    """The conversation of a lead."""
    with db.tenant(shop.tenant_id) as session:
        return session.scalars(select(ChatSession).where(ChatSession.lead_id == lead_id)).one()
