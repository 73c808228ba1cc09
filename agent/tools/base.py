"""The toolbox: runs what the model asks for, in one transaction per call, and never raises for a bad call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from rq.timeouts import BaseTimeoutException

from agent.models.base import Json, ToolCall, ToolResult, ToolSpec
from agent.tools.declare import BadArguments, Tool, ToolContext, ToolRefusal, ToolRun, tool
from agent.tools.ledger import Entry, record, reserve, settle
from crm.text import storable

__all__ = ["Tool", "ToolContext", "ToolRefusal", "ToolRun", "Toolbox", "tool"]

log = structlog.get_logger(__name__)

TECHNICAL = (
    "This did not work for a technical reason and nothing was changed. Try once more or hand off to a person."
)


@dataclass(frozen=True)
class _Outcome:
    text: str
    is_error: bool


class Toolbox:
    """A fixed set of tools, always listed in the same order so that the prompt's prefix stays byte-stable.

    `parallel`: whether reads of one step may run beside each other; a toolbox with one shared transaction says no.
    """

    parallel = True

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {one.spec.name: one for one in tools}

    def specs(self) -> list[ToolSpec]:
        """What the model reads about every tool."""
        return [one.spec for one in self._tools.values()]

    def run(self, ctx: ToolContext, call: ToolCall) -> ToolResult:
        """Do one call and record it. Whatever is wrong with the call comes back as an error result.

        A write asked for again with the same arguments about the same customer message is not done again: its
        first result is returned. Only the end of the whole job's time goes up: an answer made of it would
        keep a job alive that has to end.
        """
        began = time.monotonic()
        try:
            outcome = self._run(ctx, call, began)
        except BaseTimeoutException:
            raise
        except Exception as error:  # noqa: BLE001 - a failed tool must become an answer the model can work with
            outcome = _error(TECHNICAL)
            _log_failure(call, error)
            self._record_failure(ctx, call, outcome, began)
        return ToolResult(call.id, call.name, outcome.text, outcome.is_error)

    def _run(self, ctx: ToolContext, call: ToolCall, began: float) -> _Outcome:
        found = self._tools.get(call.name)
        if found is None:
            known = ", ".join(self._tools)
            return _rejected(
                ctx, call, _error(f"There is no tool with this name. Use one of: {known}."), began
            )
        if not isinstance(call.arguments, dict):
            wrong = _error(f"The arguments of {call.name} must be a JSON object.", expected=found.expected())
            return _rejected(ctx, call, wrong, began)
        try:
            arguments = found.read(call.arguments)
        except BadArguments as error:
            return _rejected(ctx, call, _error(str(error), expected=error.expected), began)
        entry = Entry(ctx, call.name, found.spec.write, arguments, ctx.clock.now())
        return _write(found, entry, began) if found.spec.write else _read(found, entry, began)

    def _record_failure(self, ctx: ToolContext, call: ToolCall, outcome: _Outcome, began: float) -> None:
        try:
            _rejected(ctx, call, outcome, began)
        except BaseTimeoutException:
            raise
        except Exception as error:  # noqa: BLE001 - the database may be what failed; the turn must still go on
            _log_failure(call, error)


def _read(found: Tool, entry: Entry, began: float) -> _Outcome:
    # Not durable by itself: what it found counts only with the reply, whose commit keeps it.
    with entry.ctx.db.tenant(entry.ctx.tenant_id, durable=False) as s:
        outcome = _call(found, ToolRun(entry.ctx, s, entry.started_at), entry.arguments)
        record(s, entry, outcome.text, is_error=outcome.is_error, duration_ms=_ms(began))
        return outcome


def _write(found: Tool, entry: Entry, began: float) -> _Outcome:
    with entry.ctx.db.tenant(entry.ctx.tenant_id) as s:
        row_id, stored = reserve(s, entry)
        if row_id is None:
            return _Outcome(stored, is_error=False)
        outcome = _call(found, ToolRun(entry.ctx, s, entry.started_at), entry.arguments)
        settle(s, row_id, outcome.text, is_error=outcome.is_error, duration_ms=_ms(began))
        return outcome


def _call(found: Tool, run: ToolRun, arguments: Json) -> _Outcome:
    try:
        return _Outcome(_text(found.function(run, **arguments)), is_error=False)
    except ToolRefusal as refusal:
        return _error(str(refusal), **refusal.extra)


def _rejected(ctx: ToolContext, call: ToolCall, outcome: _Outcome, began: float) -> _Outcome:
    """Record a call that was not carried out; it is no write, so it takes no effect in the ledger."""
    sent = {"sent": storable(call.raw_arguments or json.dumps(call.arguments, default=str))[:2000]}
    entry = Entry(ctx, storable(call.name)[:100], False, sent, ctx.clock.now())
    with ctx.db.tenant(ctx.tenant_id) as s:
        record(s, entry, outcome.text, is_error=True, duration_ms=_ms(began))
    return outcome


def _error(sentence: str, **extra: Any) -> _Outcome:
    return _Outcome(_text({"error": sentence, **extra}), is_error=True)


def _text(result: Json) -> str:
    return json.dumps(result, ensure_ascii=False)


def _ms(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _log_failure(call: ToolCall, error: Exception) -> None:
    # The type only: the text of a database error repeats the statement's values, which may be a customer's.
    log.error("tool_failed", tool=call.name[:100], error=type(error).__name__)
