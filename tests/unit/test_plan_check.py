"""What is found wrong in a plan before it is saved, in sentences for the owner."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from channels.templates import names
from scheduler.plan import load_plan, shipped_names
from scheduler.plan_check import BadPlan, problems_of, read_plan
from tests.unit.planner_help import plan_of, shop

TODAY = date(2026, 11, 23)
BACKWARDS = "steps: [{step: 2, after: 0m, channel: sms, template: hello, about: x}, " \
    "{step: 1, after: 1d, channel: sms, template: hello, about: x}]"  # fmt: skip


def found(*steps: dict[str, Any], most: int = 3, **changes: Any) -> list[str]:
    plan = plan_of(*steps, **changes)
    return problems_of(plan, templates=names(), most_a_day=most, today=TODAY)


@pytest.mark.parametrize("template", ["confirmation", "reminder_3h", "no_show"])
def test_words_about_a_visit_are_for_its_own_plans(template: str) -> None:
    (problem,) = found({"after": "0m"}, {"after": "1d", "template": template})
    assert problem.startswith(f"step 2: {template} is for plans of the kind ")


@pytest.mark.parametrize(
    ("step", "changes", "problem"),
    [
        ({"grace": "0m"}, {}, "step 2: `grace` is how late it may still be sent, at least 15m"),
        ({"grace": "14m"}, {}, "step 2: `grace` is how late it may still be sent, at least 15m"),
        ({"grace": "15m"}, {}, None),
        ({}, {"resume_after": "1m"}, "`resume_after` is at least 1d: who replied is left in peace"),
        ({}, {"resume_after": "23h", "resume": "restart"}, "`resume_after` is at least 1d: who replied is left in peace"),
        ({}, {"resume_after": "1d"}, None),
        ({}, {"resume_after": "1m", "resume": "never"}, None),
        ({}, {"apart": "0m"}, "`apart` is at least 1h"),
        ({}, {"apart": "1h"}, None),
    ],
)  # fmt: skip
def test_spans_that_write_to_nobody_or_nag(
    step: dict[str, Any], changes: dict[str, Any], problem: str | None
) -> None:
    assert found({"after": "0m"}, {"after": "1d", **step}, **changes) == ([problem] if problem else [])


def test_what_ships_is_fit_to_be_saved_but_for_the_follow_up() -> None:
    for name in shipped_names():
        problems = problems_of(
            load_plan(name),
            templates=names(),
            most_a_day=3,
            today=TODAY,
            hours=[("North", shop()), ("South", None)],
        )
        assert (problems == []) == (name != "follow_up"), (name, problems)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps: [", "line 1"),
        ("just words", "a plan has `name` and `steps`"),
        ("- a\n- b", "a plan has `name` and `steps`"),
        ("name: a\nname: b", "line 2: a key twice"),
        ("name: x\nversion: 3\nsteps: []", "leave `version` out"),
        ("name: x\nsteps: []", "steps: "),
        ("name: X y\nsteps: []", "name: "),
        (f"name: x\n{BACKWARDS}", "step 1 follows step 2: numbers must rise"),
        ("name: x\nsteps: [{step: 1, after: soon}]", "entry 1 of steps, after: 'soon' is no duration"),
        ("name: !!python/object:os.system x", "line 1"),
    ],
)
def test_a_text_that_is_no_plan(text: str, sentence: str) -> None:
    with pytest.raises(BadPlan) as caught:
        read_plan(text)
    assert any(sentence in problem for problem in caught.value.problems), caught.value.problems


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadPlan) as caught:
        read_plan("name: x\nsteps: [{step: 0, after: 0m}, {step: 2, after: 1d, channel: fax}]")
    assert len(caught.value.problems) == 7, caught.value.problems


@pytest.mark.parametrize(
    ("steps", "changes", "sentence"),
    [
        ([{"after": "0m", "template": "nonsense"}], {}, "step 1: there is no template 'nonsense'"),
        ([{"after": "0m"}, {"after": "366d"}], {}, "later than a year"),
        ([{"after": "0m"}, {"after": "1d", "days": ["sun"]}], {}, "step 2: no hour that the law allows"),
        ([{"after": "0m"}, {"after": "1d", "days": ["sat"], "part": "evening"}], {}, "step 2: no hour"),
        ([{"after": "10m"}], {}, "begins with step 1, `after: 0m`"),
        ([{"after": "0m", "part": "morning"}], {}, "begins with step 1, `after: 0m`"),
        ([{"after": "0m", "step": 2}], {}, "begins with step 1, `after: 0m`"),
        ([{"after": "0m"}], {"kind": "reactivation"}, "a plan of the kind reactivation has no step 1"),
        ([{"after": "0m"}], {"name": "no_show"}, "the plan no_show is of the kind no_show, not cadence"),
        ([{"after": "0m", "step": 2}], {"kind": "follow_up"}, "change its words, not its plan"),
    ],
)
def test_what_a_plan_cannot_do(steps: list[dict[str, Any]], changes: dict[str, Any], sentence: str) -> None:
    problems = found(*steps, **changes)
    assert any(sentence in problem for problem in problems), problems


def test_not_more_a_day_than_the_business_allows() -> None:
    steps = [{"after": after, "channel": channel} for after, channel in
             (("0m", "sms"), ("10m", "email"), ("4h", "sms"), ("5h", "email"))]  # fmt: skip
    assert found(*steps[:3]) == []
    assert found(*steps, most=4) == []
    assert found(*steps) == [
        "the steps 1, 2, 3, 4 may fall on one day: at most 3 may (setting plan_most_a_day)"
    ]


def test_the_hours_of_each_location_are_tried() -> None:
    plan = plan_of({"after": "0m"}, {"after": "1d", "part": "evening"})
    hours = [("North", shop()), ("South", shop(closes=16)), ("Told nobody", None)]
    assert problems_of(plan, templates=names(), most_a_day=3, today=TODAY, hours=hours) == [
        "step 2: no hour that the law and the shop allow fits it at South"
    ]
