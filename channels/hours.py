"""May a message leave at this hour? Windows are data (`hours.yaml`), places too (`places.yaml`).

The federal rule is 8:00-21:00 at the called person's place, states are narrower, and where a mobile is
cannot be known from its number (messaging facts 3.3 and 5). So a message may leave only when every zone the
person may be in is inside the window of every state they may be in, and the shop itself is open where it wants that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from channels.places import candidate_zones, whereabouts
from channels.windows import IsHoliday, Window, is_federal_holiday, load_hours, window_for
from crm.calendar.hours import Stretch

__all__ = [
    "SEARCH_DAYS", "candidate_zones", "closes_at", "is_federal_holiday", "load_hours", "local_to_utc", "next_allowed",
    "whereabouts", "window_for",
]  # fmt: skip

SEARCH_DAYS = 12


def next_allowed(
    moment_utc: datetime,
    zones: Iterable[str],
    states: str | Iterable[str] | None,
    kind: str,
    holidays: IsHoliday | None = None,
    *,
    shop_open: Sequence[Stretch] | None = None,
) -> datetime | None:
    """None when a message of this kind may leave at `moment_utc`, else the UTC moment until which it is held.

    All `zones` must be inside the window at once, which every one of `states` narrows; `shop_open` (sorted, for
    SEARCH_DAYS ahead) narrows it further, None does not. When no such moment comes within 12 days, the end of that
    search is returned: the message is looked at again then, and usually expires before.
    """
    window = window_for(_as_set(states), kind)
    is_holiday = holidays or is_federal_holiday
    places = [ZoneInfo(name) for name in sorted(set(zones))]
    end = moment_utc + timedelta(days=SEARCH_DAYS)
    candidate = moment_utc
    while candidate < end:
        later = max((_next_open(candidate, place, window, is_holiday) for place in places), default=candidate)
        if shop_open is not None:
            later = max(later, _shop_opens(candidate, shop_open, end))
        if later == candidate:
            return None if candidate == moment_utc else candidate
        candidate = later
    return end


def closes_at(
    moment_utc: datetime,
    zones: Iterable[str],
    states: str | Iterable[str] | None,
    kind: str,
    *,
    shop_open: Sequence[Stretch] | None = None,
) -> datetime | None:
    """Until when (UTC, excluded) a message that may leave at `moment_utc` may still arrive: the first of all windows to
    close. None for a kind that may leave at any hour, and for a moment that is not allowed anyway."""
    window = window_for(_as_set(states), kind)
    if window.never_closes:
        return None
    ends: list[datetime] = []
    for place in (ZoneInfo(name) for name in set(zones)):
        day = moment_utc.astimezone(place).date()
        today = window.of(day, is_federal_holiday)
        if today is not None:
            ends.append(_wall(day, today[1], place))
    if shop_open is not None:
        ends += [s.ends_at for s in shop_open if s.starts_at <= moment_utc < s.ends_at]
    until = min(ends, default=moment_utc)
    return until if until > moment_utc else None


def local_to_utc(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The UTC moment of a wall-clock time. A time that the change to summer time skips moves forward by the
    gap; of one that happens twice it is the first."""
    return datetime.combine(day, wall.replace(fold=0), tzinfo=zone).astimezone(UTC)


def _as_set(states: str | Iterable[str] | None) -> frozenset[str]:
    if states is None:
        return frozenset()
    return frozenset({states} if isinstance(states, str) else states)


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
        opens = _wall(day, stretch[0], zone)
        if opens > moment:
            return opens
    return moment + timedelta(days=SEARCH_DAYS)


def _shop_opens(moment: datetime, shop_open: Sequence[Stretch], end: datetime) -> datetime:
    following = next((stretch for stretch in shop_open if stretch.ends_at > moment), None)
    return end if following is None else max(moment, following.starts_at)


def _wall(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """A minute of a local day; the 1440th is midnight."""
    days, rest = divmod(minute, 24 * 60)
    return local_to_utc(day + timedelta(days=days), time(rest // 60, rest % 60), zone)
