"""What goes wrong in the simulation: workers that die between two statements, and carriers with every fault."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from channels.carrier import Accepted, CarrierError, Outgoing, Sender
from crm.db import Database
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_twilio import SimulatedTwilio

# What happens to one hand-over of a text. A number is Twilio's error code at create.
FATES: dict[str | int, float] = {
    "well": 93.0, "accept_then_drop": 1.5, "drop_connection": 0.8, "20500": 0.5, "20503": 0.3, "broken_json": 0.2,
    "html_200": 0.1, "accept_then_hang": 0.01, "busy": 0.6, "63017": 0.2, "refused": 0.05, "dies before": 0.5,
    "dies after": 0.8, 21610: 0.3, 21211: 0.1, 21614: 0.2, 21612: 0.2, 21611: 0.2, 21408: 0.05, 21606: 0.05,
    21635: 0.1, 21617: 0.02, 21999: 0.05,
}  # fmt: skip
STATUS_OF = {"20500": 500, "20503": 503, "63017": 429}


class Killed(BaseException):
    """A worker that is no more: nothing of the program's own may clean up after it."""


class MortalDatabase(Database):
    """A database whose user can be made to die at the end of one of the next transactions of this thread."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._life = threading.local()

    def arm(self, transactions: int, *, committed: bool) -> None:
        """Die at the end of the so-manieth transaction from now, right before or right after its commit."""
        self._life.left, self._life.committed = transactions, committed

    def disarm(self) -> None:
        """Live on."""
        self._life.left = 0

    @contextmanager
    def tenant(self, tenant_id: int, *, durable: bool = True) -> Iterator[Session]:
        """As in the real one."""
        with super().tenant(tenant_id, durable=durable) as session:
            yield session
            dies = self._is_the_last()
            if dies and not self._life.committed:
                raise Killed
        if dies:
            raise Killed

    def _is_the_last(self) -> bool:
        left = getattr(self._life, "left", 0)
        self._life.left = max(left - 1, 0)
        return left == 1


class FragileTexts:
    """The real sender of texts, on a carrier and in a worker that fail as the dice say."""

    carrier = "twilio"

    def __init__(self, inner: Sender, twilio: SimulatedTwilio, dice: Dice, counts: Counter[str]) -> None:
        self.inner, self.twilio, self.dice, self.counts = inner, twilio, dice, counts
        self.calm = False
        self.on_answer: Callable[[Outgoing], None] = lambda _: None
        self._tries: Counter[str] = Counter()

    def send(self, message: Outgoing) -> Accepted:
        """Hand over, through whatever befalls it."""
        self._tries[message.to_address] += 1
        question = ("hand over", message.to_address, self._tries[message.to_address])
        fate = "well" if self.calm else self.dice.one_of(FATES, *question)
        self._befall(fate, message.to_address)
        if fate != "well":
            self.counts[f"fate: {fate}"] += 1
        try:
            if fate == "dies before":
                raise Killed
            return self._handed_over(message, dies=fate == "dies after")
        finally:
            self.twilio.clear_faults()
            self.twilio.reject_to.pop(message.to_address, None)

    def _handed_over(self, message: Outgoing, *, dies: bool) -> Accepted:
        try:
            accepted = self.inner.send(message)
        except CarrierError as error:
            if dies:
                raise Killed from error
            if error.kind != "uncertain":
                self.on_answer(message)
            raise
        if dies:
            raise Killed
        self.on_answer(message)
        return accepted

    def find(self, message: Outgoing) -> Accepted | None:
        """Ask the carrier, which cannot always be asked."""
        self._tries[f"find {message.to_address}"] += 1
        number = self._tries[f"find {message.to_address}"]
        if not self.calm and self.dice.happens(0.05, "find", message.to_address, number):
            self.twilio.fail_next(1, 500, method="GET")
        try:
            return self.inner.find(message)
        finally:
            self.twilio.clear_faults()

    def status_of(self, message: Outgoing, carrier_id: str) -> Accepted | None:
        """Ask the carrier about one text."""
        found: Accepted | None = self.inner.status_of(message, carrier_id)  # type: ignore[attr-defined]
        return found

    def _befall(self, fate: str | int, to: str) -> None:
        if isinstance(fate, int):
            self.twilio.reject_to[to] = fate
            if fate == 21610:
                self.twilio.block_everywhere(to)
        elif fate in STATUS_OF:
            self.twilio.fail_next(1, STATUS_OF[fate], method="POST", code=int(fate))
        elif fate == "busy":
            self.twilio.fail_next(1, "retry_after", method="POST", seconds=7)
        elif fate == "refused":
            self.twilio.fail_next(1, 401, method="POST")
        elif fate not in ("well", "dies before", "dies after"):
            self.twilio.fail_next(1, fate, method="POST")


class Mailbox:
    """A carrier of mail in memory: keeps what it took, can be asked about it, and fails as the dice say."""

    carrier = "sendgrid"

    def __init__(self, dice: Dice, counts: Counter[str]) -> None:
        self.dice, self.counts = dice, counts
        self.calm = False
        self.sent: list[Outgoing] = []
        self.on_mail: Callable[[Outgoing], None] = self.sent.append
        self._known: dict[str, Outgoing] = {}
        self._tries: Counter[str] = Counter()

    def send(self, message: Outgoing) -> Accepted:
        """Take it, or not, or both."""
        self._tries[message.to_address] += 1
        roll = (
            1.0 if self.calm else self.dice.roll("mail", message.to_address, self._tries[message.to_address])
        )
        if roll < 0.01:
            raise CarrierError("SendGrid is busy", kind="transient")
        if roll < 0.015:
            raise CarrierError("SendGrid did not answer", kind="uncertain")
        self._known[str(message.outbox_id)] = message
        self.on_mail(message)
        if roll < 0.025:
            raise CarrierError("SendGrid did not answer", kind="uncertain")
        if roll < 0.03:
            raise Killed
        return self._accepted(message)

    def find(self, message: Outgoing) -> Accepted | None:
        """What it took, it knows."""
        return self._accepted(message) if str(message.outbox_id) in self._known else None

    def _accepted(self, message: Outgoing) -> Accepted:
        return Accepted(self.carrier, f"mail-{message.outbox_id}", "processed")
