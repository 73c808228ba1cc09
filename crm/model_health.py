"""How the models did lately, from the attempts that turns really made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import ModelAttempt


@dataclass(frozen=True)
class Call:
    """One attempt at a model: when it ended, how long it took, and what went wrong, fit for an owner."""

    provider: str
    model: str
    ok: bool
    ms: int
    at: datetime
    error_kind: str | None
    error: str | None


def recent_calls(s: Session, since: datetime, limit: int = 2_000) -> list[Call]:
    """The tenant's newest attempts since a moment, newest first."""
    columns: tuple[Any, ...] = (
        ModelAttempt.provider,
        ModelAttempt.requested_model,
        ModelAttempt.ok,
        ModelAttempt.ms,
        ModelAttempt.created_at,
        ModelAttempt.error_kind,
        ModelAttempt.error,
    )
    rows = s.execute(
        select(*columns)
        .where(ModelAttempt.created_at >= since)
        .order_by(ModelAttempt.created_at.desc(), ModelAttempt.id.desc())
        .limit(limit)
    )
    return [Call(*row) for row in rows]
