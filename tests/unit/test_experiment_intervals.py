"""The intervals against published numbers, and against their own promise: 95 times in 100."""

from __future__ import annotations

import random
from math import exp

import pytest

from crm.experiments import intervals
from crm.experiments.intervals import Cluster, mean, share, share_difference


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_share_has_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    found = share(count, of)
    assert found is not None
    assert (found.value, round(found.low, 4), round(found.high, 4)) == (count / of, low, high)


def test_all_and_nothing_stay_inside() -> None:
    everything = share(20, 20)
    assert everything is not None
    assert (everything.high, round(everything.low, 4)) == (1.0, 0.8389)
    assert share(0, 0) is None


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        # Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_a_difference_of_shares_has_newcombes_interval(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    found = share_difference(share(*one), share(*other))
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert share_difference(share(1, 2), None) is None


def _costs(rng: random.Random, conversations: int) -> list[Cluster]:
    """Skewed, and alike within a conversation, as costs are. The mean per answer is 1000 x e^0.32."""
    found = []
    for _ in range(conversations):
        level, answers = 1000 * exp(rng.gauss(0, 0.7) + 0.32 - 0.245), rng.randint(1, 6)
        found.append((sum(level * rng.uniform(0.8, 1.2) for _ in range(answers)), answers))
    return found


@pytest.mark.parametrize("normal_from", [500, 0], ids=["redrawn", "normal"])
def test_a_mean_over_conversations_keeps_its_promise(
    monkeypatch: pytest.MonkeyPatch, normal_from: int
) -> None:
    monkeypatch.setattr(intervals, "ENOUGH_FOR_NORMAL", normal_from)
    monkeypatch.setattr(intervals, "DRAWS", 400)
    rng, truth, inside = random.Random(7), 1000 * exp(0.32), 0
    for run in range(300):
        found = mean(_costs(rng, 60), f"{run}")
        assert found is not None
        bounds = found.estimate()
        inside += bounds.low <= truth <= bounds.high
    # 60 skewed conversations are few: a bootstrap is known to be a little short then.
    assert 0.90 <= inside / 300 <= 0.98


def test_a_difference_of_means_keeps_its_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "DRAWS", 400)
    rng, inside = random.Random(8), 0
    for run in range(200):
        one, other = mean(_costs(rng, 60), f"a{run}"), mean(_costs(rng, 60), f"b{run}")
        assert one is not None
        assert other is not None
        bounds = one.minus(other)
        inside += bounds.low <= 0 <= bounds.high
    assert 0.91 <= inside / 200 <= 0.99


def test_the_same_numbers_give_the_same_interval() -> None:
    clusters = _costs(random.Random(1), 40)
    one, again, other = mean(clusters, "x"), mean(clusters, "x"), mean(clusters, "y")
    assert one is not None
    assert again is not None
    assert other is not None
    assert one.estimate() == again.estimate() != other.estimate()
    assert one.value == pytest.approx(sum(t for t, _ in clusters) / sum(n for _, n in clusters))


def test_too_few_say_nothing() -> None:
    assert mean([(5.0, 1)], "x") is None
    assert mean([(5.0, 1), (0.0, 0)], "x") is None
