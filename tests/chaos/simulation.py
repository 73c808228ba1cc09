"""The simulation: thousands of leads through the whole outbound path, for a month, with everything going wrong.

One thing after the other on a clock that stands still in between, so that a seed tells the whole story. What comes next
is the earliest of: something that a customer or a carrier does, a wake-up in the queue, a sweep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from ops.queue import WAKE_SET
from scheduler import jobs
from tests.chaos.simulation_customers import HEARD_BY_THEN, Customers
from tests.chaos.simulation_dice import Dice, numbered_uuids
from tests.chaos.simulation_events import Events
from tests.chaos.simulation_faults import Killed
from tests.chaos.simulation_judge import Judge
from tests.chaos.simulation_people import people
from tests.chaos.simulation_truth import Truth
from tests.chaos.simulation_world import World, world
from tests.conftest import TestDatabase

SWEEP, SOON, MANY = timedelta(minutes=30), timedelta(seconds=30), 500
LOOK = timedelta(hours=24)
# The leads come within the first days; the last touch is due thirty days later, weekends and holidays put it off.
SPREAD, LASTING, SETTLING = timedelta(days=4), timedelta(days=36), timedelta(days=3)
# Both have a change of clocks in the middle (2027-03-14, 2027-11-07) and federal holidays.
SPRING, AUTUMN = datetime(2027, 2, 22, 12, tzinfo=UTC), datetime(2027, 10, 16, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Result:
    """What a run found. `digest` is the same for two runs of one seed."""

    seed: int
    leads: int
    start: datetime
    counts: dict[str, int]
    violations: list[str]
    digest: str
    seconds: float


def simulate(
    database: TestDatabase,
    redis_url: str,
    *,
    seed: int,
    leads: int,
    start: datetime = SPRING,
    lasting: timedelta = LASTING,
    sweep: timedelta = SWEEP,
    say: Callable[[datetime], None] = lambda _: None,
) -> Result:
    """Run one world from `start` on and judge it. `say` hears of every day that begins."""
    began, dice = time.monotonic(), Dice(seed)
    with numbered_uuids(seed), world(database, redis_url, dice, start) as made:
        made.runtime.redis.flushdb()
        return _Run(made, dice, leads, start, lasting, sweep, say).to_the_end(seed, began)


class _Run:
    def __init__(
        self,
        world: World,
        dice: Dice,
        leads: int,
        start: datetime,
        lasting: timedelta,
        sweep: timedelta,
        say: Callable[[datetime], None],
    ) -> None:
        self.world, self.dice, self.start, self.end, self.sweep = world, dice, start, start + lasting, sweep
        self.enquiries = people(dice, leads, start, min(SPREAD, lasting / 4), lasting * 0.75)
        truth = Truth(self.enquiries)
        self.judge = Judge(world, truth, self.enquiries)
        self.customers = Customers(world, dice, truth)
        self.events = Events(world, dice, self.judge, self.customers)
        for day in range(int((lasting + SETTLING) / timedelta(days=1))):
            moment = start + timedelta(days=day)
            self.events.agenda.add(moment, partial(say, moment))
        self._jobs = 0
        self._looked: dict[str, datetime] = {}
        self._next_sweep = start
        world.twilio.on_attempt = self.judge.text_handed_over
        world.twilio.on_accept = self.events.plan_callbacks
        world.texts.on_answer = self.judge.text_answered
        world.mail.on_mail = self.judge.mail_handed_over
        self.events.plan(self.enquiries, start, self.end)

    def to_the_end(self, seed: int, began: float) -> Result:
        """Live through it, let everything settle, judge."""
        self._live_until(self.end)
        self.world.texts.calm = self.world.mail.calm = True
        self.world.twilio.start()
        self._live_until(self.end + SETTLING)
        verdict = self.judge.verdict()
        counts = dict(sorted((self.world.counts + verdict.counts).items()))
        seconds = time.monotonic() - began
        return Result(
            seed, len(self.enquiries), self.start, counts, verdict.violations, verdict.digest, seconds
        )

    def _live_until(self, end: datetime) -> None:
        while (moment := self._next_moment()) <= end:
            self.world.clock.moment = max(moment, self.world.clock.moment)
            self.events.agenda.happen(self.world.clock.now())
            self._work()
            if self._next_sweep <= self.world.clock.now():
                found = jobs.tick()
                self._next_sweep = self.world.clock.now() + (SOON if found >= MANY else self.sweep)
                self._work()
        self.world.clock.moment = end

    def _next_moment(self) -> datetime:
        queued = cast(
            list[tuple[bytes, float]], self.world.runtime.redis.zrange(WAKE_SET, 0, 0, withscores=True)
        )
        # A float of seconds may lie a hair before the moment it stands for.
        woken = [datetime.fromtimestamp(score, UTC) + timedelta(milliseconds=1) for _, score in queued]
        happens = self.events.agenda.next_moment()
        return min([self._next_sweep, *woken, *([happens] if happens is not None else [])])

    def _work(self) -> None:
        while due := self.world.runtime.queue.take_due(self.world.clock.now()):
            for job, tenant_id, row_id in due:
                self._jobs += 1
                if job == "carrier_check" and not self._is_time_for(row_id):
                    continue
                if not self.world.texts.calm and self.dice.happens(0.02, "lost", self._jobs):
                    self.world.counts["wake-ups lost"] += 1
                    continue
                for _ in range(2 if self.dice.happens(0.02, "doubled", self._jobs) else 1):
                    self._run(job, tenant_id, row_id)

    def _is_time_for(self, check: str) -> bool:
        """A worker too busy to look at the carrier's list every few minutes, which would be most of a run's time."""
        now, lost = self.world.clock.now(), self.customers.lost_at
        wanted = lost is not None and now - lost < HEARD_BY_THEN
        if not wanted and now - self._looked.get(check, self.start) < LOOK:
            return False
        self._looked[check] = now
        return True

    def _run(self, job: str, tenant_id: int, row_id: str) -> None:
        self.world.counts[f"job: {job}"] += 1
        if job == "deliver" and self.dice.happens(0.08, "race", self._jobs):
            self._race(job, tenant_id, row_id)
            return
        if not self.world.texts.calm and self.dice.happens(0.012, "dies", self._jobs):
            at = 1 + int(self.dice.roll("dies at", self._jobs) * 4)
            self.world.db.arm(at, committed=self.dice.happens(0.5, "committed", self._jobs))
        self._do(job, tenant_id, row_id)

    def _do(self, job: str, tenant_id: int, row_id: str) -> None:
        killed = False
        try:
            jobs.run(job, tenant_id, row_id)
        except Killed:
            killed = True
            self.world.counts["workers killed"] += 1
        except Exception as error:  # noqa: BLE001 - whatever a job raises is a finding, and the run goes on
            self.judge.violation(f"the job {job} of {row_id} raised {error!r}")
        finally:
            self.judge.refusals.job_over(killed=killed)
            self.world.db.disarm()

    def _race(self, job: str, tenant_id: int, row_id: str) -> None:
        """Two workers at once: one of them must find that it is not its to do."""
        self.world.counts["races"] += 1
        together = threading.Barrier(2)

        def one(_: int) -> None:
            together.wait(10)
            self._do(job, tenant_id, row_id)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(2)))
