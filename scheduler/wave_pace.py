"""When a wave takes its next leads: so many a day, evenly over the sending hours, and what was missed is not made up for
at once. Pure: no database and no clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from channels.hours import closes_at, local_to_utc, next_allowed
from crm.calendar.hours import Stretch

# What a late wake-up makes up for; a worker that was away for hours makes up for no more.
CATCH_UP = timedelta(minutes=1)
# A wave with nobody to take is still looked at: its touches go on, and people may say stop.
LOOK_AGAIN = timedelta(minutes=30)


@dataclass(frozen=True)
class Pace:
    """How many leads to take now, and when to look again."""

    take: int
    next_at: datetime


@dataclass(frozen=True)
class Hours:
    """Where the leads are: zones that must all be in the lawful hours, and the shop's open hours, None: not kept to."""

    zones: tuple[str, ...]
    shop_open: Sequence[Stretch] | None = None

    def opens(self, moment: datetime) -> datetime:
        """The first moment at or after this one when a touch may leave."""
        return next_allowed(moment, self.zones, None, "touch", shop_open=self.shop_open) or moment

    def day_of(self, now: datetime) -> tuple[datetime, datetime]:
        """The local day of the first zone, as UTC moments."""
        zone = ZoneInfo(self.zones[0])
        today = now.astimezone(zone).date()
        return local_to_utc(today, time(), zone), local_to_utc(today + timedelta(days=1), time(), zone)

    def of_day(self, now: datetime) -> list[Stretch]:
        """The stretches of the local day in which touches may leave."""
        moment, end = self.day_of(now)
        found = []
        while (opens := self.opens(moment)) < end:
            closes = closes_at(opens, self.zones, None, "touch", shop_open=self.shop_open)
            moment = min(closes or end, end)
            found.append(Stretch(opens, moment))
        return found


def pace(hours: Hours, now: datetime, per_day: int, taken_today: int, last: datetime | None) -> Pace:
    """How many to take now. `taken_today` and `last` are of the local day of `hours`; None: none was taken today."""
    stretches = hours.of_day(now)
    if not any(one.starts_at <= now < one.ends_at for one in stretches):
        return Pace(0, hours.opens(now))
    if taken_today >= per_day:
        return Pace(0, now + LOOK_AGAIN)
    every = sum((one.ends_at - one.starts_at for one in stretches), timedelta(0)) / per_day
    if last is None:
        return Pace(1, _soon(now, now + every))
    waited = now - last
    if waited < every:
        return Pace(0, _soon(now, last + every))
    take = max(1, min(waited, CATCH_UP) // every)
    return Pace(min(take, per_day - taken_today), _soon(now, now + every))


def _soon(now: datetime, wanted: datetime) -> datetime:
    return min(wanted, now + LOOK_AGAIN)
