"""May a message leave at this hour? Lawful windows are data (`hours.yaml`); zones come from the phone number.

The federal rule is 8:00-21:00 at the called person's place, states are narrower, and where a mobile is
cannot be known from its number (messaging facts 3.3 and 5). So a message may leave only when every zone the
person may be in is inside the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import yaml
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA
from pydantic import BaseModel, ConfigDict, field_validator

HOURS_FILE = Path(__file__).with_name("hours.yaml")
SEARCH_DAYS = 12
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
    data: dict[str, Any] = yaml.safe_load(HOURS_FILE.read_text())
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
    hours = load_hours()
    name = hours.kinds.get(kind, "strict")
    window = hours.windows[name]
    if name not in hours.solicitations:
        return window
    for state in states:
        rule = hours.states.get(state.upper())
        window = window if rule is None else window.within(rule)
    return window


def next_allowed(
    moment_utc: datetime,
    zones: Iterable[str],
    state: str | None,
    kind: str,
    holidays: IsHoliday | None = None,
) -> datetime | None:
    """None when a message of this kind may leave at `moment_utc`, else the UTC moment until which it is held.

    All `zones` must be inside the window at once. When no such moment comes within 12 days, the end of that
    search is returned: the message is looked at again then, and usually expires before.
    """
    window = window_for([state] if state else [], kind)
    is_holiday = holidays or is_federal_holiday
    places = [ZoneInfo(name) for name in sorted(set(zones))]
    end = moment_utc + timedelta(days=SEARCH_DAYS)
    candidate = moment_utc
    while candidate < end:
        later = max((_next_open(candidate, place, window, is_holiday) for place in places), default=candidate)
        if later == candidate:
            return None if candidate == moment_utc else candidate
        candidate = later
    return end


def candidate_zones(phone: str | None, shop_zone: str) -> frozenset[str]:
    """Every zone the owner of `phone` (E.164) may be in, the shop's own included.

    For a North American number it is every zone of its whole area code, because the data by exchange is
    wrong in split area codes and empty for newer exchanges; a number that says nothing counts as anywhere
    in the country (messaging facts 5).
    """
    shop = frozenset({shop_zone})
    if not phone:
        return shop
    hours = load_hours()
    if phone.startswith("+1"):
        area = phone[2:5]
        found = _area_zones(area) | _area_zones(hours.overlays.get(area, area))
    else:
        found = _foreign_zones(phone)
    return shop | (found or hours.unknown_zones)


def is_federal_holiday(day: date) -> bool:
    """Whether US federal offices are closed on this day, the day itself or its observance (5 U.S.C. 6103)."""
    return day in _holidays_of(day.year) or day in _holidays_of(day.year + 1)


def local_to_utc(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The UTC moment of a wall-clock time. A time that the change to summer time skips moves forward by the
    gap; of one that happens twice it is the first."""
    return datetime.combine(day, wall.replace(fold=0), tzinfo=zone).astimezone(UTC)


def _next_open(moment: datetime, zone: ZoneInfo, window: Window, is_holiday: IsHoliday) -> datetime:
    """The first moment at or after `moment` that is inside the window in one zone."""
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    today = window.of(local.date(), is_holiday)
    if today and today[0] <= minute < today[1]:
        return moment
    for ahead in range(SEARCH_DAYS + 1):
        day = local.date() + timedelta(days=ahead)
        stretch = window.of(day, is_holiday)
        if stretch is None:
            continue
        opens = local_to_utc(day, time(stretch[0] // 60, stretch[0] % 60), zone)
        if opens > moment:
            return opens
    return moment + timedelta(days=SEARCH_DAYS)


@cache
def _area_zones(area: str) -> frozenset[str]:
    prefix = "1" + area
    found = (zones for number, zones in TIMEZONE_DATA.items() if number.startswith(prefix))
    names = frozenset(zone for zones in found for zone in zones)
    # Toll-free and personal codes list the whole plan, from Adak to St. John's: no knowledge at all.
    return names if len(names) < len(TIMEZONE_DATA["1"]) else frozenset()


def _foreign_zones(phone: str) -> frozenset[str]:
    try:
        zones = time_zones_for_number(phonenumbers.parse(phone, "US"))
    except phonenumbers.NumberParseException:
        return frozenset()
    return frozenset(zones) - {UNKNOWN_TIMEZONE}


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
