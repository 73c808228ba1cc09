"""What tokens cost: genai-prices, and a dated table of our own over it (LLM facts 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
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
# A request nobody counted the tokens of is taken for one of this size: a prompt with tools, policy and a
# conversation, and a text for an answer.
TYPICAL = Usage(input=6_000, output=300)
# The owner's own rows, put over ours: see `use_price_file`.
_local_rows: list[Price] = []


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


def cost_microusd(provider: str, model: str, usage: Usage, *, at: datetime | None = None) -> int | None:
    """What a request cost in micro-USD (a millionth of a dollar), or None when that cannot be known.

    `at` (aware, default now) chooses the price in force. The owner's rows win over ours, ours over genai-prices.
    The formulas are those of LLM facts 3.1: input, cached reads and writes are disjoint here, reasoning is inside
    output. Without a count of cached tokens everything counts as plain input, the highest it can have been.
    """
    cost = _cost(provider, model, usage, at or datetime.now(UTC))
    if cost is None and usage.input is not None and usage.output is not None:
        log.warning("model_price_unknown", provider=provider, model=model)
    return cost


def _cost(provider: str, model: str, usage: Usage, moment: datetime) -> int | None:
    if provider in _FREE:
        return 0
    price = _own_price(_OWN_NAMES.get(provider, provider), model, moment.date())
    if price and not any((price.rates.input, price.rates.output)):
        # A model the owner declares free costs nothing even where its server does not count.
        return 0
    if usage.input is None or usage.output is None:
        return None
    cost = _by_rates(price, usage) if price else _by_package(provider, model, usage, moment)
    return None if cost is None else _whole(cost)


def assumed_microusd(provider: str, usage: Usage, uncounted: int = 0) -> int:
    """What requests of unknown price are taken to have cost, in micro-USD, for a budget only; a report still says
    "unknown".

    `usage` is the sum of the tokens that were counted, `uncounted` the number of requests without any count. The
    rates are the dearest ordinary model's of this provider (prices.yaml, `assumed`), of any vendor for others.
    """
    assumed = _assumed()
    rates = assumed.get(_OWN_NAMES.get(provider, provider)) or assumed["any"]
    size = Usage(
        (usage.input or 0) + uncounted * (TYPICAL.input or 0),
        usage.cache_read,
        usage.cache_write,
        (usage.output or 0) + uncounted * (TYPICAL.output or 0),
    )
    return _whole(_at_rates(rates, size))


def has_price(provider: str, model: str, at: datetime) -> bool:
    """Whether a model's price is known at a moment."""
    return _cost(provider, model, Usage(1, 0, 0, 1), at) is not None


def use_price_file(path: Path) -> None:
    """Put the rows of a file of the owner's over ours, for this process. Raises OSError for a file that cannot be
    read, and ValueError naming what is wrong with its rows."""
    try:
        rows = load_prices(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no table of prices: {type(error).__name__}: {error}") from error
    _local_rows[:] = rows


def _own_price(provider: str, model: str, day: date) -> Price | None:
    return _in_force(provider, model, day, _local_rows) or _in_force(provider, model, day, _table())


def _in_force(provider: str, model: str, day: date, table: Sequence[Price]) -> Price | None:
    plain = _DATED.sub("", model)
    rows = [p for p in table if p.provider == provider and p.model in (model, plain) and p.valid_from <= day]
    return max(rows, key=lambda row: row.valid_from, default=None)


def _by_rates(price: Price, usage: Usage) -> Decimal:
    above = price.high_from is not None and _prompt(usage) > price.high_from
    return _at_rates(price.high if above and price.high is not None else price.rates, usage)


def _at_rates(rates: Rates, usage: Usage) -> Decimal:
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


def _whole(cost: Decimal) -> int:
    return int(cost.to_integral_value(ROUND_HALF_UP))


def _shipped() -> str:
    return resources.files("agent").joinpath("prices.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _table() -> tuple[Price, ...]:
    return load_prices(_shipped())


@lru_cache(maxsize=1)
def _assumed() -> dict[str, Rates]:
    return {row["provider"]: _rates(row) for row in yaml.safe_load(_shipped())["assumed"]}


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
