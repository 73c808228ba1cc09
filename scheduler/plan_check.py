"""Whether a plan is fit to be saved: what its own model cannot know. Findings are sentences for the owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import ValidationError

from channels.hours import local_to_utc
from crm.calendar.hours import OpeningHours
from scheduler.cadence import NO_HOUR, OF_A_VISIT, LeadFacts, plan_touches
from scheduler.plan import Plan, load_plan, shipped_names, show_duration

LONGEST = timedelta(days=365)
LEAST_GRACE, LEAST_APART, LEAST_SILENCE = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
ABOUT_VISITS = ("appointment", "no_show")
# Where the law alone is tried; any zone does, because its hours are local ones.
_WHERE = "America/Chicago"


class BadPlan(ValueError):
    """It is no plan. `problems`: a sentence for each thing that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def read_plan(text: str) -> Plan:
    """The plan in a YAML text. Raises BadPlan."""
    try:
        data: Any = yaml.load(text, Loader=_OnceEach)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "it cannot be read"
        raise BadPlan([f"line {mark.line + 1}: {what}" if mark else f"it is no YAML: {what}"]) from None
    if not isinstance(data, dict):
        raise BadPlan(["it is no plan: a plan has `name` and `steps`"])
    if "version" in data:
        raise BadPlan(["leave `version` out: it is given when the plan is saved"])
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        # A list whose entries are wrong is also said to be too short.
        errors = error.errors()
        real = [one for one in errors if one["type"] != "too_short" or one["input"] in ([], ())] or errors
        raise BadPlan([_said(one["loc"], one["msg"]) for one in real]) from None


class _OnceEach(yaml.SafeLoader):
    """YAML in which a key that is written twice is an error and not the last one's."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises yaml.YAMLError for a key that is there twice."""
        for number, (key, _) in enumerate(node.value):
            if any(key.value == before.value for before, _ in node.value[:number]):
                raise yaml.constructor.ConstructorError(None, None, "a key twice", key.start_mark)
        return super().construct_mapping(node, deep)


def problems_of(
    plan: Plan,
    *,
    templates: Collection[str],
    most_a_day: int,
    today: date,
    hours: Iterable[tuple[str, OpeningHours | None]] = (),
) -> list[str]:
    """What forbids saving this plan, in order of its steps. `templates`: names there are; `hours`: name and hours of every
    location, where its touches keep to them."""
    found = [
        f"step {step.step}: there is no template {step.template!r}"
        for step in plan.steps
        if step.template not in templates
    ]
    found += _kind(plan) + _of_other_kinds(plan) + _too_little(plan)
    if plan.steps[-1].after > LONGEST:
        found.append(f"step {plan.steps[-1].step} comes later than a year after the request")
    found += _hours(plan, None, None, today)
    for place, opening in hours if not found else ():
        found += _hours(plan, place, opening, today)
    return found + _a_day(plan, most_a_day, today)


def _kind(plan: Plan) -> list[str]:
    found = []
    if plan.name in shipped_names() and load_plan(plan.name).kind != plan.kind:
        found.append(f"the plan {plan.name} is of the kind {load_plan(plan.name).kind}, not {plan.kind}")
    first = plan.steps[0]
    if plan.kind == "cadence":
        if first.step != 1 or first.after or first.days or first.part:
            found.append("a cadence begins with step 1, `after: 0m`: it answers the request at once")
    elif first.step == 1:
        # It may leave at wider hours than any other touch (channels/gate).
        found.append(f"a plan of the kind {plan.kind} has no step 1: that one answers a request of this hour")
    if plan.kind == "follow_up":
        found.append("a follow-up is one message on the date that was named: change its words, not its plan")
    return found


def _of_other_kinds(plan: Plan) -> list[str]:
    """Words that only make sense where there is a visit, or where nobody came to one."""
    shipped = [load_plan(name) for name in shipped_names()]
    mine = {step.template for one in shipped if one.kind == plan.kind for step in one.steps}
    theirs = {step.template: one.kind for one in shipped if one.kind in ABOUT_VISITS for step in one.steps}
    return [
        f"step {step.step}: {step.template} is for plans of the kind {theirs[step.template]} only"
        for step in plan.steps
        if step.template in theirs and step.template not in mine
    ]


def _too_little(plan: Plan) -> list[str]:
    """Spans so short that nobody would be written to, or everybody at once."""
    found = [
        f"step {step.step}: `grace` is how late it may still be sent, at least {show_duration(LEAST_GRACE)}"
        for step in plan.steps
        if step.grace < LEAST_GRACE
    ]
    if plan.kind == "appointment":
        return found
    if plan.resume_after is not None and plan.resume != "never" and plan.resume_after < LEAST_SILENCE:
        found.append(
            f"`resume_after` is at least {show_duration(LEAST_SILENCE)}: who replied is left in peace"
        )
    if plan.apart < LEAST_APART:
        found.append(f"`apart` is at least {show_duration(LEAST_APART)}")
    return found


def _hours(plan: Plan, place: str | None, opening: OpeningHours | None, today: date) -> list[str]:
    """Steps that no hour of the coming year's weeks fits."""
    who = "the law allows" if place is None else "the law and the shop allow"
    where = f" at {place}" if place is not None else ""
    touches = plan_touches(plan, _facts(opening), _ten(today))
    return [f"step {t.step}: no hour that {who} fits it{where}" for t in touches if t.reason == NO_HOUR]


def _a_day(plan: Plan, most: int, today: date) -> list[str]:
    """Days on which too much would be sent, for requests of each hour of two weeks."""
    worst: tuple[int, list[int]] = (0, [])
    for number in range(14 * 6):
        touches = plan_touches(plan, _facts(None), _ten(today) + timedelta(hours=4 * number))
        sent = [touch for touch in touches if touch.reason not in (NO_HOUR, OF_A_VISIT)]
        days = Counter(touch.due_at.astimezone(ZoneInfo(_WHERE)).date() for touch in sent)
        day, count = max(days.items(), key=lambda one: one[1], default=(today, 0))
        if count > worst[0]:
            steps = [t.step for t in sent if t.due_at.astimezone(ZoneInfo(_WHERE)).date() == day]
            worst = (count, steps)
    if worst[0] <= most:
        return []
    steps_text = ", ".join(str(step) for step in worst[1])
    return [f"the steps {steps_text} may fall on one day: at most {most} may (setting plan_most_a_day)"]


def _facts(opening: OpeningHours | None) -> LeadFacts:
    zone = _WHERE if opening is None else opening.timezone.key
    return LeadFacts(
        timezone=zone, has_phone=True, has_email=True, may_text=True, may_email=True, hours=opening
    )


def _ten(today: date) -> datetime:
    return local_to_utc(today, time(10), ZoneInfo(_WHERE))


def _said(place: tuple[int | str, ...], message: str) -> str:
    words = message.removeprefix("Value error, ")
    if len(place) > 1 and place[0] == "steps":
        rest = ".".join(str(part) for part in place[2:] if isinstance(part, str))
        return f"entry {int(place[1]) + 1} of steps{f', {rest}' if rest else ''}: {words}"
    return f"{'.'.join(str(part) for part in place)}: {words}" if place else words
