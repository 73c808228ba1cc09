"""Cadence plans: data, checked when loaded."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PLANS = Path(__file__).with_name("plans")
ONE_DAY = timedelta(days=1)

_DURATION = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class UnknownPlan(Exception):
    """There is no cadence plan of this name; the plans are the files in scheduler/plans."""


def parse_duration(value: object) -> object:
    """`30m`, `4h` or `2d` as a timedelta; anything that is no text is left to pydantic. Raises ValueError."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no duration like 30m, 4h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=timedelta(0))]


class Step(BaseModel):
    """One touch of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int = Field(ge=1)
    after: Duration
    channel: Literal["sms", "email"]
    template: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str
    grace: Duration = timedelta(hours=6)
    offers: bool = False

    @property
    def in_days(self) -> bool:
        """Whether it is planned by calendar days (same local time) rather than by elapsed time."""
        return self.after >= ONE_DAY

    @model_validator(mode="after")
    def _days_are_whole(self) -> Step:
        if self.in_days and self.after % ONE_DAY:
            raise ValueError(f"step {self.step}: from one day on, `after` is in whole days")
        return self


class Plan(BaseModel):
    """A cadence: steps numbered upwards, each later than the one before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    apart: Duration = timedelta(hours=3)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Plan:
        for one, following in zip(self.steps, self.steps[1:], strict=False):
            if following.step <= one.step:
                raise ValueError(f"step {following.step} follows step {one.step}: numbers must rise")
            if following.after <= one.after:
                raise ValueError(f"step {following.step} must be later than step {one.step}")
        return self

    def get(self, step: int) -> Step | None:
        """The step of this number, or None when the plan no longer has it."""
        return next((each for each in self.steps if each.step == step), None)


@cache
def load_plan(name: str = "default") -> Plan:
    """The plan of this name. Raises UnknownPlan, or pydantic.ValidationError naming what is wrong in it."""
    path = PLANS / f"{name}.yaml"
    if not name.isidentifier() or not path.is_file():
        raise UnknownPlan(f"There is no cadence plan {name!r}.")
    return Plan.model_validate(yaml.safe_load(path.read_text()))
