"""Dates on which models stop (LLM facts 1.10, 2.9)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from anthropic.resources.messages.messages import DEPRECATED_MODELS

from agent.models.lifecycle import retirement, small_model, warning
from agent.pricing import has_price
from ops.settings import Settings

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("claude", "claude-sonnet-4-5", "stops answering on 2026-11-30; use claude-sonnet-5-5 instead"),
        ("claude", "claude-sonnet-4-5-20250929", "stops answering on 2026-11-30"),
        ("openai", "gpt-5-mini", "stops answering on 2026-12-11"),
        ("openai", "o1", "stopped answering on 2026-10-23"),
        ("openai", "gpt-4o", None),
        ("claude", "claude-haiku-5-5", None),
        ("openai-compatible", "gpt-5", None),
    ],
)
def test_a_warning_comes_a_month_before(provider: str, model: str, expected: str | None) -> None:
    found = warning(provider, model, TODAY)
    assert (found is None) == (expected is None)
    assert (expected or "") in (found or "")


def test_a_dated_name_has_its_own_date_where_it_is_listed() -> None:
    listed, family = retirement("openai", "gpt-4o-2024-05-13"), retirement("openai", "gpt-4o-2024-11-20")
    assert listed is not None
    assert family is not None
    assert (listed.on, family.on) == (date(2026, 10, 23), date(2027, 1, 14))


def test_the_table_agrees_with_the_vendors_own_package() -> None:
    for model, text in DEPRECATED_MODELS.items():
        known = retirement("claude", model)
        if known is None:
            continue
        month, day, year = text.replace(",", "").split()
        told = datetime.strptime(f"{month} {day[:-2]} {year}", "%B %d %Y").replace(tzinfo=UTC)
        assert known.on == told.date(), model
    assert all(
        retirement("claude", m)
        for m in DEPRECATED_MODELS
        if DEPRECATED_MODELS[m].endswith("2026") and m[7] != "3"
    )


def test_what_we_ship_and_advise_lives_and_has_a_price() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    defaults = Settings.model_fields
    shipped = [("claude", defaults["anthropic_model"].default), ("openai", defaults["openai_model"].default)]
    for provider in ("claude", "openai"):
        small = small_model(provider)
        assert small is not None
        shipped.append((provider, small))
    for provider, model in shipped:
        assert warning(provider, model, TODAY) is None
        assert has_price(provider, model, at)
    assert small_model("openai-compatible") is None
