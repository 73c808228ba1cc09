"""The record of tool calls, and for writes the effect ledger: one effect per message, tool and arguments.

The row of a write is inserted before anything is done. A second worker with the same call waits on the
unique index until the first has finished: if that one succeeded, its stored result is given; if it was
refused, its row left the index and the second worker tries for itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from agent.models.base import Json
from agent.tools.declare import ToolContext
from crm.models import ToolCallRow

_ONE_EFFECT = ("session_id", "trigger_message_id", "tool", "arguments_hash")
_WHERE = text("is_write and not is_error")


@dataclass(frozen=True)
class Entry:
    """One call as it is recorded; `arguments` are the checked ones, or what was sent when they were wrong."""

    ctx: ToolContext
    tool: str
    write: bool
    arguments: Json
    started_at: datetime

    def key(self) -> str:
        """SHA-256 of the arguments as canonical JSON."""
        return hashlib.sha256(canonical(self.arguments).encode()).hexdigest()

    def values(self, result: str, *, is_error: bool, duration_ms: int) -> dict[str, Any]:
        """The columns of the row."""
        return {
            "tenant_id": self.ctx.tenant_id,
            "turn_id": self.ctx.turn_id,
            "session_id": self.ctx.session_id,
            "trigger_message_id": self.ctx.trigger_message_id,
            "tool": self.tool,
            "is_write": self.write,
            "arguments": json.loads(canonical(self.arguments)),
            "arguments_hash": self.key(),
            "result": result,
            "is_error": is_error,
            "started_at": self.started_at,
            "duration_ms": duration_ms,
        }


def canonical(arguments: Json) -> str:
    """JSON with sorted keys, no white space, dates and times in ISO form; what was left out is not there."""
    given = {key: value for key, value in arguments.items() if value is not None}
    return json.dumps(given, sort_keys=True, separators=(",", ":"), default=lambda value: value.isoformat())


def reserve(s: Session, entry: Entry) -> tuple[int | None, str]:
    """Take the one effect of a write: (row id, ""), or (None, the stored result) when it was already had."""
    row = insert(ToolCallRow).values(entry.values("", is_error=False, duration_ms=0))
    row = row.on_conflict_do_nothing(index_elements=_ONE_EFFECT, index_where=_WHERE)
    row_id = s.execute(row.returning(ToolCallRow.id)).scalar_one_or_none()
    if row_id is not None:
        return row_id, ""
    stored = select(ToolCallRow.result).where(
        ToolCallRow.session_id == entry.ctx.session_id,
        ToolCallRow.trigger_message_id == entry.ctx.trigger_message_id,
        ToolCallRow.tool == entry.tool,
        ToolCallRow.arguments_hash == entry.key(),
        ToolCallRow.is_write,
        ~ToolCallRow.is_error,
    )
    return None, s.execute(stored).scalar_one()


def settle(s: Session, row_id: int, result: str, *, is_error: bool, duration_ms: int) -> None:
    """Write down how a reserved write ended."""
    s.execute(
        update(ToolCallRow)
        .where(ToolCallRow.id == row_id)
        .values(result=result, is_error=is_error, duration_ms=duration_ms)
    )


def record(s: Session, entry: Entry, result: str, *, is_error: bool, duration_ms: int) -> None:
    """Write down a read, or a call that never came to do anything."""
    s.execute(insert(ToolCallRow).values(entry.values(result, is_error=is_error, duration_ms=duration_ms)))
