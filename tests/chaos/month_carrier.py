"""The carriers of the simulated month: the quickest ones there can be, in this process, that fail as real ones do.

They stand in for Twilio's and SendGrid's senders (`channels.carrier.Sender`), because two million requests over sockets
would take hours; what the real senders do with a carrier's answers is the other simulation's subject. Whatever is handed
over is written down before anything else happens, and what was taken can be asked for.
"""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from channels.carrier import Accepted, CarrierError, ErrorKind, Outgoing
from ops.clock import Clock
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_faults import Killed

# What happens to one text. A number is the carrier's code of refusal.
TEXT_FATES: dict[str | int, float] = {
    "well": 95.6, "taken, no answer": 1.0, "lost, no answer": 0.4, "busy": 0.6, "away": 0.3, "dies before": 0.15,
    "dies after": 0.3, 21610: 0.3, 21211: 0.2, 21614: 0.3, 21612: 0.2, 21635: 0.1, 30034: 0.02,
}  # fmt: skip
MAIL_FATES: dict[str | int, float] = {
    "well": 97.5, "taken, no answer": 0.6, "busy": 0.5, "away": 0.4, "dies before": 0.2, "dies after": 0.3, 400: 0.3,
}  # fmt: skip
KINDS: dict[int, ErrorKind] = {21610: "opted_out", 30034: "misconfigured"}


class Handed(NamedTuple):
    """One message that was handed to a carrier. `taken`: whether the carrier has it; `code`: why not."""

    number: int
    at: datetime
    channel: str
    kind: str
    outbox_id: uuid.UUID
    tenant_id: int
    to: str
    sender: str
    segments: int
    valid_s: int
    taken: bool
    code: int | None
    id: str


class CarrierLog:
    """All that was ever handed over, in order, by whatever process. `count` numbers what is done here and elsewhere."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.handed: list[Handed] = []
        self.count = itertools.count(1)
        self.on_handed: Callable[[Handed], None] = lambda _: None
        self._known: dict[uuid.UUID, str] = {}
        self._opted_out: set[str] = set()

    def add(self, message: Outgoing, *, taken: bool, code: int | None = None) -> Handed:
        """Write down one message."""
        number = next(self.count)
        one = Handed(
            number, self.clock.now(), message.channel, message.kind, message.outbox_id, message.tenant_id or 0,
            message.to_address, message.from_address, message.segments, message.valid_s or 36_000, taken, code,
            f"{message.channel}{number}" if taken else "",
        )  # fmt: skip
        self.keep(one)
        self.on_handed(one)
        return one

    def keep(self, one: Handed) -> None:
        """The same for what another process handed over."""
        self.handed.append(one)
        if one.taken:
            self._known[one.outbox_id] = one.id
        if one.code == 21610:
            self._opted_out.add(one.to)

    def find(self, outbox_id: uuid.UUID) -> str | None:
        """The carrier's id of what it took last under this id of ours."""
        return self._known.get(outbox_id)

    def opted_out(self, to: str) -> bool:
        """Who opted out at the carrier is refused for good."""
        return to in self._opted_out


class MonthCarrier:
    """The sender of one channel."""

    def __init__(self, channel: str, log: CarrierLog, dice: Dice, counts: Counter[str]) -> None:
        self.channel, self.log, self.dice, self.counts = channel, log, dice, counts
        self.carrier = "twilio" if channel == "sms" else "sendgrid"
        self.calm = False
        self._fates = TEXT_FATES if channel == "sms" else MAIL_FATES
        self._tries: Counter[str] = Counter()

    def send(self, message: Outgoing) -> Accepted:
        """Take it, or not, or both."""
        fate = self._fate(message.to_address)
        if fate != "well":
            self.counts[f"{self.channel} fate: {fate}"] += 1
        if fate == "dies before":
            raise Killed
        if isinstance(fate, int):
            self.log.add(message, taken=False, code=fate)
            raise CarrierError(f"refused ({fate})", kind=KINDS.get(fate, "permanent"), code=str(fate))
        if fate in ("busy", "away", "lost, no answer"):
            self.log.add(message, taken=False)
            raise _error(fate)
        one = self.log.add(message, taken=True)
        if fate == "dies after":
            raise Killed
        if fate == "taken, no answer":
            raise _error(fate)
        return self._accepted(one.id)

    def find(self, message: Outgoing) -> Accepted | None:
        """What it took, it knows; it cannot always be asked."""
        self._tries["find"] += 1
        if not self.calm and self.dice.happens(0.03, "find", self._tries["find"]):
            raise CarrierError("the carrier did not answer", kind="uncertain")
        known = self.log.find(message.outbox_id)
        return None if known is None else self._accepted(known)

    def _fate(self, to: str) -> str | int:
        if self.channel == "sms" and self.log.opted_out(to):
            return 21610
        self._tries[to] += 1
        return (
            "well" if self.calm else self.dice.one_of(self._fates, "fate", self.channel, to, self._tries[to])
        )

    def _accepted(self, carrier_id: str) -> Accepted:
        return Accepted(self.carrier, carrier_id, "queued" if self.channel == "sms" else "processed")


def _error(fate: str) -> CarrierError:
    if fate == "busy":
        return CarrierError(
            "the carrier is busy", kind="transient", code="429", retry_after_s=7, slow_down=True
        )
    if fate == "away":
        return CarrierError("the carrier could not be reached", kind="transient")
    return CarrierError("the carrier did not answer", kind="uncertain")
