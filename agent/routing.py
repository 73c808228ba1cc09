"""Which model answers: the configured order, retries inside the deadline, then the next provider (LLM facts
4.4, 4.5). A Router lives for one turn; the breaker is shared by all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import structlog
import tenacity

from agent.breaker import Breaker
from agent.models.base import Model, ModelReply, ModelRequest, ProviderError
from agent.models.faults import TRANSIENT, Reason, VendorFault
from agent.providers import LOCAL_PROVIDERS, Pool, RoutingSettings, build_models
from agent.usage import Attempt, failed_attempt, succeeded_attempt

__all__ = ["Breaker", "NoModelAvailable", "Pool", "Router", "RoutingSettings", "breaker_keys", "build_models"]

log = structlog.get_logger(__name__)

# A model over the network cannot do anything useful in less; rules on this machine need no time at all.
MIN_USEFUL_S = 1.0
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

    `max_attempts_per_provider` counts requests of one `answer`. `clock_monotonic` is in seconds. What only waits, for a
    model over the network or for the next attempt, happens within `waiting`.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        clock_monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        max_attempts_per_provider: int = 2,
        breaker: Breaker | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        if not models:
            raise ValueError("a router needs at least one model")
        self._models = list(models)
        self._clock = clock_monotonic
        self._sleep = sleep
        self._max_attempts = max_attempts_per_provider
        self._breaker = breaker or Breaker(clock_monotonic=clock_monotonic)
        self._waiting = waiting
        self._index = 0
        # Once a conversation was too long it stays trimmed: the next round, and another model, see it no longer.
        self._too_long = False

    @property
    def switched(self) -> bool:
        """Whether another model than the first one answers by now."""
        return self._index > 0

    @property
    def model(self) -> Model:
        """The model that answers next."""
        return self._models[self._index]

    def leave(self) -> bool:
        """Do not ask the current model again in this turn, e.g. after a refusal; the next one of the order answers
        from now on. False, and nothing changes, when there is none behind it."""
        if self._index + 1 >= len(self._models):
            return False
        log.info("provider_left", provider=self.model.provider, model=self.model.model)
        self._index += 1
        return True

    def answer(self, request: ModelRequest, deadline_s: float) -> tuple[ModelReply, list[Attempt]]:
        """Answer within `deadline_s` seconds from now; also says what every attempt used.

        Raises NoModelAvailable when all models failed or are skipped. A reply that is cut, refused or empty
        is a reply: what to do about it is the turn's decision. A request that is too long for a model is asked once
        more without the older half of the conversation.
        """
        end = self._clock() + deadline_s
        attempts: list[Attempt] = []
        if self._too_long:
            request = request.trimmed()
        for index in range(self._index, len(self._models)):
            self._index = index
            reply, request = self._try_fitting(request, end, attempts)
            if reply is not None:
                return reply, attempts
        kinds = [attempt.error_kind for attempt in attempts if attempt.error_kind]
        raise NoModelAvailable(attempts, kinds[-1] if kinds else TRANSIENT)

    def _try_fitting(
        self, request: ModelRequest, end: float, attempts: list[Attempt]
    ) -> tuple[ModelReply | None, ModelRequest]:
        """What the current model says, and the request as it is to be put to the next one."""
        answer = self._try(self.model, request, end, attempts)
        if isinstance(answer, ModelReply):
            return answer, request
        if answer is None or getattr(answer, "reason", None) is not Reason.TOO_LONG or self._too_long:
            return None, request
        shorter = request.trimmed()
        if shorter is request:
            return None, request
        self._too_long = True
        again = self._try(self.model, shorter, end, attempts)
        return (again if isinstance(again, ModelReply) else None), shorter

    def _try(
        self, model: Model, request: ModelRequest, end: float, attempts: list[Attempt]
    ) -> ModelReply | ProviderError | None:
        """The reply, the error the last attempt ended with, or None when the model was passed over."""
        local = model.provider in LOCAL_PROVIDERS
        left = end - self._clock()
        if not local and left < MIN_USEFUL_S:
            log.info("provider_passed_over", provider=model.provider, reason="no time left")
            return None
        if not local and not self._breaker.allows_all(tuple(reversed(breaker_keys(model)))):
            log.info("provider_passed_over", provider=model.provider, reason="skipped after failures")
            return None
        own_end = end if local or self._is_last_resort() else self._clock() + left * _SHARE
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=_wait,
            stop=lambda state: self._must_stop(state, model, own_end),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return retrying(self._attempt, model, request, own_end, attempts)
        except ProviderError as error:
            log.warning("provider_failed", provider=model.provider, model=model.model, kind=error.kind)
            return error

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
        timeout = max(MIN_USEFUL_S, min(request.timeout_s, end - self._clock()))
        try:
            with nullcontext() if model.provider in LOCAL_PROVIDERS else self._waiting():
                started = self._clock()
                try:
                    reply = model.answer(replace(request, timeout_s=timeout))
                finally:
                    # The model's own time: `waiting` may take a moment to come to its end.
                    ms = round((self._clock() - started) * 1000)
        except ProviderError as error:
            attempts.append(failed_attempt(model, error, ms))
            self._report(model, error)
            raise
        attempts.append(succeeded_attempt(model, reply, ms))
        self._report(model, None)
        return reply

    def _pause(self, seconds: float) -> None:
        with self._waiting():
            self._sleep(seconds)

    def _report(self, model: Model, error: ProviderError | None) -> None:
        if model.provider in LOCAL_PROVIDERS:
            return
        provider, of_model = breaker_keys(model)
        if error is None:
            self._breaker.all_worked((provider, of_model))
        # One tenant's misspelt model name must not take the provider from all the others.
        elif isinstance(error, VendorFault) and error.reason is Reason.MODEL:
            self._breaker.worked(provider)
            self._breaker.failed(of_model, error.kind)
        else:
            self._breaker.failed(provider, error.kind)


def breaker_keys(model: Model) -> tuple[str, str]:
    """Under which names the breaker keeps a model: its provider, and the model itself."""
    return model.provider, f"{model.provider}/{model.model}"


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.kind == TRANSIENT


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, ProviderError) else None
    return asked if asked is not None else _jitter(state)
