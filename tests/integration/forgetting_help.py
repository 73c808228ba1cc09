"""A person with a past in every table that can have one, forgetting them, and searching every column for what is left."""

from __future__ import annotations

import base64
import json
from typing import Any

import redis
from sqlalchemy import Engine, text

from channels.inbound import MediaPart
from crm.consents import record_consent
from crm.db import Database
from crm.lead_requests import take_request
from crm.lead_states import note
from crm.models import (
    ApiRequest,
    Appointment,
    ConversationSummary,
    JobExecution,
    Lead,
    MailEvent,
    ModelAttempt,
    SendDecision,
    Vehicle,
)
from crm.webhooks import store_event
from ops.clock import FixedClock
from scheduler.forgetting import Forgotten, Wish, forget_person
from scheduler.runtime import Runtime
from scheduler.touches import start_cadence
from tests.conftest import Shop
from tests.integration.calendar_help import local
from tests.integration.people_help import another_lead, chat
from tests.integration.talking import answer, change, hear, put

PHONE, EMAIL = "+13125550188", "zerelda.q@quill.example"
SECOND_PHONE = "+13125550189"
# What must be nowhere afterwards; the words stand in messages, wishes, notes, reasons, pictures.
WORDS = ("Zerelda", "Quillfeather", "periwinkle", "hobbyhorse", "thimbleberry", "snollygoster")
# An offer is times and numbers, an assignment the name of an arm, a push its state and the carrier's error, which goes.
WORDLESS = frozenset({"offers", "experiment_assignments", "consent_pushes"})
SECRETS = (
    PHONE,
    PHONE[1:],
    SECOND_PHONE[1:],
    "312-555-0188",
    "(312) 555-0188",
    EMAIL,
    "quill.example",
    *WORDS,
)


def columns(owner_engine: Engine) -> list[tuple[str, str]]:
    """Every column of every table that can hold words, whoever added the table."""
    query = text(
        "select c.table_name, c.column_name from information_schema.columns c"
        " join information_schema.tables t using (table_schema, table_name)"
        " where c.table_schema = 'public' and t.table_type = 'BASE TABLE'"
        " and (c.data_type in ('text', 'character varying', 'character', 'json', 'jsonb', 'bytea', 'ARRAY'))"
    )
    with owner_engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def tables_of_people(owner_engine: Engine) -> set[str]:
    """Tables that refer to a lead, a conversation, a message or an event of the ledger."""
    query = text(
        "select distinct conrelid::regclass::text from pg_constraint where contype = 'f'"
        " and confrelid::regclass::text in ('leads', 'chat_sessions', 'chat_messages', 'turns', 'consent_events')"
    )
    with owner_engine.connect() as connection:
        return {row[0] for row in connection.execute(query)}


def found_anywhere(
    owner_engine: Engine, tenant_id: int, secrets: tuple[str, ...]
) -> set[tuple[str, str, str]]:
    """(table, column, secret) for every secret that is still to be found, of one tenant or of nobody; also as hex,
    base64 and percent-encoded."""
    found = set()
    forms = {secret: _forms(secret) for secret in secrets}
    with owner_engine.connect() as connection:
        for table, column in columns(owner_engine):
            has_tenant = (table, "tenant_id") in all_columns(connection)
            where = "where tenant_id is not distinct from :tenant or tenant_id is null" if has_tenant else ""
            values = connection.execute(
                text(f'select "{column}"::text, pg_typeof("{column}")::text from "{table}" {where}'),
                {"tenant": tenant_id} if has_tenant else {},
            )
            for value, kind in values:
                plain = _plain(value, kind)
                for secret, shapes in forms.items():
                    if any(shape in plain for shape in shapes):
                        found.add((table, column, secret))
    return found


_columns_of: dict[int, set[tuple[str, str]]] = {}


def all_columns(connection: Any) -> set[tuple[str, str]]:
    query = text(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
    )
    return _columns_of.setdefault(id(connection), {tuple(row) for row in connection.execute(query)})


def _plain(value: str | None, kind: str) -> str:
    if value is None:
        return ""
    if kind == "bytea":
        value = bytes.fromhex(value.removeprefix("\\x")).decode("latin-1")
    return value.casefold()


def _forms(secret: str) -> list[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
    return [secret.casefold(), secret.replace("@", "%40").replace("+", "%2B").casefold(), encoded.casefold()]


def zerelda(db: Database, shop: Shop) -> Shop:
    return another_lead(
        db, shop, first_name="Zerelda", last_name="Quillfeather", phone=PHONE, email=EMAIL, source="shopmonkey",
        external_id="order-0000042", external_customer_id="customer-0000042", wish="periwinkle tint",
    )  # fmt: skip


def live(db: Database, runtime: Runtime, clock: FixedClock, shop: Shop) -> Shop:
    """A person with a past in every table that can have one: conversation, files, cars, visits, mails, errors."""
    me = zerelda(db, shop)
    hear(
        runtime, me, "Zerelda here, about the periwinkle hobbyhorse", from_address=PHONE,
        raw={"From": PHONE, "Body": "periwinkle"},
        media=(MediaPart("https://x.example/1", "image/jpeg", filename="Zerelda.jpg", content=b"thimbleberry"),),
    )  # fmt: skip
    assert answer(runtime, me) == "done"
    mail = hear(
        runtime, me, "my thimbleberry", "email", from_address=EMAIL, body_full="Quillfeather wrote",
        subject="snollygoster", raw={"event_id": "6b1f1c36-0000-4000-8000-000000000001", "message_id": EMAIL},
    )  # fmt: skip
    assert answer(runtime, me) == "done"
    _records(db, me, mail.message_id, clock)
    _raw(db, me, clock)
    return me


def _records(db: Database, me: Shop, message_id: int, clock: FixedClock) -> None:
    with db.tenant(me.tenant_id) as session:
        person = session.get_one(Lead, me.lead_id)
        person.facts = {"remembered": [{"text": "Has a hobbyhorse", "at": "2026-01-01"}]}
        car = Vehicle(
            tenant_id=me.tenant_id, lead_id=me.lead_id, make="Hobbyhorse", external_id="VIN-ZERELDA"
        )
        session.add(car)
        session.flush()
        take_request(
            session, person, source="form", external_id=EMAIL, wish="thimbleberry", vehicle_id=car.id,
            facts={"note": "snollygoster"}, made_at=clock.now(),
        )  # fmt: skip
        past = Appointment(
            tenant_id=me.tenant_id, location_id=me.location_id, bay_id=me.bay_ids[0], lead_id=me.lead_id,
            vehicle_id=car.id, service_ids=[], starts_at=local(2, 9), ends_at=local(2, 12), source="owner",
            status="completed", sync_error="no customer Zerelda",
            override={"by": "Sam", "why": "Zerelda begged", "rules": ["hours"]},
            history=[{"who": "owner", "when": clock.now().isoformat(), "what": "booked", "message": None,
                      "why": "Zerelda called", "override": {"by": "Sam", "why": "Zerelda begged"}}],
        )  # fmt: skip
        session.add(past)
        note(
            session,
            person,
            "note",
            before="Zerelda",
            after="Quillfeather",
            who="Sam",
            why="hobbyhorse",
            now=clock.now(),
        )
        for channel, address in (("sms", PHONE), ("email", EMAIL)):
            record_consent(
                session, tenant_id=me.tenant_id, channel=channel, address=address, action="grant",  # type: ignore[arg-type]
                actor="customer", source="form", evidence="Zerelda ticked the periwinkle box",
                effective_at=clock.now(), lead_id=me.lead_id,
            )  # fmt: skip
        start_cadence(session, person, chat(db, me, me.session_id), now=clock.now())
        session.add_all([
            ConversationSummary(tenant_id=me.tenant_id, session_id=me.session_id, up_to_message_id=message_id,
                                body="Zerelda wants periwinkle", provider="p", model="m"),
            MailEvent(tenant_id=me.tenant_id, message_id=message_id, address=EMAIL, event="delivered", soft_key="k1",
                      reason=f"250 ok {EMAIL}", raw={"email": EMAIL}, occurred_at=clock.now()),
            MailEvent(tenant_id=me.tenant_id, message_id=None, address=EMAIL, event="bounce", soft_key="k2",
                      reason=None, raw={"email": EMAIL}, occurred_at=clock.now()),
            JobExecution(tenant_id=me.tenant_id, job="deliver", subject="1", outcome="failed",
                         started_at=clock.now(), error=f"IntegrityError: Key (email)=({EMAIL}) already exists"),
            ApiRequest(tenant_id=me.tenant_id, idempotency_key=EMAIL, body_hash="x", status=201,
                       answer={"lead_id": me.lead_id}, lead_id=me.lead_id, received_at=clock.now()),
            SendDecision(tenant_id=me.tenant_id, message_id=message_id, decision="withhold",
                         reasons=["Zerelda said stop"], decided_at=clock.now()),
        ])  # fmt: skip
    change(db, me, "update touch_points set note = 'about the periwinkle' where lead_id = :lead")
    change(db, me, "update chat_sessions set state_reason = 'Zerelda is angry' where id = :session")
    change(db, me, """update turns set trace = '{"heard": "periwinkle"}' where session_id = :session""")
    change(db, me, """update turns set error = 'Zerelda broke it' where session_id = :session""")
    with db.tenant(me.tenant_id) as session:
        session.add(
            ModelAttempt(
                tenant_id=me.tenant_id, session_id=me.session_id, lead_id=me.lead_id, location_id=me.location_id,
                provider="p", model="m", requested_model="m", ok=False, error="refused: Zerelda", ms=1,
            )
        )  # fmt: skip
    put(db, me, clock.now(), "Dear Zerelda, it is ready.", kind="confirmation")


def _raw(db: Database, me: Shop, clock: FixedClock) -> None:
    bodies = {
        "mail": f'--x\r\nenvelope\r\n{{"from":"{EMAIL.upper()}"}}\r\nZerelda\r\n\xff\x00\\'.encode("latin-1"),
        "text": f"From=%2B{PHONE[1:]}&Body=periwinkle".encode(),
        "order": b'{"id":"order-0000042","customer":{"firstName":"Zerelda"}}',
        "form": b'{"phone":"(312) 555-0188","name":"Zerelda"}',
        "events": json.dumps([{"email": EMAIL}, {"email": "other@example.com"}]).encode(),
    }
    with db.tenant(me.tenant_id) as session:
        for name, body in bodies.items():
            # Of some nothing but the bytes says whose they are.
            plain = name in ("mail", "text", "form")
            event_id = store_event(
                session, tenant_id=me.tenant_id, source=name, dedupe_key=f"{name}:{'1' if plain else EMAIL}",
                headers={} if plain else {"x-from": EMAIL}, content_type="text/plain", body=body, now=clock.now(),
                note=None if plain else f"of {EMAIL}",
            )  # fmt: skip
            session.execute(
                text("update webhook_events set status = 'processed' where id = :id"), {"id": event_id}
            )


def forget(db: Database, client: redis.Redis, me: Shop, clock: FixedClock, **wish: Any) -> Forgotten:
    return forget_person(db, client, me.tenant_id, me.lead_id, clock, Wish(**{"who": "Sam", **wish}))
