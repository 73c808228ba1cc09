"""The simulated month: the whole cadence of very many leads on simulated time, through the real dispatcher, outbox, gate
and PostgreSQL, while everything goes wrong.

Time stands still while something is done and jumps to the next moment at which anything is: a wake-up in the queue, an
event, or the next look of the clock, which looks every minute while there is something to find.
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
from scheduler.dispatch import dispatch
from tests.chaos.month_clocks import two_clocks
from tests.chaos.month_customers import DEEDS, MonthCustomers
from tests.chaos.month_events import FLUSHES_A_DAY, MonthEvents
from tests.chaos.month_faults import Killed
from tests.chaos.month_judge import judge_month
from tests.chaos.month_killing import killed_workers
from tests.chaos.month_people import Person, bursts, people, shops
from tests.chaos.month_world import MonthWorld, month_world
from tests.chaos.simulation_dice import Dice
from tests.conftest import TestDatabase

# Monday and Saturday; both have a change of clocks in their middle (2027-03-14, 2027-11-07) and federal holidays.
SPRING, AUTUMN = datetime(2027, 2, 22, 12, tzinfo=UTC), datetime(2027, 10, 16, 12, tzinfo=UTC)
LOOK = timedelta(minutes=1)
SPREAD, EVENTFUL, LONGEST = timedelta(days=4), timedelta(days=36), timedelta(days=120)
# On the fourth day, when most is due, in the working hours; a little longer than a touch may be late, so that some are.
OUTAGE_BEGINS, OUTAGE = timedelta(days=3, hours=4), timedelta(hours=6, minutes=30)
# How often a worker dies of a job; of any other one a little more seldom than of a delivery.
DIES = {"dispatch": 0.05, "deliver": 0.007}
CLOCKS_AT = timedelta(days=2, hours=5)

# The earliest moment of anything that is owed.
_OWED_AT = """
select least(
    (select min(o.due_at) from tenants t cross join lateral (
        select p.due_at from touch_points p where p.tenant_id = t.id and p.status = 'planned' order by p.due_at limit 1) o),
    (select min(claimed_until) from touch_points where status = 'claimed'),
    (select min(resume_at) from touch_points where status = 'paused' and resume_at is not null),
    (select min(send_after) from chat_messages where status in ('pending', 'sending', 'unknown') and claimed_until is null),
    (select min(claimed_until) from chat_messages where status in ('pending', 'sending', 'unknown')),
    (select min(coalesce(lease_until, answer_due_at)) from chat_sessions where answer_due_at is not null))
"""


@dataclass(frozen=True)
class Scale:
    """How large a run is. `kills`: how often real processes are killed; `clock_ticks`: how many looks two real clock
    processes make; `more`: how much oftener people come in the worst moment; `lasting`: None: until nothing is left."""

    leads: int
    kills: int = 1
    clock_ticks: int = 3
    more: float = 1.0
    lasting: timedelta | None = None
    spread: timedelta = SPREAD
    look: timedelta = LOOK


@dataclass(frozen=True)
class MonthResult:
    """What a run found."""

    seed: int
    leads: int
    start: datetime
    counts: dict[str, int]
    findings: list[str]
    seconds: float
    spent: dict[str, float]


Say = Callable[[datetime, int, int], None]


def simulate_month(
    database: TestDatabase,
    redis_url: str,
    *,
    seed: int,
    scale: Scale,
    start: datetime = SPRING,
    say: Say = lambda *_: None,
) -> MonthResult:
    """Run one world and judge it. `say` hears of every simulated day: the moment, touches settled, touches in all."""
    began, dice = time.monotonic(), Dice(seed)
    with month_world(database, redis_url, dice, start, shops(scale.leads)) as world:
        world.runtime.redis.flushdb()
        run = MonthRun(world, dice, scale, start, say)
        run.to_the_end()
        with run.timed("judging"):
            verdict = judge_month(world, run.customers.truth, run.persons)
        findings = [*run.findings, *verdict.findings]
        counts = dict(sorted((world.counts + verdict.counts).items()))
        seconds = time.monotonic() - began
        return MonthResult(seed, scale.leads, start, counts, findings, seconds, run.spent)


class MonthRun:
    """One world's story."""

    def __init__(self, world: MonthWorld, dice: Dice, scale: Scale, start: datetime, say: Say) -> None:
        self.world, self.dice, self.scale, self.start, self.say = world, dice, scale, start, say
        self.findings: list[str] = []
        self.spent: dict[str, float] = {}
        self.persons: list[Person] = people(dice, scale.leads, start, scale.spread)
        self.customers = MonthCustomers(world, dice)
        self.events = MonthEvents(world, dice, self.customers, scale.more)
        self.next_look = start
        self._jobs = 0
        world.log.on_handed = self.events.handed
        world.db.between = self.events.between
        self._plan()

    def _plan(self) -> None:
        add = self.events.agenda.add
        for burst in bursts(self.persons):
            add(burst[0].at, partial(self.events.come, burst))
        add(self.start + OUTAGE_BEGINS, self._outage)
        if self.scale.clock_ticks:
            add(self.start + CLOCKS_AT, self._clocks)
        for number in range(1, self.scale.kills):
            # Mondays to Fridays at noon in Chicago, while much is due.
            add(self.start + timedelta(days=4 + 2 * number, hours=6), self._kill)
        for day in range(EVENTFUL.days):
            moment = self.start + timedelta(days=day)
            add(moment, partial(self._say, moment))
            add(moment + timedelta(hours=5), self.events.look_at_blocks)
            if self.dice.happens(FLUSHES_A_DAY, "flush", day):
                add(moment + timedelta(hours=24 * self.dice.roll("flush at", day)), self.events.flush)
        for number, what in enumerate(DEEDS if self.scale.lasting is None else ()):
            add(self.start + self.scale.spread + timedelta(hours=number), partial(self.events.surely, what))
        add(self.start + EVENTFUL, self._calm)

    # The story

    def to_the_end(self) -> None:
        """Live until nothing is owed any more."""
        end = self.start + (self.scale.lasting or LONGEST)
        while (moment := self._next_moment()) is not None and moment <= end:
            self.world.clock.moment = max(moment, self.world.clock.moment)
            with self.timed("events"):
                self.events.agenda.happen(self.world.clock.now())
            self._work()
            if self.events.stirred:
                self.events.stirred = False
                self.next_look = min(self.next_look, self.world.clock.now() + self.scale.look)
            if self.next_look <= self.world.clock.now():
                self._look()
        if self.scale.lasting is not None:
            self.world.clock.moment = end
        self._say(self.world.clock.now())

    def timed(self, what: str) -> _Timed:
        """Counts the seconds of this process' processor that what is done inside takes."""
        return _Timed(self.spent, what)

    def _next_moment(self) -> datetime | None:
        queued = cast(
            list[tuple[bytes, float]], self.world.runtime.redis.zrange(WAKE_SET, 0, 0, withscores=True)
        )
        # A float of seconds may lie a hair before the moment it stands for.
        moments = [datetime.fromtimestamp(score, UTC) + timedelta(milliseconds=1) for _, score in queued]
        happens = self.events.agenda.next_moment()
        if happens is not None:
            moments.append(happens)
        if not moments:
            # What a job left for later without anybody's being stirred is found by the look that every minute has.
            owed = self._owed_at()
            if owed is None:
                return None
            self.next_look = min(self.next_look, max(self.world.clock.now() + self.scale.look, owed))
        return min([self.next_look, *moments])

    def _look(self) -> None:
        """One look of the clock, or two at once; the next one when there is something to find."""
        with self.timed("tick"):
            jobs.tick()
        if self.dice.happens(0.02, "two dispatchers", self._jobs):
            self._together(lambda: dispatch(self.world.runtime))
            self.world.counts["two dispatchers"] += 1
        self._work()
        now = self.world.clock.now()
        with self.timed("asking what is next"):
            owed = self._owed_at()
        self.next_look = self.start + 2 * LONGEST if owed is None else max(now + self.scale.look, owed)

    def _owed_at(self) -> datetime | None:
        found: datetime | None = self.world.read(_OWED_AT)[0][0]
        return found

    def _work(self) -> None:
        while due := self.world.runtime.queue.take_due(self.world.clock.now()):
            for job, tenant_id, row_id in due:
                self._jobs += 1
                if self.dice.happens(0.01, "lost", self._jobs):
                    self.world.counts["wake-ups lost"] += 1
                    self.events.stirred = True
                    continue
                for _ in range(2 if self.dice.happens(0.01, "doubled", self._jobs) else 1):
                    self._run(job, tenant_id, row_id)
        late, self.events.late = self.events.late, []
        for what in late:
            what()

    def _run(self, job: str, tenant_id: int, row_id: str) -> None:
        self.world.counts[f"job: {job}"] += 1
        if job == "deliver" and self.dice.happens(0.004, "race", self._jobs):
            self.world.counts["races"] += 1
            self._together(lambda: self._do(job, tenant_id, row_id))
            return
        if self.dice.happens(DIES.get(job, 0.006), "dies", self._jobs):
            most = 40 if job == "dispatch" else 4
            at = 1 + int(self.dice.roll("dies at", self._jobs) * most)
            self.world.db.arm(at, committed=self.dice.happens(0.5, "committed", self._jobs))
        self.events.job = (job, row_id)
        with self.timed(job):
            self._do(job, tenant_id, row_id)
        self.events.job = ("", "")

    def _do(self, job: str, tenant_id: int, row_id: str) -> None:
        try:
            jobs.run(job, tenant_id, row_id)
        except Killed:
            self.world.counts["workers killed"] += 1
            self.events.stirred = True
        except Exception as error:  # noqa: BLE001 - whatever a job raises is a finding, and the run goes on
            self.findings.append(f"{self.world.clock.now()}: the job {job} of {row_id} raised {error!r}")
        finally:
            self.world.db.disarm()

    def _together(self, what: Callable[[], object]) -> None:
        together = threading.Barrier(2)

        def one(_: int) -> None:
            together.wait(10)
            what()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(2)))

    # What happens once

    def _outage(self) -> None:
        """Hours in which nothing of ours runs; what customers did meanwhile reaches us when it is over."""
        self.world.clock.moment += OUTAGE
        self.world.counts["outages"] += 1
        self.events.flush()
        self.events.agenda.happen(self.world.clock.now())
        self.next_look = self.world.clock.now()
        if self.scale.kills:
            self._kill()

    def _kill(self) -> None:
        with self.timed("killing"):
            self.findings += killed_workers(self.world, self.dice, self.customers)
        self.next_look = self.world.clock.now() + self.scale.look

    def _clocks(self) -> None:
        with self.timed("clocks"):
            self.findings += two_clocks(self.world, self.scale.clock_ticks, self._work)

    def _calm(self) -> None:
        """The last ones get what is left without anything more going wrong."""
        self.world.calm()
        self.events.over = True

    def _say(self, moment: datetime) -> None:
        rows = self.world.read(
            "select count(*) filter (where status in ('planned', 'claimed')), count(*) from touch_points"
        )
        self.say(moment, rows[0][1] - rows[0][0], len(self.persons) * 13)


class _Timed:
    def __init__(self, spent: dict[str, float], what: str) -> None:
        self.spent, self.what = spent, what

    def __enter__(self) -> None:
        self.began = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.spent[self.what] = self.spent.get(self.what, 0.0) + time.process_time() - self.began
