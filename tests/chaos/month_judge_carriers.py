"""The month's judge on what was handed over: exactly once, never where it must not be, never near to another one, and in no
burst."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from tests.chaos.month_carrier import Handed
from tests.chaos.month_evidence import Evidence, Message, Touch
from tests.chaos.month_killing import FAR
from tests.chaos.month_people import Person
from tests.chaos.month_rules import (
    APART,
    APART_LATER,
    FIRST_DAY,
    GRACE,
    MOST_A_DAY,
    SILENCE,
    judge_hours,
    opens_after,
)
from tests.chaos.month_world import AT_ONCE, RATE
from tests.chaos.simulation_judge import AGAIN, TOUCH_AGAIN

DAY = timedelta(hours=24)
# Touches of one shop that are due in one second: with jitter a hundred who came at one moment are spread over ten minutes.
MOST_IN_A_SECOND = 8


class CarrierJudge(Evidence):
    """Compares the carriers' log with our rows and with what people did."""

    def exactly_once(self) -> None:
        """Nothing is with a carrier twice, but what it gave back for a passing reason; and rows say what carriers know."""
        by_row: defaultdict[object, list[Handed]] = defaultdict(list)
        for one in self.handed:
            self.verdict.counts[f"{one.channel} handed over"] += 1
            if one.taken:
                by_row[one.outbox_id].append(one)
        for outbox_id, taken in by_row.items():
            message = self.messages.get(outbox_id)
            touch = None if message is None else self.by_id.get(message.touch_id or 0)
            if message is None or touch is None:
                self.found(f"the carrier has {taken[0].id}, of which no row knows")
                continue
            self.of_lead[touch.lead_id] += [(one, touch) for one in taken]
            for earlier, later in pairwise(taken):
                code = self.world.said.get(earlier.id, (0, earlier.at))
                wait, most = AGAIN.get(code[0], (DAY, 0))
                allowed = code[0] in TOUCH_AGAIN and later.at >= code[1] + wait and len(taken) - 1 <= most
                if not allowed:
                    self.found(f"touch {touch.id} was handed over at {earlier.at} and {later.at} ({code[0]})")
            if message.status in ("withheld", "dropped", "failed") and message.error_code is None:
                self.found(
                    f"message {message.id} is {message.status} ({message.error}), and the carrier has it"
                )
        for message in self.messages.values():
            through = message.status in ("sent", "delivered")
            if through and message.carrier_id not in {one.id for one in by_row.get(message.outbox_id, ())}:
                self.found(
                    f"message {message.id} is {message.status}, and no carrier knows {message.carrier_id}"
                )

    def each_hand_over(self) -> None:
        """What must hold for each single touch that reached a carrier."""
        for lead_id, all_of_lead in self.of_lead.items():
            all_of_lead.sort(key=lambda pair: pair[0].at)
            one = self.who[lead_id]
            for handed, touch in all_of_lead:
                message = self.messages[handed.outbox_id]
                name = f"{handed.channel} touch {touch.id} (step {touch.step}) to person {one.number} at {handed.at}"
                self._judge_replies(name, message, touch)
                self._judge_person(name, one, handed)
                self._judge_time(name, one, handed, touch, message)

    def _judge_replies(self, name: str, message: Message, touch: Touch) -> None:
        if message.allowed is None:
            self.found(f"{name}: the gate never let it go")
            return
        for number, at, _ in self.replies[touch.lead_id]:
            before = number < message.allowed
            if before and at >= touch.created_at and message.created_at - at < SILENCE:
                self.found(f"{name}: after the reply of {at}")

    def _judge_person(self, name: str, one: Person, handed: Handed) -> None:
        stop = self.truth.stops.get((one.number, handed.channel))
        if stop is not None and self._is_after(handed, *stop):
            self.found(f"{name}: after their stop of {stop[1]}")
        closed = self.closed.get((handed.channel, handed.to))
        if closed is not None and handed.at > closed[0]:
            self.found(f"{name}: {closed[1]} since {closed[0]}")
        booked = self.truth.booked.get(one.number)
        if booked is not None and handed.at > booked:
            self.found(f"{name}: they booked on {booked}")
        for since, until in self.truth.taken.get(one.number, ()):
            if since < handed.at and (until is None or handed.at < until):
                self.found(f"{name}: a person has the conversation since {since}")
        if handed.channel == "sms" and not one.consent and one.number not in self.truth.texted:
            self.found(f"{name}: they never agreed to texts")

    def _judge_time(self, name: str, one: Person, handed: Handed, touch: Touch, message: Message) -> None:
        first = touch.step == 1
        if handed.channel == "sms":
            until = handed.at + timedelta(seconds=handed.valid_s)
            wrong = judge_hours(one, handed.at, until, first=first)
            if wrong is not None:
                self.found(f"{name}: {wrong}")
        grace = GRACE.get(touch.step, GRACE[0])
        if message.created_at - touch.due_at > grace:
            self.found(f"{name}: written {message.created_at - touch.due_at} after its time")
        if handed.at - message.created_at > grace:
            opens = (
                message.created_at
                if handed.channel == "email"
                else opens_after(one, message.created_at, first=first)
            )
            if handed.at - opens > grace:
                self.found(f"{name}: handed over {handed.at - opens} after it might have been")

    def _is_after(self, handed: Handed, number: int, at: datetime) -> bool:
        if handed.at != at:
            return handed.at > at
        # What other processes did in that very second has no place in our count.
        return handed.number < FAR and handed.number > number

    def distances(self) -> None:
        """No two touches to one person nearer than the plan and the law have it."""
        for lead_id, pairs in self.of_lead.items():
            began = min((one.at for one, touch in pairs if touch.step == 1), default=None)
            for channel in ("sms", "email"):
                self._judge_distances(lead_id, [one for one, _ in pairs if one.channel == channel], began)

    def _judge_distances(self, lead_id: int, mine: list[Handed], began: datetime | None) -> None:
        arrived = [one for one in mine if self.world.said.get(one.id) is None]
        for earlier, later in pairwise(arrived):
            apart = later.at - earlier.at
            fresh = began is not None and later.at - began < FIRST_DAY
            least = APART if fresh else APART_LATER
            if earlier.outbox_id != later.outbox_id and apart < least:
                self.found(
                    f"lead {lead_id} got two by {later.channel} within {apart}, at {earlier.at} and {later.at}"
                )
        for place, one in enumerate(arrived):
            within = [other for other in arrived[: place + 1] if other.at > one.at - DAY]
            if len(within) > MOST_A_DAY:
                self.found(
                    f"lead {lead_id} got {len(within)} by {one.channel} within 24 hours until {one.at}"
                )

    def bursts(self) -> None:
        """No shop's touches are due in one second, and no number sends more than was agreed on."""
        due: Counter[tuple[int, datetime]] = Counter()
        for touch in self.touches:
            if touch.step > 1 and touch.status == "written":
                due[self.who[touch.lead_id].shop.number, touch.due_at] += 1
        worst = max(due.values(), default=0)
        self.verdict.counts["most due in a shop's second"] = worst
        for (shop, at), times in due.items():
            if times > MOST_IN_A_SECOND:
                self.found(f"{times} touches of shop {shop} are due at {at}")
        texts: defaultdict[str, list[Handed]] = defaultdict(list)
        for one in self.handed:
            if one.channel == "sms":
                texts[one.sender].append(one)
        for sender, sent in texts.items():
            self._judge_pace(sender, sorted(sent, key=lambda one: one.at))

    def _judge_pace(self, sender: str, sent: list[Handed]) -> None:
        parts: Counter[datetime] = Counter()
        for one in sent:
            parts[one.at.replace(microsecond=0)] += one.segments
        worst = max(parts.values(), default=0)
        name = "most text parts in a number's second"
        self.verdict.counts[name] = max(self.verdict.counts[name], worst)
        # A queue that is lost takes the bucket with it, so that it is full once more.
        most = 2 * AT_ONCE + RATE
        self.verdict.findings += [
            f"{times} parts from {sender} at {at}" for at, times in parts.items() if times > most
        ]
