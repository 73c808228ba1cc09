"""What a turn came to, and what of it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agent.models.base import Json, Usage
from agent.usage import Attempt


@dataclass
class TurnResult:
    """What a turn came to. `reply` is never empty unless `stopped` says why nothing may be said any more; `hand_off`
    asks the caller to tell a person why; `refused_by` names the providers that refused, for review. `confirms_stop`: the
    reply is the one confirmation of an opt-out. `open_offers`: the times the turn knew that were shown before.
    `language`: the code of the one the customer is answered in."""

    reply: str = ""
    hand_off: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    rounds: int = 0
    provider: str | None = None
    model: str | None = None
    findings: list[str] = field(default_factory=list)
    facts: list[Json] = field(default_factory=list)
    limit: str | None = None
    refused_by: list[str] = field(default_factory=list)
    stopped: str | None = None
    confirms_stop: bool = False
    open_offers: tuple[int, ...] = ()
    language: str | None = None

    def totals(self) -> dict[str, int | None]:
        """Tokens and cost over all attempts; None where a vendor did not say."""
        # A failed attempt that reports tokens was billed all the same (LLM facts 3.1).
        used = [attempt for attempt in self.attempts if attempt.ok or attempt.usage != Usage()]
        return {
            "input_tokens": _sum(_prompt_tokens(attempt.usage) for attempt in used),
            "cached_tokens": _sum(attempt.usage.cache_read for attempt in used),
            "output_tokens": _sum(attempt.usage.output for attempt in used),
            "cost_microusd": _sum(attempt.cost_microusd for attempt in used),
        }


def as_trace(result: TurnResult) -> dict[str, Any]:
    """What is stored with the turn besides its numbers: why drafts were refused, why a person was asked, on which
    fact each statement of the reply rests, which limit was reached, who refused to answer."""
    return {
        "findings": result.findings,
        "hand_off": result.hand_off,
        "facts": result.facts,
        "limits": result.limit,
        "refused_by": result.refused_by,
    }


def _prompt_tokens(usage: Usage) -> int | None:
    """The whole prompt; without a count of cached tokens they are part of the plain input."""
    return None if usage.input is None else usage.input + (usage.cache_read or 0) + (usage.cache_write or 0)


def _sum(counts: Iterable[int | None]) -> int | None:
    """One unknown part makes the whole unknown: it is never counted as nothing."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
