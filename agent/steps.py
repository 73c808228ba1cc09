"""The calls of one step: reads beside each other, writes alone and in order, one result per call (LLM facts 4.3,
rules 4 and 5)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from itertools import pairwise
from time import monotonic

from agent.models.base import AssistantStep, Item, ToolCall, ToolResult, ToolResults
from agent.tools.base import Toolbox, ToolContext

# Few, because each takes a database connection beside the turn's own; a turn that finds none free reads by itself.
READERS = 4
# Above the database's own limit for a statement, so that this is only for what the database does not end.
READ_TIMEOUT_S = 20.0
TOO_MANY = "Too many calls in this turn; this one was not made. Answer now."
TOO_SLOW = "This took too long and was given up. Answer without it or hand off to a person."
NOT_MADE = "This call was not made: {why}."

_pool = ThreadPoolExecutor(READERS, thread_name_prefix="tool-reader")
_free = threading.BoundedSemaphore(READERS)

Watch = Callable[[], str | None]
"""Why the turn must not go on, or None; asked before anything is done."""


def run_calls(
    toolbox: Toolbox, ctx: ToolContext, calls: Sequence[ToolCall], *, allowed: int, watch: Watch
) -> tuple[tuple[ToolResult, ...], str | None]:
    """Results of all calls in call order, and why the turn has to stop, if it has to.

    Only the first `allowed` calls are made. A write waits for the reads before it and is over before what follows it;
    `watch` is asked before each of these groups, and once it gives a reason nothing more is made.
    """
    writes = _writes(toolbox)
    results: list[ToolResult] = []
    stop: str | None = None
    for group in _groups(calls[:allowed], writes):
        stop = stop or watch()
        if stop:
            results += [_error(call, NOT_MADE.format(why=stop)) for call in group]
        else:
            results += _together(toolbox, ctx, group)
    results += [_error(call, TOO_MANY) for call in calls[allowed:]]
    return tuple(results), stop


def with_new_ids(step: AssistantStep, items: Sequence[Item]) -> AssistantStep:
    """The step with ids that no call of the conversation has yet: some servers start counting anew with every
    answer, and a result must belong to one call only."""
    used = {call.id for item in items if isinstance(item, AssistantStep) for call in item.calls}
    calls: list[ToolCall] = []
    for call in step.calls:
        call_id, number = call.id, len(used)
        while call_id in used:
            call_id, number = f"{call.id}_{number}", number + 1
        used.add(call_id)
        calls.append(ToolCall(call_id, call.name, call.arguments, call.raw_arguments))
    if tuple(calls) == step.calls:
        return step
    # The vendor's own blocks hold the old ids; replaying them would bring the clash back.
    return AssistantStep(step.text, tuple(calls), step.provider, step.model)


def effects_of(items: Sequence[Item], toolbox: Toolbox) -> list[Item]:
    """The steps, with their results, in which a write succeeded."""
    writes = _writes(toolbox)
    kept: list[Item] = []
    for step, results in pairwise(items):
        if isinstance(results, ToolResults) and any(
            one.name in writes and not one.is_error for one in results.results
        ):
            kept += [step, results]
    return kept


def _writes(toolbox: Toolbox) -> frozenset[str]:
    return frozenset(spec.name for spec in toolbox.specs() if spec.write)


def _groups(calls: Sequence[ToolCall], writes: frozenset[str]) -> list[list[ToolCall]]:
    groups: list[list[ToolCall]] = []
    for call in calls:
        if groups and call.name not in writes and groups[-1][-1].name not in writes:
            groups[-1].append(call)
        else:
            groups.append([call])
    return groups


def _together(toolbox: Toolbox, ctx: ToolContext, calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Reads at once, as far as readers are free; the last one is made by the turn's own thread."""
    begun = [_begin(toolbox, ctx, call) for call in calls[:-1]]
    last = toolbox.run(ctx, calls[-1])
    end = monotonic() + READ_TIMEOUT_S
    return [_ended(one, call, end) for one, call in zip(begun, calls, strict=False)] + [last]


def _begin(toolbox: Toolbox, ctx: ToolContext, call: ToolCall) -> Future[ToolResult] | ToolResult:
    if not toolbox.parallel or not _free.acquire(blocking=False):
        return toolbox.run(ctx, call)
    future = _pool.submit(toolbox.run, ctx, call)
    future.add_done_callback(lambda _: _free.release())
    return future


def _ended(one: Future[ToolResult] | ToolResult, call: ToolCall, end: float) -> ToolResult:
    if isinstance(one, ToolResult):
        return one
    try:
        return one.result(max(0.0, end - monotonic()))
    except NotInTime:
        return _error(call, TOO_SLOW)


def _error(call: ToolCall, sentence: str) -> ToolResult:
    return ToolResult(call.id, call.name, json.dumps({"error": sentence}), is_error=True)
