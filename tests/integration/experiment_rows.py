"""Conversations of an experiment as rows: what turns, carriers and customers would have left behind."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from crm.consents import record_consent
from crm.db import Database
from crm.experiments import ArmSpec, arm_of, start_experiment
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, ChatMessage, ChatSession, Lead, ModelAttempt, ToolCallRow, Turn
from crm.sessions import open_session
from tests.conftest import Shop

_numbers = itertools.count(1)
ARMS = (ArmSpec("control", 1, "claude", "haiku"), ArmSpec("mini", 1, "openai", "luna"))
PROVIDERS = ("claude", "openai", "playbook")


@dataclass(frozen=True)
class Story:
    """What happens in one conversation after it joined."""

    attempts: tuple[tuple[str, str, bool], ...] | None = None
    cost: int | None = 1000
    seconds: float = 2.0
    replied: bool = False
    booked: str | None = None
    stopped: bool = False
    hand_off: str | None = None
    gave_up: bool = False


def begin(db: Database, shop: Shop, now: datetime, name: str = "one") -> int:
    """Start an experiment with ARMS; returns its id."""
    with db.tenant(shop.tenant_id) as s:
        started = start_experiment(s, shop.tenant_id, name, ARMS, providers=PROVIDERS, by="sam", now=now)
        return started.id


def new_chat(s: Session, shop: Shop) -> ChatSession:
    """A conversation with somebody new."""
    phone = f"+1312556{next(_numbers):04d}"
    lead, _ = upsert_lead(s, shop.tenant_id, shop.location_id, LeadData(source="test", phone=phone))
    chat = open_session(s, lead)
    s.flush()
    return chat


def talk(db: Database, shop: Shop, now: datetime, story: Story, *, arm: str | None = None) -> tuple[int, str]:
    """One conversation that is answered once, and its story. Without `arm` it gets the one of its hash; returns its id
    and arm."""
    with db.tenant(shop.tenant_id) as s:
        while True:
            chat = new_chat(s, shop)
            joined = arm_of(s, chat, now) if arm is None or _would_get(chat, arm) else None
            if joined is not None:
                break
        _play(s, shop, chat, joined.experiment_id, joined.name, now, story)
        return chat.id, joined.name


def _would_get(chat: ChatSession, arm: str) -> bool:
    from crm.experiments.arms import pick

    return pick("one", chat.id, ARMS).name == arm


def _play(
    s: Session, shop: Shop, chat: ChatSession, experiment_id: int, arm: str, now: datetime, story: Story
) -> None:
    asked = _message(s, chat, "in", now)
    turn = Turn(
        tenant_id=shop.tenant_id, session_id=chat.id, trigger_message_id=asked.id, status="done", rounds=1,
        cost_microusd=story.cost, started_at=now, finished_at=now + timedelta(seconds=story.seconds),
        experiment_id=experiment_id, arm=arm, trace={"hand_off": "nothing could be sent" if story.gave_up else None},
    )  # fmt: skip
    s.add(turn)
    s.flush()
    own = next((one.provider or "", one.model or "", True) for one in ARMS if one.name == arm)
    for provider, model, ok in (own,) if story.attempts is None else story.attempts:
        s.add(
            ModelAttempt(
                tenant_id=shop.tenant_id, session_id=chat.id, lead_id=chat.lead_id, location_id=chat.location_id,
                turn_id=turn.id, provider=provider, model=model, requested_model=model, ok=ok, ms=900, created_at=now,
            )
        )  # fmt: skip
        s.flush()
    _message(s, chat, "out", now, turn_id=turn.id)
    later = now + timedelta(hours=1)
    if story.replied:
        _message(s, chat, "in", later)
    if story.hand_off:
        s.add(
            ToolCallRow(
                tenant_id=shop.tenant_id, turn_id=turn.id, session_id=chat.id, trigger_message_id=asked.id,
                tool="hand_off", is_write=True, arguments={"reason": story.hand_off, "note": ""}, arguments_hash="x",
                result="{}", is_error=False, started_at=now, duration_ms=1,
            )
        )  # fmt: skip
    if story.booked:
        _book(s, shop, chat, later, story.booked)
    if story.stopped:
        lead = s.get_one(Lead, chat.lead_id)
        record_consent(
            s, tenant_id=shop.tenant_id, channel="sms", address=str(lead.phone), action="revoke", actor="customer",
            source="sms", evidence="STOP", lead_id=lead.id, effective_at=later,
        )  # fmt: skip


def _message(
    s: Session, chat: ChatSession, direction: str, at: datetime, turn_id: int | None = None
) -> ChatMessage:
    row = ChatMessage(
        tenant_id=chat.tenant_id, session_id=chat.id, lead_id=chat.lead_id, direction=direction, channel="sms",
        kind="inbound" if direction == "in" else "reply", status="received" if direction == "in" else "sent",
        body="words", from_address="a", to_address="b", turn_id=turn_id,
        received_at=at if direction == "in" else None, sent_at=at if direction == "out" else None,
    )  # fmt: skip
    s.add(row)
    s.flush()
    return row


def _book(s: Session, shop: Shop, chat: ChatSession, at: datetime, status: str) -> None:
    """An appointment that was made at `at`; each at its own time, so that bays do not matter."""
    starts = at + timedelta(hours=3 * next(_numbers))
    s.add(
        Appointment(
            tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[0], lead_id=chat.lead_id,
            service_ids=[], starts_at=starts, ends_at=starts + timedelta(hours=2), status=status, source="agent",
            labour_minutes=60, history=[{"who": "agent", "when": at.isoformat(), "what": "booked", "message": None}],
        )
    )  # fmt: skip
