"""Thousands of orders while webhooks are lost, doubled and late and the API fails: all become leads, none twice.

One thing after the other on a clock that stands still in between, so that a seed tells the whole story. What comes next
is the earliest of: an order or an edit, a webhook's attempt, a wake-up in the queue, a sweep.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from ops.queue import WAKE_SET
from scheduler import jobs
from tests.chaos.orders_judge import Judge, Order, Result
from tests.chaos.orders_shop import Company, Place, place
from tests.chaos.simulation_dice import Dice, numbered_uuids
from tests.chaos.simulation_events import Agenda
from tests.chaos.simulation_faults import Killed
from tests.conftest import MONDAY_NINE_IN_CHICAGO, TestDatabase

# So many orders come in an hour, to four shops.
PACE, OTHERS, EDITED = 312.5, 0.05, 0.25
SWEEP, SLOW_SWEEP, SETTLING = timedelta(seconds=5), timedelta(seconds=60), timedelta(minutes=75)
OUTAGE, HOOK_OFF = timedelta(minutes=10), 0.4
LOST, TWICE, DIES = 0.02, 0.03, 0.01
CARS = (
    {"year": 2021, "make": "Honda", "model": "Civic"},
    {"year": 2019, "make": "Ford", "model": "F-150"},
    None,
)


def run_orders(
    database: TestDatabase,
    redis_url: str,
    *,
    seed: int,
    orders: int,
    start: datetime = MONDAY_NINE_IN_CHICAGO,
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """Run one story and judge it."""
    began, dice = time.monotonic(), Dice(seed)
    # Back-off between repetitions is random.
    random.seed(seed)
    with numbered_uuids(seed), place(database, redis_url, dice, start) as made:
        made.runtime.redis.flushdb()
        run = _Run(made, dice, orders, start, say)
        run.live_until(run.end)
        run.live_until(run.end + SETTLING)
        return run.judge.verdict(seed, time.monotonic() - began)


class _Run:
    def __init__(
        self, place: Place, dice: Dice, orders: int, start: datetime, say: Callable[[str], None]
    ) -> None:
        self.place, self.dice, self.judge, self.agenda = place, dice, Judge(place), Agenda()
        self.end = start + timedelta(hours=orders / PACE)
        self._next_sweep, self._jobs = start, 0
        for number in range(orders):
            at = start + (self.end - start) * self.dice.roll("at", number)
            self.agenda.add(at, partial(self._order, number, is_lead=True))
            if self.dice.happens(OTHERS, "other", number):
                self.agenda.add(at, partial(self._order, orders + number, is_lead=False))
        for tenth in range(10):
            at = start + (self.end - start) * tenth / 10
            self.agenda.add(
                at, lambda: say(f"{len(self.judge.orders)} orders, {len(self.judge.found)} leads")
            )
        self._plan_outages(start)

    def _plan_outages(self, start: datetime) -> None:
        """Each API is away twice, the queue is emptied twice, and one hook is switched off by the vendor."""
        span = self.end - start
        for share in (0.3, 0.7):
            for company in self.place.companies:
                at = start + span * (share + 0.1 * self.dice.roll("outage", company.slug, share))
                self.agenda.add(at, partial(setattr, company.moods, "away", True))
                self.agenda.add(at + min(OUTAGE, span / 10), partial(setattr, company.moods, "away", False))
            self.agenda.add(start + span * share, self._flush)
        self.agenda.add(start + span * HOOK_OFF, partial(self._switch_off, self.place.companies[0]))

    # What happens

    def _order(self, number: int, *, is_lead: bool) -> None:
        company = self.place.companies[number % 2]
        location_id, crm_id = company.places[number // 2 % 2]
        # Four orders in a row are one person, who is a stranger to each of the other shops.
        phone, mail = f"+1773{2_000_000 + number // 4}", f"person{number // 4}@example.com"
        kind = self.dice.one_of({"both": 85, "phone": 8, "mail": 7}, "contacts", number)
        other = self.dice.one_of({"Invoice": 1, "RepairOrder": 1}, "status", number)
        made = company.shopmonkey.add_lead(
            "Pat",
            "Poe",
            None if kind == "mail" else phone,
            None if kind == "phone" else mail,
            vehicle=CARS[number % len(CARS)],
            complaint="How much is a full tint?",
            services=["Full tint"] if number % 2 else [],
            opt_in=True,
            status="Estimate" if is_lead else other,
            locationId=crm_id,
        )
        row = company.shopmonkey.tables["order"][made.order_id]
        listed_at = row["_born"] = row["_born"] + timedelta(seconds=company.fates.unlisted_for(number))
        key = (location_id, mail if kind == "mail" else phone) if is_lead else None
        self.judge.orders.append(Order(number, key, self.place.clock.now(), listed_at))
        if self.dice.happens(EDITED, "edited", number):
            later = self.place.clock.now() + timedelta(
                seconds=self.dice.between(5, 1200, "edited at", number)
            )
            self.agenda.add(later, partial(self._edit, company, made.order_id))

    def _edit(self, company: Company, order_id: str) -> None:
        company.shopmonkey.change("order", order_id, complaint="And the windshield?")

    def _flush(self) -> None:
        self.place.counts["queue flushed"] += 1
        self.place.runtime.redis.flushdb()

    def _switch_off(self, company: Company) -> None:
        self.place.counts["hooks switched off"] += 1
        company.shopmonkey.change(
            "webhook", company.hook_id, enabled=False, error=True, errorMessage="status 500"
        )

    # Time

    def live_until(self, end: datetime) -> None:
        """Let everything happen that is due until then."""
        while (moment := self._next_moment()) <= end:
            self.place.clock.moment = max(moment, self.place.clock.moment)
            self.agenda.happen(self.place.clock.now())
            for company in self.place.companies:
                company.shopmonkey.deliver_due()
            self._work()
            if self._next_sweep <= self.place.clock.now():
                jobs.tick()
                now = self.place.clock.now()
                self._next_sweep = now + (SWEEP if now < self.end else SLOW_SWEEP)
                self._work()
        self.place.clock.moment = max(end, self.place.clock.moment)

    def _next_moment(self) -> datetime:
        queued = cast(
            list[tuple[bytes, float]], self.place.runtime.redis.zrange(WAKE_SET, 0, 0, withscores=True)
        )
        # A float of seconds may lie a hair before the moment it stands for.
        woken = [datetime.fromtimestamp(score, UTC) + timedelta(milliseconds=1) for _, score in queued]
        others = [
            self.agenda.next_moment(),
            *(each.shopmonkey.next_delivery() for each in self.place.companies),
        ]
        return min([self._next_sweep, *woken, *(each for each in others if each is not None)])

    def _work(self) -> None:
        while due := self.place.runtime.queue.take_due(self.place.clock.now()):
            for job, tenant_id, row_id in due:
                self._jobs += 1
                if self.dice.happens(LOST, "lost", self._jobs):
                    self.place.counts["wake-ups lost"] += 1
                    continue
                self._run(job, tenant_id, row_id)
                self.judge.look(job)

    def _run(self, job: str, tenant_id: int, row_id: str) -> None:
        self.place.counts[f"job: {job}"] += 1
        if self.dice.happens(TWICE, "twice", self._jobs):
            self._race(job, tenant_id, row_id)
            return
        if self.dice.happens(DIES, "dies", self._jobs):
            at = 1 + int(self.dice.roll("dies at", self._jobs) * 4)
            self.place.db.arm(at, committed=self.dice.happens(0.5, "committed", self._jobs))
        self._do(job, tenant_id, row_id)

    def _do(self, job: str, tenant_id: int, row_id: str) -> None:
        try:
            jobs.run(job, tenant_id, row_id)
        except Killed:
            self.place.counts["workers killed"] += 1
        except Exception as error:  # noqa: BLE001 - whatever a job raises is a finding, and the run goes on
            self.judge.violations.append(f"the job {job} of {row_id} raised {error!r}")
        finally:
            self.place.db.disarm()

    def _race(self, job: str, tenant_id: int, row_id: str) -> None:
        """Two workers at once: one of them must find that it is not its to do."""
        self.place.counts["races"] += 1
        together = threading.Barrier(2)

        def one(_: int) -> None:
            together.wait(10)
            self._do(job, tenant_id, row_id)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(2)))
