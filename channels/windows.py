"""The lawful windows as data (`hours.yaml`): hours of a week per kind of message, per state, and the holidays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

HOURS_FILE = Path(__file__).with_name("hours.yaml")
DAY_MINUTES = 24 * 60

Minutes = tuple[int, int]
IsHoliday = Callable[[date], bool]


class Window(BaseModel):
    """Hours of a week in local time, as minutes after midnight; None is a day without any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weekdays: Minutes | None
    saturday: Minutes | None
    sunday: Minutes | None
    holidays: bool

    @field_validator("weekdays", "saturday", "sunday", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        return _minutes(value) if isinstance(value, str) else value

    @property
    def never_closes(self) -> bool:
        """Whether a message with this window may leave at any moment."""
        return self.holidays and {self.weekdays, self.saturday, self.sunday} == {(0, DAY_MINUTES)}

    def of(self, day: date, is_holiday: IsHoliday) -> Minutes | None:
        """The hours of one local day."""
        if not self.holidays and is_holiday(day):
            return None
        return {5: self.saturday, 6: self.sunday}.get(day.weekday(), self.weekdays)

    def within(self, other: Window) -> Window:
        """The hours that both windows allow."""
        return Window(
            weekdays=_overlap(self.weekdays, other.weekdays),
            saturday=_overlap(self.saturday, other.saturday),
            sunday=_overlap(self.sunday, other.sunday),
            holidays=self.holidays and other.holidays,
        )


class StateWindow(Window):
    """The hours of a state, with how sure we are and where it was read."""

    confidence: str
    source: str


class HolidayRule(BaseModel):
    """A fixed day of a month, or the nth weekday of it (-1: the last)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    month: int
    day: int | None = None
    weekday: int | None = None
    nth: int | None = None


@dataclass(frozen=True)
class Hours:
    """The whole of `hours.yaml`, parsed."""

    kinds: dict[str, str]
    windows: dict[str, Window]
    states: dict[str, StateWindow]
    holidays: tuple[HolidayRule, ...]
    solicitations: frozenset[str]
    overlays: dict[str, str]
    unknown_zones: frozenset[str]


@cache
def load_hours() -> Hours:
    """The rules from the file beside this module. Raises pydantic.ValidationError when they make no sense."""
    data: dict[str, Any] = yaml.safe_load(HOURS_FILE.read_text(encoding="utf-8"))
    return Hours(
        kinds=data["kinds"],
        windows={name: Window.model_validate(window) for name, window in data["windows"].items()},
        states={code: StateWindow.model_validate(window) for code, window in data["states"].items()},
        holidays=tuple(HolidayRule.model_validate(rule) for rule in data["holidays"]),
        solicitations=frozenset(data["solicitations"]),
        overlays=data["overlays"],
        unknown_zones=frozenset(data["unknown_zones"]),
    )


def window_for(states: Iterable[str], kind: str) -> Window:
    """The window for a kind of message, narrowed by each state it may arrive in.

    State hours bind solicitations only; a kind that is not listed counts as one and gets the strict window.
    """
    return _window_for(frozenset(state.upper() for state in states), kind)


@cache
def _window_for(states: frozenset[str], kind: str) -> Window:
    hours = load_hours()
    name = hours.kinds.get(kind, "strict")
    window = hours.windows[name]
    if name not in hours.solicitations:
        return window
    for state in sorted(states):
        rule = hours.states.get(state)
        window = window if rule is None else window.within(rule)
    return window


def is_federal_holiday(day: date) -> bool:
    """Whether US federal offices are closed on this day, the day itself or its observance (5 U.S.C. 6103)."""
    return day in _holidays_of(day.year) or day in _holidays_of(day.year + 1)


@cache
def _holidays_of(year: int) -> frozenset[date]:
    days: set[date] = set()
    for rule in load_hours().holidays:
        if rule.day is not None:
            day = date(year, rule.month, rule.day)
            days |= {day, day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))}
        else:
            days.add(_nth_weekday(year, rule))
    return frozenset(days)


def _nth_weekday(year: int, rule: HolidayRule) -> date:
    weekday, nth = rule.weekday or 0, rule.nth or 1
    first = date(year, rule.month, 1)
    days = [first + timedelta(days=offset) for offset in range(31)]
    fitting = [day for day in days if day.month == rule.month and day.weekday() == weekday]
    return fitting[nth - 1 if nth > 0 else nth]


def _minutes(text: str) -> Minutes:
    opens, _, closes = text.partition("-")
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in (opens, closes))
    if not 0 <= start < end <= DAY_MINUTES:
        raise ValueError(f"{text!r} is no stretch of a day like 10:00-18:00")
    return start, end


def _overlap(one: Minutes | None, other: Minutes | None) -> Minutes | None:
    if one is None or other is None:
        return None
    start, end = max(one[0], other[0]), min(one[1], other[1])
    return (start, end) if start < end else None
