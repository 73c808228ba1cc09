"""Which model answers: the configured order, retries inside the deadline, then the next provider (LLM facts
4.4, 4.5). A Router lives for one turn; the breaker is shared by all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
import tenacity

from agent.breaker import Breaker
from agent.models.base import Model, ModelReply, ModelRequest, ProviderError, Usage
from agent.models.faults import TRANSIENT
from agent.providers import RoutingSettings, build_models
from agent.usage import Attempt, cost_microusd

__all__ = ["Breaker", "NoModelAvailable", "Router", "RoutingSettings", "build_models"]

log = structlog.get_logger(__name__)

# A model over the network cannot do anything useful in less; rules on this machine need no time at all.
MIN_USEFUL_S = 1.0
LOCAL_PROVIDERS = frozenset({"playbook"})
# While another network provider waits behind it, a hanging one may use up only this part of what is left.
_SHARE = 0.6
_jitter = tenacity.wait_exponential_jitter(multiplier=0.4, max=4.0, jitter=0.4)


class NoModelAvailable(ProviderError):
    """No model of the order could answer. `attempts` holds what was tried, in order."""

    def __init__(self, attempts: Sequence[Attempt], kind: str) -> None:
        reasons = "; ".join(attempt.error or "" for attempt in attempts) or "every provider is being skipped"
        super().__init__(f"No model could answer. {reasons}", kind=kind, provider="router")
        self.attempts = list(attempts)


class Router:
    """Asks the models in order. `switched` tells whether this turn has left the first one; it never goes
    back.

    `max_attempts_per_provider` counts requests of one `answer`. `clock_monotonic` is in seconds.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        clock_monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        max_attempts_per_provider: int = 2,
        breaker: Breaker | None = None,
    ) -> None:
        if not models:
            raise ValueError("a router needs at least one model")
        self._models = list(models)
        self._clock = clock_monotonic
        self._sleep = sleep
        self._max_attempts = max_attempts_per_provider
        self._breaker = breaker or Breaker(clock_monotonic=clock_monotonic)
        self._index = 0

    @property
    def switched(self) -> bool:
        """Whether another model than the first one answers by now."""
        return self._index > 0

    @property
    def model(self) -> Model:
        """The model that answers next."""
        return self._models[self._index]

    def answer(self, request: ModelRequest, deadline_s: float) -> tuple[ModelReply, list[Attempt]]:
        """Answer within `deadline_s` seconds from now; also says what every attempt used.

        Raises NoModelAvailable when all models failed or are skipped. A reply that is cut, refused or empty
        is a reply: what to do about it is the turn's decision.
        """
        end = self._clock() + deadline_s
        attempts: list[Attempt] = []
        for index in range(self._index, len(self._models)):
            self._index = index
            reply = self._try(self._models[index], request, end, attempts)
            if reply is not None:
                return reply, attempts
        kinds = [attempt.error_kind for attempt in attempts if attempt.error_kind]
        raise NoModelAvailable(attempts, kinds[-1] if kinds else TRANSIENT)

    def _try(
        self, model: Model, request: ModelRequest, end: float, attempts: list[Attempt]
    ) -> ModelReply | None:
        local = model.provider in LOCAL_PROVIDERS
        left = end - self._clock()
        if not local and left < MIN_USEFUL_S:
            log.info("provider_passed_over", provider=model.provider, reason="no time left")
            return None
        if not local and not self._breaker.allows(model.provider):
            log.info("provider_passed_over", provider=model.provider, reason="skipped after failures")
            return None
        own_end = end if local or self._is_last_resort() else self._clock() + left * _SHARE
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=_wait,
            stop=lambda state: self._must_stop(state, model, own_end),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, model, request, own_end, attempts)
        except ProviderError as error:
            log.warning("provider_failed", provider=model.provider, model=model.model, kind=error.kind)
            return None

    def _is_last_resort(self) -> bool:
        behind = self._models[self._index + 1 :]
        return all(model.provider in LOCAL_PROVIDERS for model in behind)

    def _must_stop(self, state: tenacity.RetryCallState, model: Model, end: float) -> bool:
        if state.attempt_number >= self._max_attempts or self._breaker.is_open(model.provider):
            return True
        # Waiting for a retry that could not be made any more would only take the time from the next provider.
        return self._clock() + state.upcoming_sleep + MIN_USEFUL_S > end

    def _attempt(
        self, model: Model, request: ModelRequest, end: float, attempts: list[Attempt]
    ) -> ModelReply:
        started = self._clock()
        timeout = max(MIN_USEFUL_S, min(request.timeout_s, end - started))
        try:
            reply = model.answer(replace(request, timeout_s=timeout))
        except ProviderError as error:
            attempts.append(_failed(model, error, self._ms(started)))
            self._breaker.failed(model.provider, error.kind)
            raise
        attempts.append(_succeeded(model, reply, self._ms(started)))
        self._breaker.worked(model.provider)
        return reply

    def _ms(self, started: float) -> int:
        return round((self._clock() - started) * 1000)


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.kind == TRANSIENT


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, ProviderError) else None
    return asked if asked is not None else _jitter(state)


def _succeeded(model: Model, reply: ModelReply, ms: int) -> Attempt:
    requested = reply.requested_model or model.model
    answered = reply.step.model or requested
    cost = cost_microusd(model.provider, answered, reply.usage)
    if cost is None and answered != requested:
        cost = cost_microusd(model.provider, requested, reply.usage)
    return Attempt(
        model.provider, answered, requested, True, None, None, reply.usage, cost, ms, reply.request_id
    )


def _failed(model: Model, error: ProviderError, ms: int) -> Attempt:
    usage = getattr(error, "usage", None) or Usage()
    # A failed answer that reports tokens is billed all the same (LLM facts 3.1).
    cost = cost_microusd(model.provider, model.model, usage) if usage != Usage() else None
    request_id = getattr(error, "request_id", None)
    return Attempt(
        model.provider, model.model, model.model, False, error.kind, str(error), usage, cost, ms, request_id
    )
