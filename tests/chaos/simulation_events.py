"""What happens in the simulation besides the work itself: customers, lost queues, carriers away, and the carrier's word
about every text."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import text

from crm.template_blocks import lift, standing_blocks
from tests.chaos.simulation_customers import Customers
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_faults import Killed
from tests.chaos.simulation_judge import Judge
from tests.chaos.simulation_people import Deed, Enquiry
from tests.chaos.simulation_world import World
from tests.standins.twilio_messages import TwilioMessage

ERRORS: dict[int, float] = {
    30001: 3, 30003: 30, 30004: 3, 30005: 5, 30006: 5, 30007: 1, 30008: 10, 30034: 1, 30036: 4, 30450: 1, 30500: 4,
    30610: 4, 30047: 2, 30640: 1, 39999: 1,
}  # fmt: skip
FAILS = 0.06
PAUSE = timedelta(hours=3)


class Agenda:
    """What is to happen when, in order; the stand-in's threads add to it too."""

    def __init__(self) -> None:
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._lock = threading.Lock()

    def add(self, moment: datetime, what: Callable[[], None]) -> None:
        """Let it happen then."""
        with self._lock:
            heapq.heappush(self._events, (moment, next(self._number), what))

    def next_moment(self) -> datetime | None:
        """When the next thing happens."""
        with self._lock:
            return self._events[0][0] if self._events else None

    def happen(self, now: datetime) -> None:
        """Everything that is due."""
        while (moment := self.next_moment()) is not None and moment <= now:
            with self._lock:
                _, _, what = heapq.heappop(self._events)
            what()


class Events:
    """Writes the agenda of one run."""

    def __init__(self, world: World, dice: Dice, judge: Judge, customers: Customers) -> None:
        self.world, self.dice, self.judge, self.customers = world, dice, judge, customers
        self.agenda = Agenda()
        self._imports = itertools.count()

    def plan(self, enquiries: list[Enquiry], start: datetime, end: datetime) -> None:
        """Everything that is known beforehand."""
        for one in enquiries:
            self.agenda.add(one.at, partial(self._import, one))
            for deed in one.deeds:
                self.agenda.add(deed.at + timedelta(minutes=5), partial(self._do, one, deed))
        for hour in range(int((end - start) / timedelta(hours=1))):
            moment = start + timedelta(hours=hour, minutes=60 * self.dice.roll("minute", hour))
            for what, share in ((self._flush, 0.08), (self._outage, 0.01), (self._pause, 0.005)):
                if self.dice.happens(share, what.__name__, hour):
                    self.agenda.add(moment, what)
            if hour % 24 == 17:
                self.agenda.add(moment, self._look_at_blocks)

    def plan_callbacks(self, message: TwilioMessage) -> None:
        """What the carrier will say of a text it has just taken: in time or not, in order or not, once or not."""
        self.world.counts["texts taken by the carrier"] += 1
        ask = (message.to, self.world.counts["texts taken by the carrier"])
        final, code = self._ending(ask)
        self.judge.outcomes[message.sid] = (final, code)
        roll, now = self.dice.roll, message.created
        first = now + timedelta(seconds=3 * roll("sent", *ask))
        last = now + timedelta(seconds=4 + 60 * roll("final", *ask))
        if roll("late", *ask) < 0.04:
            last += timedelta(hours=30 * roll("how late", *ask))
        if roll("order", *ask) < 0.08:
            first, last = last, first
        if roll("early", *ask) < 0.05:
            self._say(message, "sent", None)
        elif roll("no sent", *ask) > 0.4:
            self.agenda.add(first, partial(self._say, message, "sent", None))
        if roll("no final", *ask) < 0.03:
            self.agenda.add(last, partial(self.world.twilio._advance, message, final, code))
            self.judge.unheard.add(message.sid)
            return
        for again in range(2 if roll("twice", *ask) < 0.08 else 1):
            self.agenda.add(last + again * timedelta(minutes=9), partial(self._say, message, final, code))

    def _ending(self, ask: tuple[object, ...]) -> tuple[str, int | None]:
        if self.world.texts.calm or not self.dice.happens(FAILS, "fails", *ask):
            return "delivered", None
        word = "undelivered" if self.dice.happens(0.7, "word", *ask) else "failed"
        return word, self.dice.one_of(ERRORS, "error", *ask)

    def _say(self, message: TwilioMessage, status: str, code: int | None) -> None:
        attempt = self.world.twilio.deliver_status(message, status, code)
        self.world.counts["status callbacks"] += 1
        if attempt.status not in (200, 204):
            self.judge.violation(f"the callback {status} of {message.sid} was answered with {attempt.status}")
        if status in ("undelivered", "failed"):
            self.judge.failed_at.setdefault(message.sid, self.world.clock.now())

    def _import(self, one: Enquiry) -> None:
        """The shop's system tries again when we die under it."""
        if self.dice.happens(0.02, "import dies", next(self._imports)):
            self.world.db.arm(1, committed=False)
        try:
            self.customers.ask_for_a_quote(one)
        except Killed:
            self.agenda.add(self.world.clock.now() + timedelta(minutes=1), partial(self._import, one))
        finally:
            self.world.db.disarm()
        self._plan_repeats()

    def _do(self, one: Enquiry, deed: Deed) -> None:
        self.customers.do(one, deed)
        self._plan_repeats()

    def _plan_repeats(self) -> None:
        while self.customers.again:
            moment, sid, one, body = self.customers.again.pop()
            self.agenda.add(moment, partial(self.customers.repeat, one, sid, body))

    def _flush(self) -> None:
        self.world.runtime.redis.flushdb()
        self.world.counts["queue flushed"] += 1

    def _outage(self) -> None:
        self.world.counts["carrier away"] += 1
        self.world.twilio.stop()
        minutes = self.dice.between(3, 40, "outage lasts", self.world.counts["carrier away"])
        self.agenda.add(self.world.clock.now() + timedelta(minutes=minutes), self._back)

    def _back(self) -> None:
        self.world.twilio.start()

    def _pause(self) -> None:
        self.world.counts["businesses paused"] += 1
        names = sorted({shop.plan.tenant for shop in self.world.shops.values()})
        name = names[int(self.dice.roll("who pauses", self.world.counts["businesses paused"]) * len(names))]
        self._set_status(name, "paused")
        self.agenda.add(self.world.clock.now() + PAUSE, partial(self._set_status, name, "active"))

    def _set_status(self, tenant: str, status: str) -> None:
        statement = text("update tenants set status = :status where slug = :slug")
        with self.world.owner.begin() as connection:
            connection.execute(statement, {"status": status, "slug": tenant})
        self.judge.truth.paused.discard(tenant)
        if status == "paused":
            self.judge.truth.paused.add(tenant)

    def _look_at_blocks(self) -> None:
        """A person of each shop looks at what is blocked, once a day."""
        now = self.world.clock.now()
        for tenant_id in sorted({shop.tenant_id for shop in self.world.shops.values()}):
            with self.world.db.tenant(tenant_id) as session:
                for block in standing_blocks(session):
                    self.world.counts["blocks lifted"] += lift(session, block.template, "Sam", now)
