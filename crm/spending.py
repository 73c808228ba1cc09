"""What models cost, for an owner: per message, lead, appointment, provider, location, or all of a business.

Costs are micro-USD and hold only what is known; `unpriced` counts the requests whose price is not, so that no sum looks
complete that is not. Every function takes the Session of a tenant's scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from crm.models import Appointment, ChatMessage, Lead, Location, ModelAttempt, Turn
from crm.spend import UNPRICED


@dataclass(frozen=True)
class SpendLine:
    """One row of a report. `key` is the number to look it up by, where there is one. `prompt_tokens` is all of what was
    sent, `cached_tokens` and `written_tokens` are parts of it, `thinking_tokens` is part of `output_tokens`; what a
    vendor did not count is not in them."""

    key: int | None
    label: str
    requests: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    thinking_tokens: int
    known_microusd: int
    unpriced: int


@dataclass(frozen=True)
class MonthSpend:
    """A business in a stretch of time: everything, and how many messages were answered and visits booked with it."""

    total: SpendLine
    answered: int
    booked: int


def month_spend(s: Session, name: str, begins: datetime, ends: datetime) -> MonthSpend:
    """The total of the tenant and what it was spent on."""
    total = s.execute(_in(select(*_SUMS), begins, ends)).one()
    answered = s.scalar(
        select(func.count(Turn.trigger_message_id.distinct())).where(
            Turn.status == "done", Turn.finished_at >= begins, Turn.finished_at < ends
        )
    )
    return MonthSpend(
        _line(None, name, total), answered or 0, s.scalar(_made(begins, ends, func.count())) or 0
    )


def by_provider(s: Session, begins: datetime, ends: datetime, limit: int) -> list[SpendLine]:
    """Per provider and answering model, the dearest first."""
    rows = _grouped(s, begins, ends, limit, ModelAttempt.provider, ModelAttempt.model)
    return [_line(None, f"{provider} {model}", sums) for (provider, model), sums in rows]


def by_location(s: Session, begins: datetime, ends: datetime, limit: int) -> list[SpendLine]:
    """Per location, the dearest first."""
    rows = _grouped(s, begins, ends, limit, ModelAttempt.location_id)
    names = _names(s, Location, [key for (key,), _ in rows], lambda row: row.slug)
    return [_line(key, names[key], sums) for (key,), sums in rows]


def by_lead(s: Session, begins: datetime, ends: datetime, limit: int) -> list[SpendLine]:
    """Per lead, the dearest first; the key is the lead's number."""
    rows = _grouped(s, begins, ends, limit, ModelAttempt.lead_id)
    names = _names(s, Lead, [key for (key,), _ in rows], _lead_name)
    return [_line(key, names[key], sums) for (key,), sums in rows]


def by_message(s: Session, begins: datetime, ends: datetime, limit: int) -> list[SpendLine]:
    """Per message of a customer that was answered, the dearest first; turns that were dropped or repeated on the way
    are part of it. Summaries answer no message: they are one row without a number."""
    message = Turn.trigger_message_id
    totals = _in(select(message, *_SUMS).outerjoin(Turn, Turn.id == ModelAttempt.turn_id), begins, ends)
    found = s.execute(totals.group_by(message).order_by(*_DEAREST).limit(limit)).all()
    keys = [row[0] for row in found if row[0] is not None]
    whose = s.execute(
        select(ChatMessage.id, Lead)
        .join(Lead, Lead.id == ChatMessage.lead_id)
        .where(ChatMessage.id.in_(keys))
    )
    names: dict[int | None, str] = {message_id: _lead_name(lead) for message_id, lead in whose.all()}
    names[None] = "summaries of conversations"
    return [_line(row[0], names.get(row[0], "-"), row[1:]) for row in found]


def by_appointment(s: Session, begins: datetime, ends: datetime, limit: int) -> list[SpendLine]:
    """Per appointment made in this time: its lead's share of the cost in the same time, divided among the lead's
    appointments of it. Leads that did not book are not in it; `MonthSpend` divides all of the cost."""
    rows = s.execute(_made(begins, ends, Appointment.id, Appointment.lead_id).order_by(Appointment.id))
    made: list[tuple[int, int]] = [(row[0], row[1]) for row in rows]
    leads = [lead_id for _, lead_id in made]
    sums = _in(select(ModelAttempt.lead_id, *_SUMS).where(ModelAttempt.lead_id.in_(leads)), begins, ends)
    spent = {row[0]: row[1:] for row in s.execute(sums.group_by(ModelAttempt.lead_id)).all()}
    names = _names(s, Lead, leads, _lead_name)
    nothing = (0,) * len(_SUMS)
    lines = [
        _line(key, names[lead], [count // leads.count(lead) for count in spent.get(lead, nothing)])
        for key, lead in made
    ]
    return sorted(lines, key=lambda line: -line.known_microusd)[:limit]


REPORTS: dict[str, Callable[[Session, datetime, datetime, int], list[SpendLine]]] = {
    "message": by_message,
    "lead": by_lead,
    "appointment": by_appointment,
    "provider": by_provider,
    "location": by_location,
}


def _total(column: Any) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


_PROMPT = (
    func.coalesce(ModelAttempt.input_tokens, 0)
    + func.coalesce(ModelAttempt.cached_tokens, 0)
    + func.coalesce(ModelAttempt.written_tokens, 0)
)
# In the order of SpendLine's fields after the label.
_SUMS: tuple[Any, ...] = (
    func.count(),
    func.count().filter(ModelAttempt.ok.is_(False)),
    _total(_PROMPT),
    _total(ModelAttempt.cached_tokens),
    _total(ModelAttempt.written_tokens),
    _total(ModelAttempt.output_tokens),
    _total(ModelAttempt.thinking_tokens),
    _total(ModelAttempt.cost_microusd),
    func.count().filter(UNPRICED),
)
_DEAREST = (_total(ModelAttempt.cost_microusd).desc(), func.count().desc())


def _in(statement: Any, begins: datetime, ends: datetime) -> Select[Any]:
    among: Select[Any] = statement.select_from(ModelAttempt).where(
        ModelAttempt.created_at >= begins, ModelAttempt.created_at < ends
    )
    return among


def _grouped(
    s: Session, begins: datetime, ends: datetime, limit: int, *by: Any
) -> list[tuple[tuple[Any, ...], Sequence[Any]]]:
    statement = _in(select(*by, *_SUMS), begins, ends).group_by(*by).order_by(*_DEAREST, *by).limit(limit)
    return [(tuple(row[: len(by)]), row[len(by) :]) for row in s.execute(statement).all()]


def _line(key: int | None, label: str, sums: Sequence[Any]) -> SpendLine:
    return SpendLine(key, label, *(int(count) for count in sums))


def _made(begins: datetime, ends: datetime, *columns: Any) -> Select[Any]:
    """Appointments of customers that were made in this time; time an owner blocked for himself is none."""
    return select(*columns).where(
        Appointment.created_at >= begins, Appointment.created_at < ends, Appointment.lead_id.is_not(None)
    )


def _names(s: Session, table: type[Any], keys: Sequence[int], name: Callable[[Any], str]) -> dict[int, str]:
    return {row.id: name(row) for row in s.scalars(select(table).where(table.id.in_(keys)))}


def _lead_name(lead: Lead) -> str:
    names = " ".join(filter(None, (lead.first_name, lead.last_name)))
    return names or lead.phone or lead.email or f"lead {lead.id}"
