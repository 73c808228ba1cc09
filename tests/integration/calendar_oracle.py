"""The rules of the calendar once more, by brute force, for the tests to judge the real ones by.

Written from the description of the rules and sharing nothing with `crm.calendar`: time is a row of five-minute
ticks, every tick knows its local date and wall clock, and each rule is a loop over ticks. Slow and plain on
purpose. All times given to it are multiples of five minutes.

The rules, as they are read here:
- A shop is open on a local day by its special hours if it has some for that day, else by its weekly hours. A
  closure closes every day from its first to its last; an observed holiday closes a day without special hours.
- A stretch runs from the first moment of its day at which the wall clock has reached `opens` to the first at
  which it has reached `closes` (so on the days of change it is shorter or longer in real time).
- A bay works inside the shop's hours and, if it has hours of its own, inside those as well.
- Work starts inside a working stretch of its bay and lasts until its minutes have been worked there; the bay is
  taken from start to end (also overnight), and by the buffers on both sides.
- A customer who waits comes when the work starts, on the grid. A car that is left is brought during the window of
  the day and is worked on from the end of the window on, any time that day. Notice, horizon and cut-off are about
  the moment the customer may come first.
- No work is planned to end more than thirteen days after its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from tests.integration.calendar_oracle_shop import (
    PER_TICK,
    TICK,
    Held,
    OracleBay,
    OracleJob,
    OracleShop,
    Timeline,
    Verdict,
)


class Oracle:
    """Judges starts at one shop at one moment. Build a new one when the hours have changed or time has passed."""

    def __init__(self, shop: OracleShop, now: datetime) -> None:
        self.shop, self.now = shop, now
        self.line = Timeline(shop.zone, now, shop.horizon_days + 16)
        self.today = now.astimezone(shop.zone).date()
        self.shop_open = self._open_ticks()
        self.bay_open = {number: self._bay_ticks(bay) for number, bay in shop.bays.items()}
        self.longest = self._longest()
        self.arrivals = {day: self._arrival(ticks) for day, ticks in self.line.of_day.items()}

    def judge(self, job: OracleJob, start: datetime, bay: int, held: Sequence[Held]) -> Verdict:
        """Every rule that `job` at `start` on `bay` would break, given what is on already."""
        tick = self.line.index(start)
        worked = self._worked(bay, tick, job.minutes)
        if worked is None:
            return Verdict(frozenset({"hours"}))
        comes = self.comes(job, start)
        broken = set(self._about_coming(comes[0])) if comes else {"hours"}
        if not self._can_do(bay, job):
            broken.add("skills")
        if not self._gaps_are_fine(job, worked):
            broken.add("hours")
        if comes and (start < comes[1] if job.drop_off else not self._on_the_grid(tick)):
            broken.add("grid")
        ends_at = self.line.moment(worked[-1] + 1)
        if ends_at - start > timedelta(days=13):
            broken.add("hours")
        if self._meets(bay, start, ends_at, held):
            broken.add("taken")
        broken |= self._over_the_days_limits(worked, held)
        return Verdict(frozenset(broken), ends_at)

    def allowed(self, job: OracleJob, held: Sequence[Held]) -> dict[datetime, dict[int, datetime]]:
        """Every start of the horizon that breaks no rule: start -> bay -> end. By trying every open tick."""
        found: dict[datetime, dict[int, datetime]] = {}
        for bay, ticks in self.bay_open.items():
            for tick in range(self.line.index(_up(self.now)), len(self.line)):
                start = self.line.moment(tick)
                if start > self.now + timedelta(days=self.shop.horizon_days + 1):
                    break
                if ticks[tick] and (job.drop_off or self._on_the_grid(tick)):
                    verdict = self.judge(job, start, bay, held)
                    if not verdict.broken and verdict.ends_at:
                        found.setdefault(start, {})[bay] = verdict.ends_at
        return found

    def comes(self, job: OracleJob, start: datetime) -> tuple[datetime, datetime] | None:
        """From when until when the customer comes for work that starts then; None on a closed day."""
        if not job.drop_off:
            return start, start
        return self.arrivals[self.line.dates[self.line.index(start)]]

    def lasts(self, job: OracleJob, start: datetime) -> bool:
        """True when a customer has a quarter of an hour to answer before a rule about the moment is broken."""
        comes, soon = self.comes(job, start), self.now + timedelta(minutes=15)
        if comes is None or comes[0] < soon + timedelta(minutes=self.shop.notice):
            return False
        return not self._after_cutoff(comes[0], soon)

    def _arrival(self, ticks: Sequence[int]) -> tuple[datetime, datetime] | None:
        """The first run of ticks of a day that are both open and in the window; else the first hour of opening."""
        is_open = [tick for tick in ticks if self.shop_open[tick]]
        if not is_open:
            return None
        begin, end = self.shop.drop_off or (time.max, time.max)
        window = bytearray(len(self.line))
        self._mark(window, self.line.dates[ticks[0]], begin, end)
        both = [tick for tick in is_open if window[tick]]
        chosen = _first_run(both) or _first_run(is_open)[: 60 // PER_TICK]
        return self.line.moment(chosen[0]), self.line.moment(chosen[-1] + 1)

    def _about_coming(self, comes: datetime) -> Iterator[str]:
        shop, now = self.shop, self.now
        if comes <= now:
            yield "past"
        if comes < now + timedelta(minutes=shop.notice):
            yield "notice"
        if comes > now + timedelta(days=shop.horizon_days):
            yield "horizon"
        if self._after_cutoff(comes, now):
            yield "cutoff"

    def _after_cutoff(self, comes: datetime, now: datetime) -> bool:
        here = now.astimezone(self.shop.zone)
        today = comes.astimezone(self.shop.zone).date() == here.date()
        return self.shop.cutoff is not None and today and here.time() >= self.shop.cutoff

    def _can_do(self, bay: int, job: OracleJob) -> bool:
        place = self.shop.bays[bay]
        able = not place.skills or all(names & place.skills for names in job.services)
        return place.active and able

    def _open_ticks(self) -> bytearray:
        ticks = bytearray(len(self.line))
        for day in self.line.of_day:
            for opens, closes in self._hours_of(day):
                self._mark(ticks, day, opens, closes)
        return ticks

    def _hours_of(self, day: date) -> Sequence[tuple[time, time]]:
        shop = self.shop
        if any(first <= day <= last for first, last in shop.closures):
            return ()
        if day in shop.special:
            return shop.special[day]
        return () if day in shop.holidays else shop.weekly.get(day.weekday(), ())

    def _bay_ticks(self, bay: OracleBay) -> bytearray:
        if not bay.hours:
            return self.shop_open
        ticks = bytearray(len(self.line))
        for day in self.line.of_day:
            for opens, closes in bay.hours.get(day.weekday(), ()):
                self._mark(ticks, day, opens, closes)
        return bytearray(a & b for a, b in zip(ticks, self.shop_open, strict=True))

    def _mark(self, ticks: bytearray, day: date, opens: time, closes: time) -> None:
        """Open from the first tick of the day at or after `opens` to the first at or after `closes`."""
        begun = False
        for tick in self.line.of_day[day]:
            begun = begun or self.line.walls[tick] >= opens
            if self.line.walls[tick] >= closes:
                return
            if begun:
                ticks[tick] = 1

    def _worked(self, bay: int, tick: int, minutes: int) -> list[int] | None:
        """The ticks of the work when it starts at `tick`; None when the bay does not work then or soon enough."""
        ticks = self.bay_open[bay]
        if not 0 <= tick < len(ticks) or not ticks[tick]:
            return None
        worked: list[int] = []
        while tick < len(ticks):
            if ticks[tick]:
                worked.append(tick)
                if len(worked) * PER_TICK >= minutes:
                    return worked
            tick += 1
        return None

    def _gaps_are_fine(self, job: OracleJob, worked: Sequence[int]) -> bool:
        """A car that is left may stand over lunch and overnight. A customer who waits does so over lunch only when
        no stretch of the shop could ever hold the work, and overnight only when no day of it could."""
        if job.drop_off or worked[-1] - worked[0] + 1 == len(worked):
            return True
        stretch, day = self.longest
        one_day = self.line.dates[worked[0]] == self.line.dates[worked[-1]]
        return job.minutes > day or (job.minutes > stretch and one_day)

    def _longest(self) -> tuple[int, int]:
        """Minutes on the wall clock of the longest stretch and the longest day in the shop's weekly hours and the
        special ones still ahead, closures or not."""
        shop, stretch, day = self.shop, 0, 0
        ahead = [hours for on_date, hours in shop.special.items() if on_date >= self.today]
        for hours in (*shop.weekly.values(), *ahead):
            wall = [any(_minute(o) <= m < _minute(c) for o, c in hours) for m in range(0, 24 * 60, PER_TICK)]
            day = max(day, sum(wall) * PER_TICK)
            run = 0
            for is_open in wall:
                run = run + PER_TICK if is_open else 0
                stretch = max(stretch, run)
        return stretch, day

    def _on_the_grid(self, tick: int) -> bool:
        """A whole number of slots after the shop opened, and never at the second reading of one wall time."""
        if self.line.second_time[tick]:
            return False
        opened = tick
        while opened > 0 and self.shop_open[opened - 1]:
            opened -= 1
        return (tick - opened) * PER_TICK % self.shop.slot == 0

    def _meets(self, bay: int, start: datetime, end: datetime, held: Sequence[Held]) -> bool:
        blocked_from = start - timedelta(minutes=self.shop.before)
        blocked_until = end + timedelta(minutes=self.shop.after)
        return any(
            one.bay == bay and one.blocked_from < blocked_until and blocked_from < one.blocked_until
            for one in held
        )

    def _over_the_days_limits(self, worked: Sequence[int], held: Sequence[Held]) -> set[str]:
        shop, over = self.shop, set()
        first = self.line.dates[worked[0]]
        jobs = sum(1 for one in held if one.starts_at.astimezone(shop.zone).date() == first)
        if shop.max_jobs is not None and jobs + 1 > shop.max_jobs:
            over.add("jobs")
        if shop.max_labour is not None:
            labour = self.labour_by_day(held)
            mine = Counter(self.line.dates[tick] for tick in worked)
            if any(labour[day] + ticks * PER_TICK > shop.max_labour for day, ticks in mine.items()):
                over.add("labour")
        return over

    def labour_by_day(self, held: Sequence[Held]) -> Counter[date]:
        """Minutes worked each local day. Work within one day counts in full; work over several days where its bay
        works, and never more than it is."""
        labour: Counter[date] = Counter()
        for one in held:
            begin, end = (moment.astimezone(self.shop.zone).date() for moment in (one.starts_at, one.ends_at))
            if begin == end:
                labour[begin] += one.minutes
                continue
            left = one.minutes
            for tick in range(
                max(self.line.index(one.starts_at), 0), min(self.line.index(one.ends_at), len(self.line))
            ):
                if left > 0 and self.bay_open[one.bay][tick]:
                    labour[self.line.dates[tick]] += PER_TICK
                    left -= PER_TICK
        return labour


def _first_run(ticks: Sequence[int]) -> list[int]:
    """The ticks from the first on that follow each other."""
    return [tick for place, tick in enumerate(ticks) if tick - ticks[0] == place]


def _minute(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def _up(moment: datetime) -> datetime:
    """The first tick at or after a moment."""
    over = (moment - moment.replace(minute=0, second=0, microsecond=0)) % TICK
    return moment + (TICK - over if over else timedelta())
