"""What models cost: one row per attempt, written with the turn it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from crm.models import ChatSession, ModelAttempt

Attempts = Sequence[Mapping[str, Any]]


def record_attempts(
    s: Session,
    chat: ChatSession,
    attempts: Attempts,
    now: datetime,
    *,
    turn_id: int | None,
    purpose: str = "turn",
) -> None:
    """Store attempts in their order. Each is `agent.usage.Attempt.as_json()`; an unknown cost stays unknown."""
    for one in attempts:
        usage = one["usage"]
        s.add(
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
                input_tokens=usage["input"],
                cached_tokens=usage["cache_read"],
                written_tokens=usage["cache_write"],
                output_tokens=usage["output"],
                thinking_tokens=usage["thinking"],
                cost_microusd=one["cost_microusd"],
                ms=one["ms"],
                request_id=one["request_id"],
                created_at=now,
            )
        )
        s.flush()
