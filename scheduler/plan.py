"""Cadence plans: data, checked when loaded. The ones that ship are the files in scheduler/plans; a business may have its
own under the same names or others, in versions (crm/cadence_plans.py)."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy.orm import Session

from crm.cadence_plans import stored_plan
from crm.consent_policy import settings_for
from crm.models import Lead

PLANS = Path(__file__).with_name("plans")
ONE_DAY = timedelta(days=1)
# For `plan_for`: what new cadences follow.
NEWEST = -1

Kind = Literal["cadence", "appointment", "no_show", "reactivation", "follow_up"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Part = Literal["morning", "midday", "afternoon", "evening"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_DURATION = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class UnknownPlan(Exception):
    """There is no cadence plan of this name; the plans are the files in scheduler/plans and the business's own."""


def parse_duration(value: object) -> object:
    """`30m`, `4h` or `2d` as a timedelta; anything that is no text is left to pydantic. Raises ValueError."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no duration like 30m, 4h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def show_duration(span: timedelta) -> str:
    """The text that `parse_duration` reads as this duration."""
    minutes = int(span.total_seconds()) // 60
    for size, unit in ((24 * 60, "d"), (60, "h")):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=timedelta(0))]


class Step(BaseModel):
    """One touch of a plan. `days` and `part`: only then may it be planned; `before`: so long before the appointment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int = Field(ge=1)
    after: Duration = timedelta(0)
    before: Duration | None = None
    channel: Literal["sms", "email"]
    template: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str
    grace: Duration = timedelta(hours=6)
    offers: bool = False
    days: tuple[Weekday, ...] | None = Field(default=None, min_length=1)
    part: Part | None = None

    @property
    def in_days(self) -> bool:
        """Whether it is planned by calendar days (same local time) rather than by elapsed time."""
        return self.after >= ONE_DAY

    @model_validator(mode="after")
    def _has_one_time(self) -> Step:
        if self.before is None and "after" not in self.model_fields_set:
            raise ValueError(f"step {self.step} says neither `after` nor `before`")
        if self.before is not None and (self.after or self.days or self.part):
            raise ValueError(f"step {self.step}: `before` stands alone, without `after`, `days` and `part`")
        if self.in_days and self.after % ONE_DAY:
            raise ValueError(f"step {self.step}: from one day on, `after` is in whole days")
        return self


class Plan(BaseModel):
    """A cadence: steps numbered upwards, each later than the one before. `version`: of the business's own; None ships."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{_NAME.pattern}$")
    kind: Kind = "cadence"
    version: int | None = Field(default=None, exclude=True)
    apart: Duration = timedelta(hours=3)
    # Leads that came at one moment are not all written to in one second: each has its own share of this on top.
    jitter: Annotated[Duration, Field(le=timedelta(hours=2))] = timedelta(minutes=10)
    # What a reply does: so much silence later the rest goes on, all of it begins anew, or nothing does.
    resume: Literal["rest", "restart", "never"] = "rest"
    resume_after: Duration | None = timedelta(days=3)
    # Besides the federal ones, which no touch is planned on: those that the location observes.
    avoid_holidays: bool = False
    steps: tuple[Step, ...] = Field(min_length=1, max_length=60)

    @model_validator(mode="after")
    def _in_order(self) -> Plan:
        for one, following in zip(self.steps, self.steps[1:], strict=False):
            if following.step <= one.step:
                raise ValueError(f"step {following.step} follows step {one.step}: numbers must rise")
            if not _later(one, following):
                raise ValueError(f"step {following.step} must be later than step {one.step}")
        return self

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Plan:
        if self.kind != "appointment" and any(step.before is not None for step in self.steps):
            raise ValueError(
                "`before` counts from an appointment: only a plan of the kind appointment has it"
            )
        if self.resume != "never" and self.resume_after is None:
            raise ValueError(f"`resume: {self.resume}` needs `resume_after`")
        return self

    def get(self, step: int) -> Step | None:
        """The step of this number, or None when the plan no longer has it."""
        return next((each for each in self.steps if each.step == step), None)


def _later(one: Step, following: Step) -> bool:
    """What counts from the appointment comes after what counts from the booking, the nearest to it last."""
    if following.before is None:
        return one.before is None and following.after > one.after
    return one.before is None or following.before < one.before


@cache
def load_plan(name: str = "default") -> Plan:
    """The plan of this name that ships. Raises UnknownPlan, or pydantic.ValidationError naming what is wrong in it."""
    path = PLANS / f"{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise UnknownPlan(f"There is no cadence plan {name!r}.")
    return Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def shipped_names() -> list[str]:
    """The names of the plans that ship, sorted."""
    return sorted(path.stem for path in PLANS.glob("*.yaml"))


def plan_for(session: Session, tenant_id: int, name: str, version: int | None = NEWEST) -> Plan:
    """The plan of a business: its own newest one, else the one that ships.

    `version`: the plan a touch point was planned by, as its row has it: a version of the business's own, or None for
    the plan that ships, which asks no database. Own ones are one query, and each text is read once in a process.
    Raises UnknownPlan, or pydantic.ValidationError for a stored plan that makes no sense any more.
    """
    if version is None:
        return load_plan(name)
    found = stored_plan(session, tenant_id, name, None if version == NEWEST else version)
    if found is not None:
        return _own(*found)
    if version == NEWEST:
        return load_plan(name)
    raise UnknownPlan(f"There is no version {version} of the cadence plan {name!r}.")


@lru_cache(maxsize=512)
def _own(version: int, body: str) -> Plan:
    return Plan.model_validate_json(body).model_copy(update={"version": version})


def plan_name_for(session: Session, lead: Lead) -> str:
    """The plan that a new cadence of this lead follows: by its source where the business said so, else the usual one."""
    settings = settings_for(session, lead.tenant_id)
    return settings.plan_by_source.get(lead.source, settings.cadence)


def is_cadence(session: Session, tenant_id: int, name: str) -> bool:
    """Whether new leads can follow the plan of this name."""
    try:
        return plan_for(session, tenant_id, name).kind == "cadence"
    except (UnknownPlan, ValidationError):
        return False


def plan_of(session: Session, lead: Lead) -> tuple[Plan, str | None]:
    """The plan that a new cadence of this lead follows; and why it is the one that ships where the one that was meant is
    gone, cannot be read or is none for new leads: nobody is lost over a plan."""
    name = plan_name_for(session, lead)
    try:
        found = plan_for(session, lead.tenant_id, name)
    except (UnknownPlan, ValidationError) as error:
        why = str(error) if isinstance(error, UnknownPlan) else f"The plan {name!r} cannot be read any more."
        return load_plan(), why
    if found.kind != "cadence":
        return load_plan(), f"The plan {name!r} is of the kind {found.kind} and not for new leads."
    return found, None


def body_of(plan: Plan) -> dict[str, Any]:
    """The plan as it is stored and as its file reads, defaults written out: a default of tomorrow changes no version."""
    body: dict[str, Any] = _plain(plan.model_dump())
    return body | {"resume_after": None if plan.resume_after is None else show_duration(plan.resume_after)}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return show_duration(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
