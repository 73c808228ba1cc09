"""The judge of the simulated month. It asks the database what became of everything and the carriers' log what was handed
over, and has its own reading of the rules; nothing of the code under test is called.

In which order two things were committed it reads from the database's own numbers of transactions: the gate and whoever
stores a message lock the conversation first and get their number then, so the smaller number came first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

from tests.chaos.month_customers import Truth
from tests.chaos.month_evidence import Message, Verdict
from tests.chaos.month_judge_carriers import CarrierJudge
from tests.chaos.month_people import Person
from tests.chaos.month_reasons import judge_reason
from tests.chaos.month_rules import STEPS
from tests.chaos.month_world import MonthWorld

FINAL = ("written", "skipped", "ended", "paused")
DAY = timedelta(hours=24)
# A month, and what replies, persons of the shop and closed days can add to it.
LONGEST_LIFE = timedelta(days=80)


def judge_month(world: MonthWorld, truth: Truth, persons: list[Person]) -> Verdict:
    """Judge everything."""
    judge = _Judge(world, truth, persons)
    judge.everybody_came()
    judge.touches_end()
    judge.rows_and_messages()
    judge.exactly_once()
    judge.each_hand_over()
    judge.distances()
    judge.bursts()
    return judge.verdict


class _Judge(CarrierJudge):
    """What our own rows say by themselves, before the carriers are asked."""

    def everybody_came(self) -> None:
        """Rows are leads times steps, each step of a run once."""
        if len(self.who) != len(self.persons):
            self.found(f"{len(self.who)} of {len(self.persons)} leads came")
        rows = Counter((touch.lead_id, touch.run, touch.step) for touch in self.touches)
        self.verdict.findings += [
            f"touch {key} is there {times} times" for key, times in rows.items() if times > 1
        ]
        steps: defaultdict[int, set[int]] = defaultdict(set)
        for lead_id, _, step in rows:
            steps[lead_id].add(step)
        for lead_id in self.who:
            if steps[lead_id] != STEPS:
                self.found(f"lead {lead_id} has the steps {sorted(steps[lead_id])}")
        self.verdict.counts["touches in all"] = len(self.touches)
        if len(self.touches) != len(self.who) * len(STEPS):
            self.found(f"{len(self.touches)} touches of {len(self.who)} leads")

    def touches_end(self) -> None:
        """Every touch is written, skipped, ended or paused, for a reason, and the reason is true."""
        for touch in self.touches:
            self.verdict.counts[f"touch {touch.status}"] += 1
            name = f"touch {touch.id} (step {touch.step} of lead {touch.lead_id}, {touch.status}: {touch.reason})"
            if touch.status not in FINAL and touch.due_at < self.now:
                self.found(f"{name}: due {touch.due_at} and forgotten")
            if touch.due_at > touch.created_at + LONGEST_LIFE:
                self.found(f"{name}: begun {touch.created_at} and put off until {touch.due_at}")
            if touch.status in ("skipped", "ended", "paused"):
                self.verdict.counts[f"{touch.status}: {(touch.reason or '')[:48]}"] += 1
                wrong = judge_reason(touch, self.who[touch.lead_id], self.truth)
                if wrong is not None:
                    self.found(f"{name}: {wrong}")
            if touch.status == "paused" and touch.resume_at is not None and touch.resume_at < self.now - DAY:
                self.found(f"{name}: was to be looked at on {touch.resume_at}")

    def rows_and_messages(self) -> None:
        """A written touch has its one message, and nothing else has any; each message is through, or says why not."""
        of_touch: defaultdict[int | None, list[Message]] = defaultdict(list)
        for message in self.messages.values():
            of_touch[message.touch_id].append(message)
            self.verdict.counts[f"message {message.channel} {message.status}"] += 1
            name = f"message {message.id} ({message.status}: {message.error})"
            waits = message.send_after is not None and message.send_after > self.now
            if message.status in ("pending", "sending", "unknown") and not waits:
                self.found(f"{name}: still open")
            elif message.status in ("withheld", "dropped", "failed", "undelivered") and not message.error:
                self.found(f"{name}: has no reason")
            touch = self.by_id.get(message.touch_id or 0)
            if touch is None or touch.status != "written" or touch.message_id != message.id:
                self.found(f"{name}: its touch is {touch}")
        for touch in self.touches:
            times = len(of_touch[touch.id])
            if times != (touch.status == "written"):
                self.found(f"touch {touch.id} is {touch.status} and has {times} messages")
