"""Cost in micro-USD (LLM facts 3): a million tokens cost their price per million in dollars, so 1 token is that in
micro-dollars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent import pricing
from agent.models.base import Usage
from agent.pricing import TYPICAL, assumed_microusd, use_price_file
from agent.usage import Attempt, cost_microusd, load_prices

AT = datetime(2026, 11, 22, tzinfo=UTC)

# LLM facts 3.2 (in, out, written, read), stated 2026-11-22; None where no such price is published.
FACTS = [
    ("claude", "claude-sonnet-5-5", 2, 10, 2.5, 0.1),
    ("claude", "claude-haiku-5-5", 0.1, 0.5, 0.125, 0.01),
    ("claude", "claude-opus-5-5", 4, 20, 5, 0.2),
    ("claude", "claude-sonnet-5", 2, 10, 2.5, 0.2),
    ("claude", "claude-haiku-4-5", 1, 5, 1.25, 0.1),
    ("claude", "claude-sonnet-4-5", 3, 15, 3.75, 0.3),
    ("openai", "gpt-6-luna", 0.1, 0.5, 0.125, 0.01),
    ("openai", "gpt-6-sol", 2, 10, 2.5, 0.2),
    ("openai", "gpt-6.1-sol", 2, 10, 2.5, 0.1),
    ("openai", "gpt-6.2-sol", 2, 10, 2.5, 0.1),
    ("openai", "gpt-6.1-terra", 1, 5, None, 0.05),
    ("openai", "gpt-5.6-luna", 0.2, 1.2, 0.25, 0.02),
    ("openai", "gpt-5.6-terra", 2, 12, 2.5, 0.2),
    ("openai", "gpt-5.6-sol", 4, 20, 5, 0.4),
    ("openai", "gpt-5.4-mini", 0.75, 4.5, None, 0.075),
    ("openai", "gpt-4o", 2.5, 10, None, 1.25),
    ("openai", "gpt-4o-mini", 0.15, 0.6, None, 0.075),
]


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row[1])
def test_prices_are_those_of_the_facts(row: Any) -> None:
    provider, model, price_in, price_out, price_written, price_read = row
    n = 10_000
    assert cost_microusd(provider, model, Usage(n, 0, 0, 0), at=AT) == round(n * price_in)
    assert cost_microusd(provider, model, Usage(0, 0, 0, n), at=AT) == round(n * price_out)
    assert cost_microusd(provider, model, Usage(0, n, 0, 0), at=AT) == round(n * price_read)
    if price_written is not None:
        assert cost_microusd(provider, model, Usage(0, 0, n, 0), at=AT) == round(n * price_written)


def test_counts_are_disjoint_and_added_up() -> None:
    # 2000 * 0.1 + 1000 * 0.01 + 4000 * 0.125 + 600 * 0.5
    assert cost_microusd("claude", "claude-haiku-5-5", Usage(2000, 1000, 4000, 600), at=AT) == 1010
    assert cost_microusd("claude", "claude-haiku-5-5-20261007", Usage(2000, 1000, 4000, 600), at=AT) == 1010
    assert cost_microusd("anthropic", "claude-haiku-5-5", Usage(2000, 1000, 4000, 600), at=AT) == 1010
    assert cost_microusd("openai", "gpt-6-luna", Usage(2000, None, None, 600), at=AT) == 500


@pytest.mark.parametrize(
    ("provider", "model", "usage", "expected"),
    [
        # A large prompt is dearer as a whole: 50 000 new and 60 000 cached tokens are over 100 000.
        (
            "claude",
            "claude-haiku-5-5",
            Usage(50_000, 60_000, 0, 100),
            50_000 * 0.5 + 60_000 * 0.05 + 100 * 2.5,
        ),
        ("openai", "gpt-6-luna", Usage(300_000, 0, 0, 100), 300_000 * 0.2 + 100 * 0.75),
        ("openai", "gpt-6.2-sol-2026-11-17", Usage(272_000, 0, 0, 0), 544_000),
        ("openai", "gpt-6.2-sol-2026-11-17", Usage(272_001, 0, 0, 100), 272_001 * 4 + 1500),
    ],
)
def test_large_prompts_have_their_tier(provider: str, model: str, usage: Usage, expected: float) -> None:
    assert cost_microusd(provider, model, usage, at=AT) == round(expected)


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("claude", "claude-unheard-of", Usage(1, 0, 0, 1)),
        ("openai-compatible", "gpt-6-luna", Usage(1, 0, 0, 1)),
        ("openai", "gpt-6-luna", Usage()),
        ("openai", "gpt-6-luna", Usage(input=1)),
        ("openai", "gpt-6.2-sol", Usage(output=1)),
    ],
)
def test_what_is_not_known_is_never_free(provider: str, model: str, usage: Usage) -> None:
    assert cost_microusd(provider, model, usage, at=AT) is None


def test_rules_on_this_machine_are_free() -> None:
    assert cost_microusd("playbook", "playbook", Usage()) == 0


def test_a_price_has_a_beginning() -> None:
    assert (
        cost_microusd("openai", "gpt-6.2-sol", Usage(10, 0, 0, 0), at=datetime(2026, 11, 16, tzinfo=UTC))
        is None
    )


ROW = """
prices:
  - {provider: p, model: m, valid_from: %s, source: s, input: 1, output: 2, cache_read: "0.1", cache_write: 1}
"""


def test_price_rows_are_checked() -> None:
    (row,) = load_prices(ROW % "2026-01-01")
    assert str(row.rates.cache_read) == "0.1"
    with pytest.raises(ValueError, match="valid_from of m"):
        load_prices(ROW % "soon")
    with pytest.raises(KeyError):
        load_prices("prices: [{provider: p, model: m, valid_from: 2026-01-01}]")


def test_an_attempt_is_plain_json() -> None:
    attempt = Attempt("claude", "m", "m", False, "transient", "busy", Usage(1, 2, 3, 4), None, 12, "req")
    stored = json.loads(json.dumps(attempt.as_json()))
    assert stored["usage"] == {"input": 1, "cache_read": 2, "cache_write": 3, "output": 4, "thinking": None}
    assert stored["cost_microusd"] is None
    assert stored["request_id"] == "req"


def test_what_is_not_known_has_an_estimate_for_budgets_only() -> None:
    assert assumed_microusd("claude", Usage(1000, 0, 0, 100)) == 1000 * 4 + 100 * 20
    assert assumed_microusd("openai", Usage(0, 1000, 1000, 0)) == round(1000 * 0.4 + 1000 * 5)
    assert assumed_microusd("a server of one's own", Usage(1000, None, None, None)) == 4000
    uncounted = assumed_microusd("claude", Usage(), uncounted=2)
    assert uncounted == 2 * ((TYPICAL.input or 0) * 4 + (TYPICAL.output or 0) * 20)


@pytest.fixture
def own_file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "prices.yaml"
    pricing._local_rows.clear()


def test_the_owners_rows_win_and_can_make_a_server_free(own_file: Path) -> None:
    free = "{provider: openai-compatible, model: qwen, valid_from: 2026-01-01, source: own machine," \
        " input: 0, output: 0, cache_read: 0, cache_write: 0}"  # fmt: skip
    dearer = "{provider: claude, model: claude-haiku-5-5, valid_from: 2026-01-01, source: contract," \
        " input: 7, output: 1, cache_read: 1, cache_write: 1}"  # fmt: skip
    own_file.write_text(f"prices: [{free}, {dearer}]")
    use_price_file(own_file)
    assert cost_microusd("openai-compatible", "qwen", Usage()) == 0
    assert cost_microusd("claude", "claude-haiku-5-5", Usage(10, 0, 0, 0), at=AT) == 70
    assert cost_microusd("claude", "claude-sonnet-5-5", Usage(10, 0, 0, 0), at=AT) == 20


def test_a_file_of_nonsense_is_refused_by_name(own_file: Path) -> None:
    for text in ("prices: [{model: x}]", ": : :", "[]"):
        own_file.write_text(text)
        with pytest.raises(ValueError, match=r"prices\.yaml is no table of prices"):
            use_price_file(own_file)
    with pytest.raises(OSError, match="No such file"):
        use_price_file(own_file.with_name("missing.yaml"))
