"""What models cost: one row per attempt, written with the turn it belongs to, and what a month came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from crm.models import ChatSession, Location, ModelAttempt

Attempts = Sequence[Mapping[str, Any]]
# Billed at a price nobody knows: it was answered, or it failed and still reported tokens (LLM facts 3.1).
UNPRICED: ColumnElement[bool] = ModelAttempt.cost_microusd.is_(None) & or_(
    ModelAttempt.ok, ModelAttempt.input_tokens.is_not(None), ModelAttempt.output_tokens.is_not(None)
)


@dataclass(frozen=True)
class Unpriced:
    """The requests to one provider whose price is unknown: how many, how many of them without token counts, and the
    tokens of the others."""

    provider: str
    requests: int
    uncounted: int
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Spent:
    """What a stretch of time cost: known in micro-USD, and what is not known."""

    known_microusd: int
    unpriced: tuple[Unpriced, ...]


def record_attempts(
    s: Session,
    chat: ChatSession,
    attempts: Attempts,
    now: datetime,
    *,
    turn_id: int | None,
    purpose: str = "turn",
) -> None:
    """Store attempts in their order, in one statement. Each is `agent.usage.Attempt.as_json()`; an unknown cost stays unknown."""
    s.add_all(
        ModelAttempt(
            tenant_id=chat.tenant_id,
            session_id=chat.id,
            lead_id=chat.lead_id,
            location_id=chat.location_id,
            turn_id=turn_id,
            purpose=purpose,
            provider=one["provider"],
            model=one["model"],
            requested_model=one["requested_model"],
            ok=one["ok"],
            error_kind=one["error_kind"],
            error=one["error"],
            input_tokens=one["usage"]["input"],
            cached_tokens=one["usage"]["cache_read"],
            written_tokens=one["usage"]["cache_write"],
            output_tokens=one["usage"]["output"],
            thinking_tokens=one["usage"]["thinking"],
            cost_microusd=one["cost_microusd"],
            ms=one["ms"],
            request_id=one["request_id"],
            created_at=now,
        )
        for one in attempts
    )
    s.flush()


def month_of(s: Session, now: datetime) -> tuple[datetime, datetime]:
    """Where the calendar month of `now` begins and ends, in the zone of the tenant's first location: one month for the
    whole business, also where its shops lie in two zones."""
    zone = ZoneInfo(s.scalar(select(Location.timezone).order_by(Location.id).limit(1)) or "UTC")
    begins = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (begins.year, begins.month + 1) if begins.month < 12 else (begins.year + 1, 1)
    return begins, begins.replace(year=year, month=month)


def spent_between(s: Session, begins: datetime, ends: datetime) -> Spent:
    """What the tenant's requests from `begins` up to `ends` came to, in one query."""

    def tokens(column: Any) -> ColumnElement[int]:
        return func.coalesce(func.sum(column).filter(UNPRICED), 0)

    rows: Sequence[Any] = s.execute(
        select(
            ModelAttempt.provider,
            func.coalesce(func.sum(ModelAttempt.cost_microusd), 0),
            func.count().filter(UNPRICED),
            func.count().filter(UNPRICED & ModelAttempt.input_tokens.is_(None)),
            tokens(ModelAttempt.input_tokens),
            tokens(ModelAttempt.cached_tokens),
            tokens(ModelAttempt.written_tokens),
            tokens(ModelAttempt.output_tokens),
        )
        .where(ModelAttempt.created_at >= begins, ModelAttempt.created_at < ends)
        .group_by(ModelAttempt.provider)
        .order_by(ModelAttempt.provider)
    ).all()
    unpriced = tuple(Unpriced(row[0], *(int(count) for count in row[2:])) for row in rows if row[2])
    return Spent(sum(int(row[1]) for row in rows), unpriced)
