"""What every attempt at a model used and cost (LLM facts 3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from agent.models.base import Model, ModelReply, ProviderError, Usage
from agent.pricing import cost_microusd, load_prices

__all__ = ["Attempt", "cost_microusd", "failed_attempt", "load_prices", "succeeded_attempt"]


@dataclass(frozen=True)
class Attempt:
    """One request to one provider, failed ones included; what an attempts table stores.

    `model` is what answered (or was asked, when nothing did). `cost_microusd` None means unknown, never free.
    `ms` is wall time in milliseconds. `error` is fit for an owner and holds no customer text.
    """

    provider: str
    model: str
    requested_model: str
    ok: bool
    error_kind: str | None
    error: str | None
    usage: Usage
    cost_microusd: int | None
    ms: int
    request_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The attempt as plain JSON values, `usage` nested."""
        return asdict(self)


def succeeded_attempt(model: Model, reply: ModelReply, ms: int) -> Attempt:
    """The record of an answer, priced by the model that answered, else by the one that was asked."""
    requested = reply.requested_model or model.model
    answered = reply.step.model or requested
    cost = cost_microusd(model.provider, answered, reply.usage)
    if cost is None and answered != requested:
        cost = cost_microusd(model.provider, requested, reply.usage)
    return Attempt(
        model.provider, answered, requested, True, None, None, reply.usage, cost, ms, reply.request_id
    )


def failed_attempt(model: Model, error: ProviderError, ms: int) -> Attempt:
    """The record of a failure. One that reports tokens is billed all the same (LLM facts 3.1)."""
    usage = getattr(error, "usage", None) or Usage()
    cost = cost_microusd(model.provider, model.model, usage) if usage != Usage() else None
    request_id = getattr(error, "request_id", None)
    return Attempt(
        model.provider, model.model, model.model, False, error.kind, str(error), usage, cost, ms, request_id
    )
