"""What the calendar's state machine compares with: the oracle, asked in the ways the steps need it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy.orm import Session

from crm.calendar.book import DayBook
from crm.calendar.booker import Booker
from crm.calendar.daybook import load_day_book
from crm.calendar.job import Job, job_for
from crm.calendar.refusals import BookingConflict
from crm.db import Database
from crm.models import Appointment, Location, Service
from tests.integration.calendar_oracle import Oracle
from tests.integration.calendar_oracle_shop import Held, OracleJob, OracleShop
from tests.integration.calendar_shops import Place, oracle_job

FIVE = timedelta(minutes=5)
# Codes of services, and the shape of the car.
Wish = tuple[list[str], str | None]


class JudgedCalendar(RuleBasedStateMachine):
    """A shop, what is booked there, and the oracle of this moment."""

    db: Database
    shop: OracleShop
    place: Place
    now: datetime
    oracle: Oracle
    held: list[Held]
    known: dict[int, tuple[Booker, Wish]]

    def as_told(self, job: OracleJob, ends_at: datetime, told: datetime) -> bool:
        """Who waits was told when the work is done, who leaves the car on which day."""
        if not job.drop_off:
            return ends_at <= told
        zone = self.shop.zone
        return ends_at.astimezone(zone).date() <= told.astimezone(zone).date()

    def now_on(self, row: Appointment, booker: Booker, wish: Wish) -> None:
        """Judge what was just booked by the state before it, then make it part of the state."""
        others = [one for one in self.held if one.id != row.id]
        verdict = self.oracle.judge(oracle_job(*wish), row.starts_at, row.bay_id, others)
        assert verdict.broken == frozenset()
        assert row.ends_at == verdict.ends_at
        assert row.blocked_from == row.starts_at - timedelta(minutes=self.shop.before)
        assert row.blocked_until == row.ends_at + timedelta(minutes=self.shop.after)
        assert (row.arrives_from, row.arrives_until) == self.told_to_come(wish, row.starts_at)
        now_on = Held(
            row.id, row.bay_id, row.starts_at, row.ends_at, row.blocked_from, row.blocked_until, row.labour_minutes
        )  # fmt: skip
        assert now_on.minutes == oracle_job(*wish).minutes
        self.held = [*others, now_on]
        self.known[row.id] = (booker, wish)

    def one_a_day(self, told: dict[datetime, Any], lasting: dict[datetime, Any]) -> None:
        """A car that is left: one offer for each day on which anything is allowed, the earliest there is."""
        days = {start.astimezone(self.shop.zone).date(): start for start in sorted(lasting, reverse=True)}
        offered = {start.astimezone(self.shop.zone).date(): start for start in told}
        assert len(offered) == len(told)
        assert set(told) <= set(lasting)
        if self.shop.max_labour is None:
            assert offered == days
        for start, what in told.items():
            assert what == soonest(lasting[start])

    def refused_rightly(
        self,
        conflict: BookingConflict,
        wish: Wish,
        moment: datetime,
        expected: list[datetime],
        others: list[Held],
    ) -> None:
        """Nothing that had to be given was refused, and the times named instead can really be had."""
        assert not self.must_have(oracle_job(*wish), moment, expected), conflict.refusals
        self.alternatives_are_true(conflict, wish, others)

    def alternatives_are_true(self, conflict: BookingConflict, wish: Wish, others: list[Held]) -> None:
        job = oracle_job(*wish)
        for slot in conflict.alternatives:
            ends = self.bays_for(job, slot.starts_at, others)
            assert soonest(ends) == (set(slot.bay_ids), slot.ends_at)
        if not conflict.alternatives and not (job.drop_off and self.shop.max_labour):
            assert not self.lasting(job, others)

    def lasting(self, job: OracleJob, others: list[Held] | None = None) -> list[datetime]:
        allowed = self.oracle.allowed(job, self.held if others is None else others)
        # With a limit of labour work may fit later on a day than the moment a bay becomes free; that is not offered.
        if job.drop_off and self.shop.max_labour is not None:
            return []
        return [start for start in allowed if self.oracle.lasts(job, start)]

    def starts_for(self, job: OracleJob, moment: datetime, others: list[Held]) -> list[datetime]:
        """Where work asked for at `moment` may start: then, or, when the car is left, later that day."""
        if not job.drop_off:
            return [moment] if self.bays_for(job, moment, others) else []
        comes = self.oracle.comes(job, moment)
        if comes is None or moment < comes[0]:
            return []
        starts = self.rest_of_day(max(moment, comes[1]))
        return [start for start in starts if self.bays_for(job, start, others)]

    def must_have(self, job: OracleJob, moment: datetime, expected: list[datetime]) -> bool:
        """True when one of `expected` has to be taken. With a limit of labour, work on a car that is left may fit
        again later than the moment a bay becomes free or is opened; looking for that is not asked for."""
        if not job.drop_off or self.shop.max_labour is None:
            return bool(expected)
        comes = self.oracle.comes(job, moment)
        return comes is not None and max(moment, comes[1]) in expected

    def rest_of_day(self, first: datetime) -> list[datetime]:
        day = first.astimezone(self.shop.zone).date()
        starts = (first + number * FIVE for number in range(26 * 12))
        return [start for start in starts if start.astimezone(self.shop.zone).date() == day]

    def bays_for(self, job: OracleJob, start: datetime, others: list[Held]) -> dict[int, datetime]:
        verdicts = {bay: self.oracle.judge(job, start, bay, others) for bay in self.shop.bays}
        return {bay: one.ends_at for bay, one in verdicts.items() if not one.broken and one.ends_at}

    def told_to_come(self, wish: Wish, start: datetime) -> tuple[datetime, datetime] | tuple[None, None]:
        job = oracle_job(*wish)
        return (self.oracle.comes(job, start) if job.drop_off else None) or (None, None)

    def moment(self, data: st.DataObject) -> datetime:
        """A moment around the horizon, more often than not an open one."""
        is_open = [tick for tick, one in enumerate(self.oracle.shop_open) if one][: 12 * 12 * 12]
        if is_open and data.draw(st.integers(0, 4)):
            number = data.draw(st.integers(0, len(is_open) // 3 - 1)) * 3
            return self.oracle.line.moment(is_open[number])
        return self.oracle.line.moment(data.draw(st.integers(1, (self.shop.horizon_days + 2) * 24 * 12)))

    def judge_anew(self) -> None:
        self.oracle = Oracle(self.shop, self.now)

    def today(self) -> date:
        return self.now.astimezone(self.shop.zone).date()

    def session(self) -> Any:
        return self.db.tenant(self.place.tenant_id)

    def day_book(self, s: Session) -> DayBook:
        return load_day_book(s, s.get_one(Location, self.place.location_id), self.now)

    def job(self, s: Session, wish: Wish) -> Job:
        codes, style = wish
        return job_for([s.get_one(Service, self.place.service_ids[code]) for code in codes], style)


def soonest(ends: dict[int, datetime]) -> tuple[set[int], datetime]:
    """The bays that are done first, and when."""
    first = min(ends.values())
    return {bay for bay, end in ends.items() if end == first}, first
