"""What the tests of the gate share: a stop, a booking, a notice, a second shop that knows the same customer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event

from channels.gate import Decision, GateRules, decide
from crm.consents import record_consent
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.sample import add_sample_location
from crm.sessions import open_session
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.talking import change, message_of, put
from tests.runtimes import FakeSender, runtime_for

NOON = timedelta(hours=3)
NIGHT = timedelta(hours=14)
OLD = timedelta(days=3)
WEST_PHONE = "+13125550103"

Prepare = Callable[[Database, Shop, FixedClock], object]


@contextmanager
def at_noon(
    database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database, sms: FakeSender
) -> Iterator[Runtime]:
    """Monday noon in Chicago, both shops open, the customer a lead of some days; one sender for texts and mail."""
    clock.advance(NOON)
    for shop in (world.north, world.south):
        change(db, shop, "update leads set created_at = :at", at=clock.now() - OLD)
    with runtime_for(database, redis_url, clock, sms=sms, email=sms) as made:
        yield made


def stop(
    db: Database,
    shop: Shop,
    clock: FixedClock,
    action: Any = "revoke",
    actor: Any = "customer",
    scope: Any = "all",
) -> None:
    """An event of the consent ledger about the customer's texts, now."""
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action=action, actor=actor,
            source="test", evidence="stop", effective_at=clock.now(), scope=scope,
        )  # fmt: skip


def book(db: Database, shop: Shop, clock: FixedClock, status: str = "booked", days: int = 1) -> None:
    """An appointment of the customer."""
    begins = clock.now() + timedelta(days=days)
    with db.tenant(shop.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=shop.lead_id,
                service_ids=[1], starts_at=begins, ends_at=begins + timedelta(hours=2), status=status, source="test",
            )
        )  # fmt: skip


def notice(db: Database, shop: Shop, clock: FixedClock) -> int:
    """A message to the shop's own people; its id."""
    with db.tenant(shop.tenant_id) as session:
        (row,) = notify_staff(
            session,
            session=session.get_one(ChatSession, shop.session_id),
            lead=session.get_one(Lead, shop.lead_id),
            location=session.get_one(Location, shop.location_id),
            text="Dana needs a person",
            dedupe_key="test",
            now=clock.now(),
        )
        return row.id


def sql(statement: str) -> Prepare:
    """A preparation in SQL; :now is the clock's."""
    return lambda db, shop, clock: change(db, shop, statement, now=clock.now())


def second_shop(
    db: Database,
    shop: Shop,
    clock: FixedClock,
    phone: str | None = CUSTOMER_PHONE,
    email: str | None = CUSTOMER_EMAIL,
) -> Shop:
    """Another location of the same business, which knows the same customer, perhaps by another number or address."""
    with db.tenant(shop.tenant_id) as session:
        location = add_sample_location(
            session, shop.tenant_id, slug="west", name="West", phone=WEST_PHONE, mailbox="west@north.example"
        )
        data = LeadData(source="sample", first_name="Dana", phone=phone, email=email)
        lead, _ = upsert_lead(session, shop.tenant_id, location.id, data)
        lead.created_at = clock.now() - OLD
        chat = open_session(session, lead)
        session.flush()
        return replace(shop, location_id=location.id, lead_id=lead.id, session_id=chat.id, phone=WEST_PHONE)


def put_touches(db: Database, shop: Shop, now: datetime) -> list[int]:
    """Texts of the first four touches of the customer's cadence."""
    return [put(db, shop, now, kind="touch", touch_point_id=one) for one in start(db, shop, now)[:4]]


def sent_before(db: Database, shop: Shop, now: datetime, *hours_ago: float, status: str = "sent") -> None:
    """Touches by text that went out so many hours ago."""
    for ago in hours_ago:
        at = now - timedelta(hours=ago)
        message_id = put(db, shop, at, kind="touch")
        change(
            db,
            shop,
            "update chat_messages set status = :status, sent_at = :at where id = :id",
            status=status,
            at=at,
            id=message_id,
        )


def held_text(runtime: Runtime, db: Database, shop: Shop, clock: FixedClock) -> int:
    """The first text of a cadence, written in the night and held until the morning; its id."""
    clock.advance(NIGHT - NOON)
    first, *_ = start(db, shop, clock.now())
    message_id = write_touch(db, shop.tenant_id, first, clock)
    assert message_id is not None
    assert runtime.outbox.deliver(shop.tenant_id, message_id) == "pending"
    return message_id


def in_the_morning(runtime: Runtime, db: Database, shop: Shop, clock: FixedClock, message_id: int) -> str:
    until = message_of(db, shop, message_id).send_after
    assert until is not None
    clock.moment = until + timedelta(seconds=1)
    return runtime.outbox.deliver(shop.tenant_id, message_id)


def ask(db: Database, shop: Shop, message_id: int, now: datetime) -> Decision:
    """The gate's answer alone, with nothing sent."""
    with db.tenant(shop.tenant_id) as session:
        return decide(session, session.get_one(ChatMessage, message_id), now, GateRules())


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements that run meanwhile, without the one that enters the tenant's scope."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "set_config" not in statement:
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
