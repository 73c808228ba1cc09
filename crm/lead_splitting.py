"""One lead was two persons: a part of it becomes a lead of its own, in one transaction.

A command says what goes. An address takes its messages with it, both ways; a message its answer. What follows from
nothing (whose is the car, whose the appointment, the request) is named as a question, never guessed: `questions`.
Consents and stops hold by address and stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from crm.consents import normal_address
from crm.emails import normal_email
from crm.lead_merging import family_of
from crm.lead_merging_rows import run
from crm.lead_merging_sessions import abandon_turns, unanswered
from crm.lead_states import move, note
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    ConversationSummary,
    Lead,
    LeadRequest,
    ModelAttempt,
    ToolCallRow,
    Turn,
    Vehicle,
)
from crm.phones import e164
from crm.reminders import remind_again
from crm.sessions import open_session

WHAT, WHAT_NEW = "split", "split off"
SOURCE = "split"


class SplitRefused(ValueError):
    """Why this cannot be moved out. Fit to be shown to an owner."""


@dataclass(frozen=True)
class Part:
    """What goes to the new lead, each by its number; `addresses` as they stand on the lead or in its messages."""

    addresses: tuple[str, ...] = ()
    messages: tuple[int, ...] = ()
    vehicles: tuple[int, ...] = ()
    requests: tuple[int, ...] = ()
    appointments: tuple[int, ...] = ()
    name: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was named."""
        return not (self.addresses or self.messages or self.vehicles or self.requests or self.appointments)


@dataclass(frozen=True)
class Question:
    """Something of the lead that may be either person's. `kind` names the field of Part it goes into."""

    kind: str
    id: int
    text: str


@dataclass(frozen=True)
class Split:
    """What became of it: the new lead, and how many messages went along."""

    lead_id: int
    messages: int
    answer_due_at: datetime | None


def questions(s: Session, lead_id: int) -> list[Question]:
    """What nobody but a person can decide: each car, request and appointment of the lead."""
    found = [
        Question(
            "vehicles",
            car.id,
            " ".join(str(one) for one in (car.year, car.make, car.model) if one) or "a car",
        )
        for car in s.scalars(select(Vehicle).where(Vehicle.lead_id == lead_id).order_by(Vehicle.id))
    ]
    for request in s.scalars(
        select(LeadRequest).where(LeadRequest.lead_id == lead_id).order_by(LeadRequest.id)
    ):
        found.append(
            Question("requests", request.id, f"{request.source}: {request.wish or request.external_id}")
        )
    ahead = select(Appointment).where(Appointment.lead_id == lead_id, Appointment.status != "cancelled")
    for one in s.scalars(ahead.order_by(Appointment.starts_at)):
        found.append(Question("appointments", one.id, f"{one.starts_at:%Y-%m-%d %H:%M} UTC, {one.status}"))
    return found


def split_lead(s: Session, lead_id: int, part: Part, *, who: str, why: str | None, now: datetime) -> Split:
    """Make a new lead of `part`, in the caller's transaction. Raises SplitRefused."""
    chat = s.scalar(_locked(select(ChatSession).where(ChatSession.lead_id == lead_id)))
    lead = s.scalar(_locked(select(Lead).where(Lead.id == lead_id)))
    if lead is None:
        raise SplitRefused(f"there is no lead {lead_id}")
    if lead.merged_into_id is not None or lead.erased_at is not None:
        raise SplitRefused(f"lead {lead_id} was merged or forgotten")
    if part.is_empty:
        raise SplitRefused("say what goes: an address, a message, a car, a request or an appointment")
    new = Lead(
        tenant_id=lead.tenant_id, location_id=lead.location_id, source=SOURCE, first_name=part.name,
        language=lead.language, status="new",
    )  # fmt: skip
    s.add(new)
    s.flush()
    addresses = [_take_address(s, lead, new, raw) for raw in part.addresses]
    _take_rows(s, lead, new, part)
    remind_again(s, part.appointments, now)
    messages, due = 0, None
    if chat is not None:
        messages, due = _take_messages(s, lead, new, chat, addresses, part.messages)
    elif part.messages:
        raise SplitRefused(f"lead {lead_id} has no messages")
    if messages:
        move(s, new, "engaged", who=who, why=f"split off lead {lead.id}", now=now)
    note(s, lead, WHAT, before=None, after=f"lead {new.id}", who=who, why=why, now=now)
    note(s, new, WHAT_NEW, before=None, after=f"lead {lead.id}", who=who, why=why, now=now)
    s.flush()
    return Split(new.id, messages, due)


def _take_address(s: Session, lead: Lead, new: Lead, raw: str) -> str:
    """Move an address; it may stand on the lead, on one that was merged into it, or only in its messages."""
    phone, email = e164(raw), normal_email(raw)
    column, address = ("phone", phone) if phone else ("email", email)
    if address is None:
        raise SplitRefused(f"{raw!r} is no phone number and no email address")
    family = select(Lead).where(Lead.id.in_(family_of(s, lead.id))).order_by(Lead.id)
    holder = next((one for one in s.scalars(_locked(family)) if getattr(one, column) == address), None)
    if holder is None:
        here = and_(Lead.location_id == lead.location_id, getattr(Lead, column) == address)
        if s.scalar(select(Lead.id).where(here)) is not None:
            raise SplitRefused(f"{address} belongs to another lead")
        if s.scalar(select(ChatMessage.id).where(_of_address(lead.id, address)).limit(1)) is None:
            raise SplitRefused(f"{address} is no address of lead {lead.id}")
    bad = None
    if holder is not None:
        bad = getattr(holder, f"{column}_bad_since")
        setattr(holder, column, None)
        setattr(holder, f"{column}_bad_since", None)
        s.flush()
    setattr(new, column, address)
    setattr(new, f"{column}_bad_since", bad)
    s.flush()
    return normal_address("sms" if column == "phone" else "email", address)


def _take_rows(s: Session, lead: Lead, new: Lead, part: Part) -> None:
    wanted: tuple[tuple[Any, Sequence[int], str], ...] = (
        (Vehicle, part.vehicles, "car"),
        (LeadRequest, part.requests, "request"),
        (Appointment, part.appointments, "appointment"),
    )
    for table, ids, name in wanted:
        moved = run(
            s, update(table).where(table.id.in_(ids), table.lead_id == lead.id).values(lead_id=new.id)
        )
        if moved != len(set(ids)):
            raise SplitRefused(f"lead {lead.id} has no such {name}: {', '.join(map(str, ids))}")
    # A car that stays is nobody else's, and the other way round.
    for table in (LeadRequest, Appointment):
        strange = table.vehicle_id.not_in(select(Vehicle.id).where(Vehicle.lead_id == table.lead_id))
        run(s, update(table).where(table.lead_id.in_((lead.id, new.id)), strange).values(vehicle_id=None))


def _take_messages(
    s: Session, lead: Lead, new: Lead, chat: ChatSession, addresses: list[str], ids: Sequence[int]
) -> tuple[int, datetime | None]:
    """Move the messages with their turns; what is owed an answer stays owed, where it is now."""
    there = set(s.scalars(select(ChatMessage.id).where(ChatMessage.session_id == chat.id)))
    if missing := set(ids) - there:
        raise SplitRefused(f"lead {lead.id} has no message {', '.join(map(str, sorted(missing)))}")
    going = set(ids)
    for address in addresses:
        going |= set(s.scalars(select(ChatMessage.id).where(_of_address(lead.id, address))))
    if not going:
        return 0, None
    going |= set(
        s.scalars(
            select(ChatMessage.id).where(
                ChatMessage.session_id == chat.id, ChatMessage.answers_up_to.in_(going)
            )
        )
    )
    target = open_session(s, new)
    owed = set(unanswered(s, chat))
    due = chat.answer_due_at
    abandon_turns(s, chat)
    moved = run(
        s,
        update(ChatMessage).where(ChatMessage.id.in_(going)).values(session_id=target.id, lead_id=new.id),
    )
    _take_turns(s, chat, target, new, going)
    s.execute(delete(ConversationSummary).where(ConversationSummary.session_id == chat.id))
    for one in (chat, target):
        _settle(s, one, owed, due)
    s.flush()
    return moved, target.answer_due_at


def _take_turns(s: Session, chat: ChatSession, target: ChatSession, new: Lead, going: set[int]) -> None:
    turns = select(Turn.id).where(Turn.session_id == chat.id, Turn.trigger_message_id.in_(going))
    ids = list(s.scalars(turns))
    attempt = update(ModelAttempt).where(ModelAttempt.turn_id.in_(ids))
    run(s, attempt.values(session_id=target.id, lead_id=new.id))
    run(s, update(ToolCallRow).where(ToolCallRow.turn_id.in_(ids)).values(session_id=target.id))
    run(s, update(Turn).where(Turn.id.in_(ids)).values(session_id=target.id))


def _settle(s: Session, chat: ChatSession, owed: set[int], due: datetime | None) -> None:
    """What a conversation knows of its last message and its debts, read from what is in it now."""
    last = s.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.direction == "in",
            ChatMessage.kind.not_in(("automatic", "notice")),
        )
        .order_by(ChatMessage.id.desc())
        .limit(1)
    ).first()
    mine = sorted(set(s.scalars(select(ChatMessage.id).where(ChatMessage.session_id == chat.id))) & owed)
    chat.last_inbound_id = last.id if last else None
    chat.last_inbound_at = (last.received_at or last.created_at) if last else None
    chat.last_channel = last.channel if last else chat.last_channel
    chat.answered_up_to = mine[0] - 1 if mine else max(chat.answered_up_to, chat.last_inbound_id or 0)
    chat.answer_due_at = due if mine else None
    chat.burst_started_at = chat.burst_started_at if mine else None
    chat.answer_tries = 0


def _of_address(lead_id: int, address: str) -> ColumnElement[bool]:
    """The messages from and to an address, in a lead's conversation."""
    from_them = and_(ChatMessage.direction == "in", func.lower(ChatMessage.from_address) == address)
    to_them = and_(
        ChatMessage.direction == "out",
        ChatMessage.kind != "notice",
        func.lower(ChatMessage.to_address) == address,
    )
    return and_(ChatMessage.lead_id == lead_id, or_(from_them, to_them))


def _locked(statement: Any) -> Any:
    return statement.with_for_update().execution_options(populate_existing=True)
