"""What a conversation that ends in a booking reads, has cached and costs, on the vendors' stand-ins with their caches.

Twice for each model: the customer answers within the cache's five minutes, and every answer takes longer than any cache
lives, so that the first request of each turn finds nothing. Both begin with nothing cached. Tokens are the stand-ins'
(four characters each) and the prices those of agent/pricing on the conversation's day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from agent.models.base import Model, Usage
from agent.models.claude import ClaudeModel
from agent.models.openai import OpenAIModel
from agent.pricing import cost_microusd
from crm.models import Appointment, ChatSession, ModelAttempt
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.bench.agent_shop import NOW, BenchShop
from tests.bench.agent_talk import CONVERSATION, talk
from tests.bench.harness import Row
from tests.runtimes import FakeSender, runtime_for
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.anthropic_cache import PromptCache
from tests.standins.openai import OpenAIStandIn

KEY = "bench-key"
CUSTOMERS_FROM = 20_000
SMALL, LARGE = 0.001, 0.005
MODELS = (
    ("claude", "claude-haiku-5-5", SMALL),
    ("openai", "gpt-6-luna", SMALL),
    ("claude", "claude-sonnet-5-5", LARGE),
    ("openai", "gpt-6.2-sol", LARGE),
)


@dataclass(frozen=True)
class _Talked:
    """The requests of one conversation."""

    provider: str
    model: str
    usages: tuple[Usage, ...]

    @property
    def prompt(self) -> int:
        """Tokens read by the model, cached or not."""
        return sum((u.input or 0) + (u.cache_read or 0) + (u.cache_write or 0) for u in self.usages)

    @property
    def cached(self) -> float:
        """The share of these that came out of the cache."""
        return sum(u.cache_read or 0 for u in self.usages) / self.prompt

    @property
    def dollars(self) -> float:
        """What the conversation cost."""
        costs = [cost_microusd(self.provider, self.model, usage, at=NOW) for usage in self.usages]
        if None in costs:
            raise RuntimeError(f"the price of {self.model} is not known")
        return sum(cost or 0 for cost in costs) / 1_000_000


def tokens_and_cost(shop: BenchShop, say: Callable[[str], None]) -> list[Row]:
    """Tokens per turn for each vendor, dollars per message for each model."""
    tokens: list[Row] = []
    costs: list[Row] = []
    for number, (provider, model, target) in enumerate(MODELS):
        for lasting, gap in ((True, timedelta(seconds=20)), (False, timedelta(minutes=30))):
            talked = _talk(shop, provider, model, CUSTOMERS_FROM + 2 * number + (not lasting), gap, lasting)
            when = "warm" if lasting else "cold"
            each = talked.dollars / len(CONVERSATION)
            say(f"{model}, {when}: {talked.prompt} tokens, {talked.cached:.0%} cached, ${talked.dollars:.5f}")
            if target == SMALL:
                tokens.append(_tokens_row(talked, when))
            costs.append(
                Row(
                    f"{model}, {when} cache: a message",
                    f"{each:.6f}",
                    "$",
                    f"a booking ${talked.dollars:.5f}",
                    round(each / target, 3),
                    f"< ${target:g}",
                    each < target,
                )
            )
    return tokens + costs


def _tokens_row(talked: _Talked, when: str) -> Row:
    per_turn = talked.prompt / len(CONVERSATION)
    beside = f"{talked.cached:.0%} of it cached; {len(talked.usages)} requests in {len(CONVERSATION)} turns"
    name = f"input per turn, {talked.provider}, {when} cache"
    return Row(name, f"{per_turn:.0f}", "tokens", beside, None, "", None)


def _talk(shop: BenchShop, provider: str, name: str, customer: int, gap: timedelta, lasting: bool) -> _Talked:
    clock = FixedClock(NOW)
    with AnthropicStandIn(KEY, talk) if provider == "claude" else OpenAIStandIn(KEY, talk) as vendor:
        models = [_model(vendor, name)]
        with runtime_for(shop.database, shop.redis_url, clock, models=models, sms=FakeSender()) as runtime:
            shop.clear_week(runtime)
            for words, _ in CONVERSATION:
                if not lasting:
                    _forget(vendor)
                clock.advance(gap)
                session_id = shop.hear(runtime, words, customer)
                clock.advance(timedelta(seconds=20))
                outcome = jobs.answer(runtime, shop.tenant_id, str(session_id))
                if outcome != "done":
                    raise RuntimeError(f"a turn of the benchmark ended as {outcome}: {words}")
            return _Talked(provider, name, _usages(shop, runtime, session_id))


def _model(vendor: AnthropicStandIn | OpenAIStandIn, name: str) -> Model:
    if isinstance(vendor, AnthropicStandIn):
        return ClaudeModel(KEY, name, vendor.url)
    return OpenAIModel(KEY, name, vendor.url + "/v1")


def _forget(vendor: AnthropicStandIn | OpenAIStandIn) -> None:
    if isinstance(vendor, AnthropicStandIn):
        vendor.cache = PromptCache()
    else:
        vendor.forget()


def _usages(shop: BenchShop, runtime: Runtime, session_id: int) -> tuple[Usage, ...]:
    """What each request used. Raises RuntimeError unless it was this conversation, and it was booked."""
    with runtime.db.tenant(shop.tenant_id) as session:
        attempts = session.scalars(
            select(ModelAttempt).where(ModelAttempt.session_id == session_id).order_by(ModelAttempt.id)
        ).all()
        lead_id = session.get_one(ChatSession, session_id).lead_id
        booked = session.scalars(select(Appointment.id).where(Appointment.lead_id == lead_id)).all()
    if len(booked) != 1 or len(attempts) != sum(requests for _, requests in CONVERSATION):
        raise RuntimeError(f"{len(attempts)} requests and {len(booked)} bookings: not the conversation meant")
    return tuple(
        Usage(one.input_tokens, one.cached_tokens, one.written_tokens, one.output_tokens) for one in attempts
    )
