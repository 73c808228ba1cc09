"""The rule that stops harm, played out: how often it cries wolf, how soon it sees a wolf. All from fixed seeds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from crm.experiments.arms import ArmSpec
from crm.experiments.harm import FALSE_STOPS, HARMS, evidence, limit_for, watch
from crm.experiments.outcomes import Conversation

AT = datetime(2026, 11, 23, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Truth:
    """What really happens to a conversation of an arm."""

    stops: float = 0.06
    booked: float = 0.30
    unanswered: float = 0.02


def play(rng: random.Random, weights: list[int], truths: list[Truth], conversations: int) -> int | None:
    """One experiment looked at after every conversation; returns after how many it was stopped, None: never."""
    limit = limit_for(len(weights))
    counts = [[0, 0, 0] for _ in weights]
    for number in range(1, conversations + 1):
        arm = rng.choices(range(len(weights)), weights)[0]
        truth = truths[arm]
        for harm, chance in enumerate((truth.stops, truth.booked, truth.unanswered)):
            counts[arm][harm] += rng.random() < chance
        for other in range(1, len(weights)):
            share = weights[other] / (weights[other] + weights[0])
            for harm, how in enumerate(HARMS):
                if evidence(counts[other][harm], counts[0][harm], share, how.ratios) >= limit:
                    return number
    return None


def stopped(weights: list[int], truths: list[Truth], runs: int, conversations: int) -> list[int]:
    """After how many conversations each stopped one of the runs was stopped."""
    rng = random.Random(20261123)
    ends = [play(rng, weights, truths, conversations) for _ in range(runs)]
    return sorted(end for end in ends if end is not None)


@pytest.mark.parametrize(
    ("weights", "truth", "runs"),
    [
        ([1, 1], Truth(), 400),
        ([9, 1], Truth(), 400),
        ([1, 3], Truth(), 400),
        ([1, 1, 1, 1], Truth(), 150),
        ([1, 1], Truth(stops=0.3, booked=0.6, unanswered=0.3), 200),
    ],
    ids=["even", "careful", "bold", "four arms", "everything happens often"],
)
def test_arms_that_do_not_differ_are_rarely_stopped(weights: list[int], truth: Truth, runs: int) -> None:
    ends = stopped(weights, [truth] * len(weights), runs, 600)
    print(
        f"\nfalse stops {weights}: {len(ends)} of {runs} ({len(ends) / runs:.1%}, promised {FALSE_STOPS:.0%})"
    )
    assert len(ends) / runs <= FALSE_STOPS


@pytest.mark.parametrize(
    ("weights", "bad", "conversations", "at_least"),
    [
        ([1, 1], Truth(stops=0.18), 1000, 0.90),
        ([9, 1], Truth(stops=0.24), 1500, 0.90),
        ([1, 1], Truth(booked=0.15), 1000, 0.90),
        ([1, 1], Truth(unanswered=0.30), 200, 0.95),
        ([1, 1], Truth(stops=0.12), 2000, 0.75),
    ],
    ids=["stops x3", "stops x4 at a tenth", "bookings halved", "model broken", "stops x2"],
)
def test_a_harmful_arm_is_stopped_in_time(
    weights: list[int], bad: Truth, conversations: int, at_least: float
) -> None:
    runs = 100
    ends = stopped(weights, [Truth(), bad], runs, conversations)
    middle = ends[len(ends) // 2] if ends else None
    print(
        f"\nstopped {bad}: {len(ends)} of {runs} by {conversations} conversations, half of them by {middle}"
    )
    assert len(ends) / runs >= at_least


def test_an_arm_that_is_better_is_never_stopped_for_it() -> None:
    assert stopped([1, 1], [Truth(), Truth(stops=0.01, booked=0.5, unanswered=0.0)], 50, 600) == []


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.name)
def test_the_evidence_is_a_bet_at_fair_odds(harm: object) -> None:
    ratios = getattr(harm, "ratios")  # noqa: B009 - the parameter is typed for the ids
    for chance in (0.1, 0.5, 0.75):
        for mine, theirs in ((0, 0), (3, 1), (0, 9), (20, 20)):
            expected = chance * evidence(mine + 1, theirs, chance, ratios)
            expected += (1 - chance) * evidence(mine, theirs + 1, chance, ratios)
            assert expected == pytest.approx(evidence(mine, theirs, chance, ratios))
    assert evidence(0, 0, 0.5, ratios) == 1


def test_evidence_without_end_is_still_a_number() -> None:
    assert 1e290 < evidence(100_000, 0, 0.5, (5.0,)) <= 1e300
    assert evidence(0, 100_000, 0.5, (5.0,)) == 0.0


def talks(
    arm: str, count: int, change: Callable[[Conversation], Conversation], changed: int
) -> list[Conversation]:
    whole = [Conversation(number, arm, AT) for number in range(count)]
    return [change(one) if place < changed else one for place, one in enumerate(whole)]


def test_a_watch_counts_against_the_control_and_says_why() -> None:
    arms = (ArmSpec("control"), ArmSpec("b"), ArmSpec("c"))
    both = [
        *talks("control", 100, lambda one: replace(one, opted_out=True), 2),
        *talks("b", 90, lambda one: replace(one, opted_out=True, complained=True), 30),
        *talks("c", 95, lambda one: replace(one, complained=True), 1),
    ]
    seen = {(one.arm, one.harm): one for one in watch(arms, both)}
    assert len(seen) == 6
    assert {key for key, one in seen.items() if one.stops} == {("b", "stops")}
    assert seen["b", "stops"].limit == pytest.approx(120)
    assert seen["b", "stops"].sentence() == (
        "arm b did harm: 30 of 90 conversations ended in a stop or a complaint, 2 of 100 in the control;"
        " chance alone does this in fewer than 1 of 120 experiments"
    )
