"""Reading a location's day book in a constant number of queries, whatever the horizon and however much is booked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.book import BayBook, DayBook, ShopRules, merged
from crm.calendar.holds import HeldFor, with_holds
from crm.calendar.hours import OpeningHours, Stretch, Times, common, load_hours, open_stretches, to_utc
from crm.calendar.rules import LONGEST_STAY
from crm.models import Appointment, Bay, BayHours, Location

__all__ = ["ACTIVE", "COUNTED", "BayBook", "DayBook", "ShopRules", "load_day_book"]

# What keeps a bay; the exclusion constraint speaks of the same two.
ACTIVE = ("booked", "confirmed")
# What uses up a day's limits: work that is done was work of that day too.
COUNTED = (*ACTIVE, "completed")

# Work that starts at the last moment may go on after it as long as a car may stay, and then comes a buffer.
TAIL = LONGEST_STAY + timedelta(days=1)


@dataclass(frozen=True)
class _Taken:
    bay_id: int
    work: Stretch
    blocked: Stretch
    labour_minutes: int
    active: bool


def load_day_book(
    s: Session,
    location: Location,
    now: datetime,
    *,
    ignore_appointment_id: int | None = None,
    until: datetime | None = None,
    held_for: HeldFor | None = None,
) -> DayBook:
    """Read everything the rules need, in six queries; seven when what is held for other customers counts too.

    From the beginning of today to the horizon, or to `until` when given, and two weeks on. `ignore_appointment_id`
    leaves out the appointment about to be moved: it must not stand in its own way.
    """
    zone = ZoneInfo(location.timezone)
    last_moment = (until or now + timedelta(days=location.horizon_days)) + TAIL
    first, last = now.astimezone(zone).date(), last_moment.astimezone(zone).date()
    hours = load_hours(s, location, since=first)
    shop = tuple(open_stretches(hours, first, last))
    taken = _taken(s, location, _midnight(first, zone), last_moment, ignore_appointment_id)
    busy: dict[int, list[Stretch]] = {}
    for one in taken:
        if one.active:
            busy.setdefault(one.bay_id, []).append(one.blocked)
    bays = {
        bay.id: BayBook(
            open=_open_in(shop, times, hours, first, last),
            busy=merged(busy.get(bay.id, ())),
            skills=frozenset(bay.skills),
        )
        for bay, times in _bays(s, location)
    }
    labour = _labour(taken, bays, shop, zone)
    rules = _rules(location, hours)
    if held_for is not None:
        bays = with_holds(s, location, rules, bays, held_for, now)
    return DayBook(
        rules=rules,
        open=shop,
        bays=bays,
        # A lunch out of the shop's own calendar keeps a bay, but nobody works on it.
        jobs_on=Counter(one.work.starts_at.astimezone(zone).date() for one in taken if one.labour_minutes),
        labour_on=labour,
    )


def _rules(location: Location, hours: OpeningHours) -> ShopRules:
    stretch, day = hours.longest()
    return ShopRules(
        timezone=hours.timezone,
        slot=timedelta(minutes=location.slot_minutes),
        notice=timedelta(minutes=location.notice_minutes),
        horizon=timedelta(days=location.horizon_days),
        buffer_before=timedelta(minutes=location.buffer_before_minutes),
        buffer_after=timedelta(minutes=location.buffer_after_minutes),
        max_jobs=location.max_jobs_per_day,
        max_labour=location.max_labour_minutes_per_day,
        same_day_cutoff=location.same_day_cutoff,
        drop_off_from=location.drop_off_from,
        drop_off_until=location.drop_off_until,
        longest_stretch=stretch,
        longest_day=day,
    )


def _bays(s: Session, location: Location) -> list[tuple[Bay, dict[int, Times]]]:
    """The active bays with their own weekly hours; a bay for few services comes before one that can do more."""
    bays = list(s.scalars(select(Bay).where(Bay.location_id == location.id, Bay.active)))
    weekly: dict[int, dict[int, Times]] = {bay.id: {} for bay in bays}
    rows = s.scalars(
        select(BayHours).join(Bay, Bay.id == BayHours.bay_id).where(Bay.location_id == location.id)
    )
    for row in rows:
        if row.bay_id in weekly:
            of_day = weekly[row.bay_id].get(row.weekday, ())
            weekly[row.bay_id][row.weekday] = tuple(sorted((*of_day, (row.opens, row.closes))))
    bays.sort(key=lambda bay: (not bay.skills, len(bay.skills), bay.id))
    return [(bay, weekly[bay.id]) for bay in bays]


def _open_in(
    shop: tuple[Stretch, ...], times: dict[int, Times], hours: OpeningHours, first: date, last: date
) -> tuple[Stretch, ...]:
    if not times:
        return shop
    return tuple(common(shop, open_stretches(OpeningHours(hours.timezone, times), first, last)))


def _taken(
    s: Session, location: Location, since: datetime, until: datetime, ignore: int | None
) -> list[_Taken]:
    # The buffers of what is asked for reach beyond it, and so may those of what is there.
    statement = select(
        Appointment.bay_id,
        Appointment.starts_at,
        Appointment.ends_at,
        Appointment.blocked_from,
        Appointment.blocked_until,
        Appointment.labour_minutes,
        Appointment.status,
    ).where(
        Appointment.location_id == location.id,
        Appointment.status.in_(COUNTED),
        Appointment.blocked_until > since,
        Appointment.blocked_from < until,
        Appointment.id != (ignore or 0),
    )
    return [
        _Taken(
            bay_id=bay_id,
            work=Stretch(starts.astimezone(UTC), ends.astimezone(UTC)),
            blocked=Stretch(blocked_from.astimezone(UTC), blocked_until.astimezone(UTC)),
            labour_minutes=labour,
            active=status in ACTIVE,
        )
        for bay_id, starts, ends, blocked_from, blocked_until, labour, status in s.execute(statement)
    ]


def _labour(
    taken: Iterable[_Taken], bays: dict[int, BayBook], shop: Sequence[Stretch], zone: ZoneInfo
) -> Counter[date]:
    """Minutes worked per local day. Work over several days counts where its bay is open, as it was planned."""
    labour: Counter[date] = Counter()
    for one in taken:
        first, last = (moment.astimezone(zone).date() for moment in (one.work.starts_at, one.work.ends_at))
        if first == last:
            labour[first] += one.labour_minutes
            continue
        bay, left = bays.get(one.bay_id), one.labour_minutes
        for part in common([one.work], bay.open if bay else shop):
            minutes = min(left, (part.ends_at - part.starts_at) // timedelta(minutes=1))
            labour[part.starts_at.astimezone(zone).date()] += minutes
            left -= minutes
    return labour


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return to_utc(day, datetime.min.time(), zone)
