"""Small steps the tests of answering, sending and the gate share: a customer writes, a row waits in the outbox, a job
runs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Engine, select, text

from agent.models.base import AssistantStep, Json, ModelReply, ModelRequest, StopReason, ToolCall, Usage
from agent.models.scripted import ScriptedModel
from channels.carrier import Accepted, Outgoing
from channels.courtesy import WORDS
from channels.inbound import Inbound, Receipt
from channels.inbox import receive
from channels.writing import add
from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatMessage, ChatSession, ConsentEvent, Lead, Location, SendDecision, TouchPoint
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop
from tests.runtimes import FakeSender

_numbers = itertools.count(1)
Row = TypeVar("Row")
MINUTE = timedelta(minutes=1)


def hear(runtime: Runtime, shop: Shop, body: str, channel: str = "sms", **more: Any) -> Receipt:
    """The customer of the world writes to a shop, now."""
    number = next(_numbers)
    inbound = Inbound(
        tenant_id=shop.tenant_id,
        location_id=shop.location_id,
        channel=channel,
        carrier="test",
        carrier_id=f"in-{number}",
        from_address=CUSTOMER_PHONE if channel == "sms" else CUSTOMER_EMAIL,
        to_address=shop.phone if channel == "sms" else shop.mailbox,
        body=body,
        received_at=runtime.clock.now(),
        rfc_message_id=f"<mail-{number}@customer.example>" if channel == "email" else None,
        subject="Tint" if channel == "email" else None,
    )
    return receive(runtime.db, runtime.queue, replace(inbound, **more), we_confirm_stops=True)


def answer(runtime: Runtime, shop: Shop, after: timedelta = timedelta(seconds=20)) -> str:
    """Let the quiet time pass and run the job, as a worker would."""
    if isinstance(runtime.clock, FixedClock):
        runtime.clock.advance(after)
    return jobs.answer(runtime, shop.tenant_id, str(shop.session_id))


def flush(runtime: Runtime, shop: Shop) -> str:
    """Send what waits in the conversation."""
    return jobs.flush(runtime, shop.tenant_id, str(shop.session_id))


def rows(db: Database, shop: Shop, model: type[Row], *where: Any) -> list[Row]:
    """A shop's rows, in order."""
    with db.tenant(shop.tenant_id) as session:
        return list(session.scalars(select(model).where(*where).order_by(model.id)))  # type: ignore[attr-defined]


def outgoing(db: Database, shop: Shop, *kinds: str) -> list[ChatMessage]:
    """The messages written to anybody, or those of some kinds."""
    where = [ChatMessage.kind.in_(kinds)] if kinds else []
    return rows(db, shop, ChatMessage, ChatMessage.direction == "out", *where)


def chat_of(db: Database, shop: Shop) -> ChatSession:
    """The conversation, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(ChatSession, shop.session_id)


def lead_of(db: Database, shop: Shop) -> Lead:
    """The customer, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(Lead, shop.lead_id)


def message_of(db: Database, shop: Shop, message_id: int) -> ChatMessage:
    """One message, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(ChatMessage, message_id)


def bare(body: str) -> str:
    """A text without what courtesy put around it when it was the first one of a shop."""
    words = WORDS["en"]
    _, _, rest = body.rpartition(words.both.removeprefix("{shop}"))
    rest = rest.strip().removeprefix(words.machine)
    for line in (words.rates, words.stop, words.stop_mail, "- "):
        rest = rest.removesuffix(line)
    return rest.strip()


def decisions(db: Database, shop: Shop, message_id: int) -> list[tuple[str, list[Any]]]:
    """What the gate decided about a message, in order."""
    found = rows(db, shop, SendDecision, SendDecision.message_id == message_id)
    return [(row.decision, row.reasons) for row in found]


def change(db: Database, shop: Shop, statement: str, **values: Any) -> None:
    """Change a row of the shop by SQL; :lead, :session and :location are its own."""
    own = {"lead": shop.lead_id, "session": shop.session_id, "location": shop.location_id}
    with db.tenant(shop.tenant_id) as session:
        session.execute(text(statement), {**own, **values})


def pause(owner_engine: Engine, shop: Shop, status: str = "paused") -> None:
    """What the owner's command does to a business."""
    with owner_engine.begin() as connection:
        connection.execute(
            text("update tenants set status = :status where id = :id"),
            {"status": status, "id": shop.tenant_id},
        )


def agree(db: Database, shop: Shop, now: datetime, address: str = CUSTOMER_PHONE) -> None:
    """The CRM says that the customer agreed to texts, unless something is known already; it undoes no stop."""
    with db.tenant(shop.tenant_id) as session:
        if session.scalar(select(ConsentEvent.id).where(ConsentEvent.address == address).limit(1)) is None:
            record_consent(
                session, tenant_id=shop.tenant_id, channel="sms", address=address, action="grant", actor="crm",
                source="test", evidence="the box on the form was ticked", effective_at=now,
            )  # fmt: skip


def put(
    db: Database,
    shop: Shop,
    now: datetime,
    body: str = "Hello!",
    *,
    kind: str = "reply",
    agreed: bool = True,
    **more: Any,
) -> int:
    """Write one message to the customer into the outbox; returns its id. Whoever gets a touch has agreed to texts,
    unless `agreed` is False."""
    if kind == "touch" and agreed:
        agree(db, shop, now)
    with db.tenant(shop.tenant_id) as session:
        chat = session.get_one(ChatSession, shop.session_id, with_for_update=True)
        message = add(
            session,
            chat=chat,
            lead=session.get_one(Lead, chat.lead_id),
            location=session.get_one(Location, chat.location_id),
            kind=kind,
            body=body,
            dedupe_key=f"test:{next(_numbers)}",
            now=now,
            **{"channel": "sms", **more},
        )
        assert message is not None
        return message.id


def plan_touch(db: Database, shop: Shop, now: datetime) -> int:
    """One touch of the customer's cadence that is still ahead; returns its id."""
    with db.tenant(shop.tenant_id) as session:
        touch = TouchPoint(
            tenant_id=shop.tenant_id,
            lead_id=shop.lead_id,
            session_id=shop.session_id,
            plan="default",
            cadence_run=1,
            step=next(_numbers),
            channel="sms",
            template="times",
            due_at=now + timedelta(days=1),
            local_time="later",
        )
        session.add(touch)
        session.flush()
        return touch.id


def stops(db: Database, shop: Shop) -> list[tuple[str, str]]:
    """Who revoked what: (actor, channel)."""
    return [(e.actor, e.channel) for e in rows(db, shop, ConsentEvent, ConsentEvent.action == "revoke")]


def say(words: str) -> ModelReply:
    """The model's last word."""
    return ModelReply(
        AssistantStep(text=words, provider="playbook", model="scripted"),
        StopReason.END,
        Usage(0, 0, 0, 0),
        "scripted",
    )


def call(name: str, **arguments: Any) -> ModelReply:
    """The model asks for one tool."""
    step = AssistantStep(calls=(ToolCall(f"call-{next(_numbers)}", name, arguments),), provider="playbook")
    return ModelReply(step, StopReason.TOOLS, Usage(0, 0, 0, 0), "scripted")


def after(then: Callable[[], object], reply: ModelReply) -> Callable[[ModelRequest], ModelReply]:
    """A step of a script during which something happens."""

    def step(_: ModelRequest) -> ModelReply:
        then()
        return reply

    return step


def scripted(*steps: Any) -> ScriptedModel:
    """A model on this machine: no breaker, no time-out, no cost."""
    return ScriptedModel(steps, provider="playbook")


def asked(model: ScriptedModel, number: int = -1) -> str:
    """What stood in the last item of a request: the unanswered messages."""
    return str(getattr(model.requests[number].items[-1], "text", ""))


class SlowSender(FakeSender):
    """A carrier that takes the message and answers only when it may; a test acts in between."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.may_answer = threading.Event(), threading.Event()

    def send(self, message: Outgoing) -> Accepted:
        accepted = super().send(message)
        self.reached.set()
        assert self.may_answer.wait(20)
        return accepted


def parsed(value: Any) -> Json:
    """For readability where a result is known to be an object."""
    assert isinstance(value, dict)
    return value
