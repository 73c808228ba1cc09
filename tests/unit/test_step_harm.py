"""When a step of a plan does harm: what is needed, what is not enough, and how seldom chance alone does it."""

from __future__ import annotations

import random

import pytest

from crm.step_harm import StepCount, harmful
from crm.tenants import TenantSettings

SETTINGS = TenantSettings()
REST = [StepCount("default", step, "sms", 400, 4, 1) for step in (2, 3, 4)]


def judged(sent: int, stops: int, rest: list[StepCount] | None = None, **settings: object) -> list[int]:
    """The steps found harmful when step 9 stands beside the rest."""
    counts = [*(REST if rest is None else rest), StepCount("default", 9, "sms", sent, stops, 1)]
    return [one.count.step for one in harmful(counts, TenantSettings.model_validate(settings))]


@pytest.mark.parametrize(
    ("sent", "stops", "found"),
    [
        (200, 20, [9]),
        (200, 2, []),
        (49, 20, []),
        (50, 20, [9]),
        (50, 3, []),
        (1000, 29, []),
        (1000, 30, [9]),
    ],
)
def test_counts_shares_and_evidence(sent: int, stops: int, found: list[int]) -> None:
    assert judged(sent, stops) == found


def test_a_business_may_set_what_is_worth_it() -> None:
    assert judged(1000, 29, harmful_least_percent=2.5) == [9]
    assert judged(49, 20, harmful_least_sent=20) == [9]
    assert judged(200, 20, harmful_least_stops=21) == []


def test_it_is_compared_with_its_own_channel() -> None:
    mails = [StepCount("default", 5, "email", 5000, 0, 1)]
    assert judged(200, 8, mails) == []
    assert judged(200, 8, []) == []
    other_plan = [StepCount("reactivation", 2, "sms", 1200, 3, 1)]
    assert judged(200, 8, other_plan) == [9]


def test_where_as_many_stop_as_carriers_put_up_with_no_step_is_to_blame() -> None:
    assert judged(200, 8, [StepCount("default", 2, "sms", 1200, 48, 1)]) == []
    assert judged(200, 8, [StepCount("default", 2, "sms", 1200, 40, 1)]) == []
    assert judged(200, 12, [StepCount("default", 2, "sms", 1200, 48, 1)]) == [], "that may be chance"


def test_more_than_carriers_put_up_with_is_harm_whatever_the_others_do() -> None:
    assert sorted(judged(200, 20, [StepCount("default", 2, "sms", 1200, 120, 1)])) == [2, 9]
    assert judged(200, 20, [StepCount("default", 5, "email", 5000, 0, 1)]) == [9]
    (alone,) = harmful([StepCount("default", 9, "sms", 200, 20, 1)], SETTINGS)
    assert alone.sentence() == (
        "20 of 200 people (10.0%) said stop after step 9 of the plan default by text, carriers suspend senders above 4%"
    )


def test_the_worst_comes_first_and_says_how_many() -> None:
    counts = [*REST, StepCount("default", 8, "sms", 400, 44, 1), StepCount("default", 9, "sms", 400, 60, 1)]
    found = harmful(counts, SETTINGS)
    assert [one.count.step for one in found] == [9, 8]
    assert found[0].sentence() == (
        "60 of 400 people (15.0%) said stop after step 9 of the plan default by text, 56 of 1600 (3.5%) after the other"
        " touches by text"
    )


def test_chance_alone_seldom_stops_a_step_however_often_one_looks() -> None:
    """Six equal steps, 4 % of stops, looked at again and again over 2,400 touches: at most 5 businesses in 100."""
    rng = random.Random(8)
    wrong, businesses = 0, 150
    for _ in range(businesses):
        sent, stops = [0] * 6, [0] * 6
        for touch in range(2400):
            step = rng.choices(range(6), (6, 5, 4, 3, 2, 1))[0]
            sent[step] += 1
            stops[step] += rng.random() < 0.04
            if touch % 20 == 0 and harmful(
                [StepCount("p", n, "sms", sent[n], stops[n], 1) for n in range(6)], SETTINGS
            ):
                wrong += 1
                break
    assert wrong / businesses <= 0.05


def test_real_harm_is_found_soon() -> None:
    rng, needed = random.Random(9), []
    for _ in range(60):
        sent, stops = [0] * 6, [0] * 6
        for _ in range(4000):
            step = rng.randrange(6)
            sent[step] += 1
            stops[step] += rng.random() < (0.10 if step == 3 else 0.01)
            found = sent[3] % 10 == 0 and harmful(
                [StepCount("p", n, "sms", sent[n], stops[n], 1) for n in range(6)], SETTINGS
            )
            if found:
                assert [one.count.step for one in found] == [3]
                break
        needed.append(sent[3])
    assert sorted(needed)[30] < 150, "half of them before 150 people got it"
