"""What happens in the simulated month besides the work itself: who comes when, what they do, what the carriers say
afterwards, and what is lost."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

from channels.email.taking import take_event
from channels.statuses import record_status
from crm.routing import route_outbox
from crm.template_blocks import lift, standing_blocks
from scheduler.dispatch import wake_dispatch
from tests.chaos.month_carrier import Handed
from tests.chaos.month_customers import DEEDS, MonthCustomers
from tests.chaos.month_faults import Killed
from tests.chaos.month_people import Person
from tests.chaos.month_world import MonthWorld, add_people, find_people
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_events import ERRORS, Agenda

# Of all persons so many do something in the very second of a touch, and so many at any other time.
IN_THE_SECOND, AT_ANY_TIME = 0.12, 0.16
# Of the transactions of a dispatch or a delivery so many find somebody come just before.
BETWEEN_DISPATCH, BETWEEN_DELIVERY, WHILE_SENDING = 0.006, 0.004, 0.003
# Every word that a text arrived is a transaction of its own; three of four are lost, which stops nothing.
TEXT_FAILS, HEARD_OF_ARRIVAL, HEARD_OF_FAILURE = 0.05, 0.25, 0.93
MAIL_EVENTS = {"delivered": 60, "bounce": 18, "spamreport": 4, "unsubscribe": 3, "dropped": 5}
MAIL_SPOKEN_OF = 0.15
FLUSHES_A_DAY = 0.5


class MonthEvents:
    """Writes the agenda of one run. `late` is what happens after the work of its moment, `stirred` whether something may
    be owed earlier than was known."""

    def __init__(self, world: MonthWorld, dice: Dice, customers: MonthCustomers, more: float = 1.0) -> None:
        self.world, self.dice, self.customers = world, dice, customers
        self.agenda, self.late = Agenda(), list[Any]()
        self.more, self.stirred = more, False
        self.job: tuple[str, str] = ("", "")
        self.over = False
        self._asked = 0

    def come(self, burst: list[Person]) -> None:
        """A burst of new leads. Whoever brings them tries again a minute later when we die under it."""
        self._asked += 1
        if self.dice.happens(0.03, "import dies", self._asked):
            self.world.db.arm(1, committed=self.dice.happens(0.5, "committed", self._asked))
        try:
            add_people(self.world, burst)
        except Killed:
            self.world.counts["workers killed"] += 1
        finally:
            self.world.db.disarm()
        now, self.stirred = self.world.clock.now(), True
        if not find_people(self.world, burst):
            self.agenda.add(now + timedelta(minutes=1), partial(self.come, burst))
            return
        self._wake_first(burst)
        self._plan_deeds(burst)

    def _wake_first(self, burst: list[Person]) -> None:
        """As the intake does it for one lead, or as a bulk import does, for all at once."""
        queue, now = self.world.runtime.queue, self.world.clock.now()
        if len(burst) > 3:
            wake_dispatch(queue, now)
            return
        leads = [self.world.ids[one.number].lead_id for one in burst]
        statement = "select tenant_id, id from touch_points where lead_id = any(:leads) and step = 1 and status = 'planned'"
        for tenant_id, row_id in self.world.read(statement, leads=leads):
            queue.wake("touch", tenant_id, row_id, now)

    def _plan_deeds(self, burst: list[Person]) -> None:
        wanted: dict[int, int] = {}
        for one in burst:
            lead_id = self.world.ids[one.number].lead_id
            self.customers.by_lead[lead_id] = one.number
            if self.dice.happens(IN_THE_SECOND * self.more, "in the second", one.number):
                wanted[lead_id] = 2 + int(self.dice.roll("step", one.number) * 12)
            if self.dice.happens(AT_ANY_TIME, "at any time", one.number):
                after = timedelta(days=34) * self.dice.roll("after", one.number) ** 2
                self.agenda.add(self.world.clock.now() + after, partial(self.deed, one.number))
        statement = "select lead_id, step, due_at from touch_points where lead_id = any(:leads) and status = 'planned'"
        for lead_id, step, due_at in self.world.read(statement, leads=list(wanted)) if wanted else ():
            if wanted[lead_id] == step:
                self.agenda.add(due_at, partial(self._in_the_second, self.customers.by_lead[lead_id]))

    def _in_the_second(self, number: int) -> None:
        """Before the dispatcher looks, or after what it wrote has left, on the same stroke of the clock."""
        wake_dispatch(self.world.runtime.queue, self.world.clock.now())
        if self.dice.happens(0.5, "before", number):
            self.deed(number)
        else:
            self.late.append(partial(self.deed, number))

    def deed(self, number: int) -> None:
        """Somebody does something now."""
        self._asked += 1
        self.stirred = True
        what = self.customers.do(number, self.dice.one_of(DEEDS, "deed", number, self._asked))
        if what == "takeover" and self.dice.happens(0.6, "given back", number):
            days = self.dice.between(0.5, 8, "back after", number)
            self.agenda.add(self.world.clock.now() + timedelta(days=days), partial(self._give_back, number))

    def surely(self, what: str) -> None:
        """Somebody who can does this now: in a small run none of the dice may fall so."""
        able = [number for number in self.customers.by_lead.values() if self.customers.can(number, what)]
        self.stirred = True
        self.customers.do(self.dice.one_of(dict.fromkeys(able, 1.0), "surely", what), what)

    def _give_back(self, number: int) -> None:
        self.stirred = True
        self.customers.give_back(number)

    # What comes in between

    def between(self, tenant_id: int) -> None:
        """Before a transaction of ours begins: perhaps somebody whose touch is just being written was quicker."""
        job, row_id = self.job
        if self.over or job not in ("dispatch", "deliver"):
            return
        self._asked += 1
        share = BETWEEN_DISPATCH if job == "dispatch" else BETWEEN_DELIVERY
        if not self.dice.happens(share * self.more, "between", self._asked):
            return
        if job == "dispatch":
            statement = "select lead_id from touch_points where status = 'claimed' and tenant_id = :key order by due_at limit 1"
            found = self.world.read(statement, key=tenant_id)
        else:
            statement = (
                "select lead_id from chat_messages where id = :key and kind = 'touch' and status = 'pending'"
            )
            found = self.world.read(statement, key=int(row_id))
        for (lead_id,) in found:
            self.world.counts[f"between: {job}"] += 1
            self.deed(self.customers.by_lead[lead_id])

    # What the carriers say

    def handed(self, one: Handed) -> None:
        """A carrier has got something: what it will say of it, and perhaps the customer answers in this very moment."""
        if one.taken:
            plan = self._plan_text_words if one.channel == "sms" else self._plan_mail_words
            plan(one)
        if self.over or one.kind != "touch" or not one.taken:
            return
        if self.dice.happens(WHILE_SENDING * self.more, "while sending", one.number):
            found = self.world.read(
                "select lead_id from chat_messages where outbox_id = :id", id=one.outbox_id
            )
            with self.world.db.unhurt():
                self.world.counts["while it was sent"] += 1
                self.deed(self.customers.by_lead[found[0][0]])

    def _plan_text_words(self, one: Handed) -> None:
        fails = not self.over and self.dice.happens(TEXT_FAILS, "fails", one.number)
        code = self.dice.one_of(ERRORS, "error", one.number) if fails else None
        heard = HEARD_OF_FAILURE if fails else HEARD_OF_ARRIVAL
        word = (
            "delivered"
            if not fails
            else "undelivered"
            if self.dice.happens(0.7, "word", one.number)
            else "failed"
        )
        if not self.dice.happens(heard, "heard", one.number):
            return
        self.world.counts[f"text {word}"] += 1
        last = one.at + timedelta(seconds=4 + 90 * self.dice.roll("final", one.number))
        if self.dice.happens(0.05, "late", one.number):
            last += timedelta(hours=30 * self.dice.roll("how late", one.number))
        if self.dice.happens(0.05, "sent", one.number):
            self.agenda.add(last + timedelta(seconds=5), partial(self._text_word, one, "sent", None))
        for again in range(2 if self.dice.happens(0.06, "twice", one.number) else 1):
            self.agenda.add(last + again * timedelta(minutes=9), partial(self._text_word, one, word, code))

    def _text_word(self, one: Handed, word: str, code: int | None) -> None:
        with self.world.db.system() as session:
            route = route_outbox(session, one.outbox_id)
        if route is not None:
            self.stirred = self.stirred or code is not None
            said = None if code is None else str(code)
            if code is not None:
                self.world.said.setdefault(one.id, (code, self.world.clock.now()))
            record_status(
                self.world.db, route.tenant_id, route.row_id, word, one.id, said, self.world.clock.now()
            )

    def _plan_mail_words(self, one: Handed) -> None:
        if self.over or one.kind == "notice" or not self.dice.happens(MAIL_SPOKEN_OF, "mail", one.number):
            return
        word = self.dice.one_of(MAIL_EVENTS, "mail word", one.number)
        self.world.counts[f"mail {word}"] += 1
        at = one.at + timedelta(seconds=5 + 600 * self.dice.roll("mail when", one.number))
        for again in range(2 if self.dice.happens(0.1, "mail twice", one.number) else 1):
            self.agenda.add(at + again * timedelta(minutes=3), partial(self._mail_word, one, word))

    def _mail_word(self, one: Handed, word: str) -> None:
        now = self.world.clock.now()
        given = {
            "event": word, "email": one.to, "timestamp": int(one.at.timestamp()) + 5, "sg_event_id": f"{word}-{one.number}",
            "sg_message_id": f"{one.id}.filter001", "outbox_id": str(one.outbox_id),
            **({"type": "bounce", "status": "5.1.1", "reason": "550 no such user"} if word == "bounce" else {}),
            **({"reason": "Spam Content"} if word == "dropped" else {}),
        }  # fmt: skip
        whom = re.fullmatch(r"person(\d+)@example\.com", one.to)
        if word in ("bounce", "dropped"):
            self.world.said.setdefault(one.id, (0, now))
        elif word != "delivered" and whom is not None:
            self.customers.truth.reported.add(int(whom[1]))
        with self.world.db.tenant(one.tenant_id) as session:
            take_event(session, one.tenant_id, given, shared=True, received_at=now, now=now)

    # What happens by itself

    def flush(self) -> None:
        """The queue is lost with all it held."""
        self.world.runtime.redis.flushdb()
        self.world.counts["queue flushed"] += 1

    def look_at_blocks(self) -> None:
        """A person of each business looks at what is blocked, once a day."""
        for (tenant_id,) in self.world.read(
            "select distinct tenant_id from template_blocks where lifted_at is null"
        ):
            with self.world.db.tenant(tenant_id) as session:
                for block in standing_blocks(session):
                    self.world.counts["blocks lifted"] += lift(
                        session, block.template, "Sam", self.world.clock.now()
                    )
