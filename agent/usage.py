"""What every attempt at a model used and cost (LLM facts 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from importlib import resources
from typing import Any

import genai_prices
import structlog
import yaml

from agent.models.base import Usage

log = structlog.get_logger(__name__)

# Our provider names and those of genai-prices.
_PACKAGE_NAMES = {"claude": "anthropic", "anthropic": "anthropic", "openai": "openai"}
_OWN_NAMES = {"anthropic": "claude"}
# Rules on this machine: truly free, unlike a model whose price is not known.
_FREE = frozenset({"playbook"})
_DATED = re.compile(r"-(20\d{6}|20\d\d-\d\d-\d\d)$")


@dataclass(frozen=True)
class Rates:
    """USD per million tokens, which is the same number in micro-USD per token."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal


@dataclass(frozen=True)
class Price:
    """One row of prices.yaml: `high` applies to the whole request when the prompt exceeds `high_from`
    tokens."""

    provider: str
    model: str
    valid_from: date
    source: str
    rates: Rates
    high_from: int | None = None
    high: Rates | None = None


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


def cost_microusd(provider: str, model: str, usage: Usage, *, at: datetime | None = None) -> int | None:
    """What a request cost in micro-USD (a millionth of a dollar), or None when that cannot be known.

    `at` (aware, default now) chooses the price in force. Our table wins over genai-prices. The formulas are
    those of LLM facts 3.1: input, cached reads and writes are disjoint here, reasoning is inside output.
    Without a count of cached tokens everything counts as plain input, which is the highest it can have been.
    """
    if provider in _FREE:
        return 0
    if usage.input is None or usage.output is None:
        return None
    moment = at or datetime.now(UTC)
    price = _own_price(_OWN_NAMES.get(provider, provider), model, moment.date(), _table())
    cost = _by_rates(price, usage) if price else _by_package(provider, model, usage, moment)
    if cost is None:
        log.warning("model_price_unknown", provider=provider, model=model)
        return None
    return int(cost.to_integral_value(ROUND_HALF_UP))


def _own_price(provider: str, model: str, day: date, table: Sequence[Price]) -> Price | None:
    plain = _DATED.sub("", model)
    rows = [p for p in table if p.provider == provider and p.model in (model, plain) and p.valid_from <= day]
    return max(rows, key=lambda row: row.valid_from, default=None)


def _by_rates(price: Price, usage: Usage) -> Decimal:
    rates = price.rates
    if price.high is not None and price.high_from is not None and _prompt(usage) > price.high_from:
        rates = price.high
    return (
        (usage.input or 0) * rates.input
        + (usage.cache_read or 0) * rates.cache_read
        + (usage.cache_write or 0) * rates.cache_write
        + (usage.output or 0) * rates.output
    )


def _by_package(provider: str, model: str, usage: Usage, moment: datetime) -> Decimal | None:
    known = _PACKAGE_NAMES.get(provider)
    if known is None:
        return None
    # The package wants the whole prompt, with the cached parts as details of it.
    counts = genai_prices.Usage(
        input_tokens=_prompt(usage),
        cache_read_tokens=usage.cache_read or 0,
        cache_write_tokens=usage.cache_write or 0,
        output_tokens=usage.output,
    )
    try:
        found = genai_prices.calc_price(counts, model, provider_id=known, genai_request_timestamp=moment)
    except (LookupError, ValueError):
        return None
    return Decimal(found.total_price) * 1_000_000


def _prompt(usage: Usage) -> int:
    return (usage.input or 0) + (usage.cache_read or 0) + (usage.cache_write or 0)


@lru_cache(maxsize=1)
def _table() -> tuple[Price, ...]:
    return load_prices(resources.files("agent").joinpath("prices.yaml").read_text(encoding="utf-8"))


def load_prices(text: str) -> tuple[Price, ...]:
    """The rows of a price table. Raises KeyError, ValueError or decimal.InvalidOperation naming nonsense."""
    return tuple(_price(row) for row in yaml.safe_load(text)["prices"])


def _price(row: dict[str, Any]) -> Price:
    if not isinstance(row["valid_from"], date):
        raise ValueError(f"valid_from of {row['model']} is not a date")
    above = row.get("above")
    return Price(
        provider=row["provider"],
        model=row["model"],
        valid_from=row["valid_from"],
        source=row["source"],
        rates=_rates(row),
        high_from=int(above["tokens"]) if above else None,
        high=_rates(above) if above else None,
    )


def _rates(row: dict[str, Any]) -> Rates:
    return Rates(*(Decimal(str(row[name])) for name in ("input", "output", "cache_read", "cache_write")))
