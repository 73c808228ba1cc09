"""A circuit breaker per provider, shared by all turns of a process (LLM facts 4.5, last line)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agent.models.faults import MISCONFIGURED, PERMANENT

log = structlog.get_logger(__name__)


@dataclass
class _State:
    failures: int = 0
    closed_again_at: float | None = None
    kind: str | None = None


@dataclass(frozen=True)
class BreakerStatus:
    """What the breaker knows of one key. `seconds_left`: until the next trial; 0 when it is not being skipped."""

    failures: int = 0
    seconds_left: float = 0.0
    kind: str | None = None

    @property
    def skipping(self) -> bool:
        """Whether requests are passed over at this moment."""
        return self.seconds_left > 0


class Breaker:
    """Skips a provider for a while after `threshold` failures in a row, so that texts do not wait for it one
    by one.

    A misconfigured provider (key, credit, model name) is skipped at once, and longer. After the cool-down one
    request is let through as a trial; the others keep skipping until it has worked. Times are seconds;
    thread-safe. Keys are provider names, or "provider/model" for what is wrong with one model only.
    """

    def __init__(
        self,
        threshold: int = 3,
        cool_down_s: float = 30.0,
        misconfigured_cool_down_s: float = 300.0,
        clock_monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._cool_down_s = cool_down_s
        self._misconfigured_s = misconfigured_cool_down_s
        self._clock = clock_monotonic
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}

    def allows(self, provider: str) -> bool:
        """Whether a request may be made now. True after a cool-down claims the trial for the caller."""
        with self._lock:
            state = self._states.setdefault(provider, _State())
            if state.closed_again_at is None:
                return True
            if self._clock() < state.closed_again_at:
                return False
            # Should the trial never report back, the next one is due after another cool-down.
            state.closed_again_at = self._clock() + self._cool_down_s
            return True

    def allows_all(self, keys: Sequence[str]) -> bool:
        """Whether a request may be made that depends on all these keys, asked in order up to the first no."""
        return all(self.allows(key) for key in keys)

    def all_worked(self, keys: Sequence[str]) -> None:
        """Report one answered request to all its keys."""
        for key in keys:
            self.worked(key)

    def is_open(self, provider: str) -> bool:
        """Whether the provider is being skipped; for health checks, claims nothing."""
        return self.status(provider).skipping

    def status(self, provider: str) -> BreakerStatus:
        """The state of one key; claims nothing."""
        with self._lock:
            state = self._states.get(provider, _State())
            left = 0.0 if state.closed_again_at is None else max(0.0, state.closed_again_at - self._clock())
            return BreakerStatus(state.failures, left, state.kind)

    def worked(self, provider: str) -> None:
        """Report an answered request."""
        with self._lock:
            self._states[provider] = _State()

    def failed(self, provider: str, kind: str) -> None:
        """Report a ProviderError of `kind`. A permanent one says nothing against the provider: it did
        answer."""
        if kind == PERMANENT:
            self.worked(provider)
            return
        with self._lock:
            state = self._states.setdefault(provider, _State())
            state.failures += 1
            state.kind = kind
            pause = self._pause(kind, state.failures)
            if pause:
                # A late failure of another thread must not shorten a longer pause.
                state.closed_again_at = max(state.closed_again_at or 0.0, self._clock() + pause)
                log.warning("provider_skipped", provider=provider, kind=kind, seconds=pause)

    def _pause(self, kind: str, failures: int) -> float:
        """Seconds to skip after this failure; 0 for none."""
        if kind == MISCONFIGURED:
            return self._misconfigured_s
        return self._cool_down_s if failures >= self._threshold else 0.0
