"""How much one turn may use: rounds, calls, seconds, tokens and money (LLM facts 4.3, rule 1).

At a limit the model is asked once more, without tools, so that what was found out still reaches the customer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from agent.models.base import ToolResult, Usage
from agent.usage import Attempt

# Must stay below the margin of the session's lease.
LAST_WORD_S = 8.0
# Requests that may follow the last round: a doubled limit, a nudge, another model.
LAST_WORDS = 3
# Rounds of another model when the first one got nowhere.
SECOND_CHANCE = 4
# What a request counts for when its vendor reports no tokens: it is never taken for nothing.
UNREPORTED_TOKENS = 8_000


@dataclass(frozen=True)
class Limits:
    """The most one turn may use. `tokens` are prompt and answer of every attempt together, `cost_microusd` millionths
    of a dollar; both are far above an ordinary turn and only stop a turn that runs away."""

    rounds: int = 8
    calls: int = 16
    same_failure: int = 3
    tokens: int = 120_000
    cost_microusd: int = 100_000


class Meter:
    """What one turn has used so far. `deadline_s` is in seconds from now."""

    def __init__(self, limits: Limits, deadline_s: float) -> None:
        self._limits = limits
        self._end = monotonic() + deadline_s
        self._failures: dict[tuple[str, str], int] = {}
        self._tokens = 0
        self._cost = 0
        self._most_rounds = limits.rounds
        self.rounds = 0
        self.calls = 0

    def asked(self, attempts: Iterable[Attempt], *, answered: bool) -> None:
        """Count one request with all its attempts; failed ones that report tokens were billed all the same."""
        self.rounds += answered
        for attempt in attempts:
            if attempt.ok or attempt.usage != Usage():
                self._tokens += _tokens(attempt.usage)
                self._cost += attempt.cost_microusd or 0

    def grant(self, wanted: int) -> int:
        """How many of the `wanted` calls may still be made; they are counted, made or not."""
        left = max(0, self._limits.calls - self.calls)
        self.calls += wanted
        return min(wanted, left)

    def failed(self, results: Iterable[ToolResult]) -> None:
        """Remember failures: the same one over and over is no way forward (LLM facts 4.3, rule 3)."""
        for result in results:
            if result.is_error:
                key = (result.name, result.text)
                self._failures[key] = self._failures.get(key, 0) + 1

    def reached(self) -> str | None:
        """The limit that ends the tools of this turn, in a word, or None."""
        limits = self._limits
        spent = {
            "rounds": self.rounds >= self._most_rounds - 1,
            "calls": self.calls > limits.calls,
            "the same failure again": any(n >= limits.same_failure for n in self._failures.values()),
            "seconds": monotonic() >= self._end,
            "tokens": self._tokens >= limits.tokens,
            "money": self._cost >= limits.cost_microusd,
        }
        return next((name for name, over in spent.items() if over), None)

    def exhausted(self) -> bool:
        """Whether not even a last word may be asked for."""
        return self.rounds >= self._most_rounds + LAST_WORDS

    def start_anew(self) -> None:
        """Another model goes on: it gets rounds and calls of its own, but no more time, tokens or money."""
        self._failures.clear()
        self._most_rounds = self.rounds + SECOND_CHANCE
        self.calls = 0

    def left_s(self) -> float:
        """Seconds for the next request. When the time is up, what the tools found is still put into words."""
        left = self._end - monotonic()
        return left if left > LAST_WORD_S else left + LAST_WORD_S


def _tokens(usage: Usage) -> int:
    if usage.input is None or usage.output is None:
        return UNREPORTED_TOKENS
    return usage.input + (usage.cache_read or 0) + (usage.cache_write or 0) + usage.output
