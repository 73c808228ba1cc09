"""What goes wrong while the orders come: webhooks lost, doubled, late and out of order, and an API in every bad mood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.chaos.simulation_dice import Dice
from tests.standins.faults import Fault, FaultQueue
from tests.standins.shopmonkey_delivery import Event

DROPPED, DOUBLED = 0.30, 0.20
# What one request to the API meets. A hang is cut by the client's time-out, the stand-in gives its thread back.
MOODS: dict[str, float] = {
    "well": 89.5, "429": 3.0, "500": 3.0, "502": 1.0, "hang": 0.5, "drop_connection": 1.0, "broken_json": 0.7,
    "html_403": 0.7, "html_200": 0.6,
}  # fmt: skip
HANG_S = 2.0
# Seconds after a change at which its webhook leaves: mostly at once, some late enough to be overtaken.
LATE = {(0.0, 1.0): 60.0, (1.0, 60.0): 30.0, (60.0, 1800.0): 10.0}
# Seconds until lists show a new order: "5 to 30 minutes" was seen (shopmonkey facts 4).
UNLISTED = {(0.0, 0.0): 50.0, (5.0, 300.0): 20.0, (300.0, 1800.0): 30.0}


class Fates:
    """Everything that chance decides about one company's Shopmonkey. `dropped` is the share of lost webhooks."""

    def __init__(self, dice: Dice, company: str, counts: Counter[str], dropped: float = DROPPED) -> None:
        self.dice, self.company, self.counts, self.dropped = dice, company, counts, dropped
        self._events: Counter[str] = Counter()

    def of_event(self, event: Event) -> Sequence[float]:
        """The delays of the copies of an event that leave; none when it is lost."""
        self._events[event.record_id] += 1
        number = self._events[event.record_id]
        question = ("event", self.company, event.record_id, number)
        roll = self.dice.roll(*question)
        if roll < self.dropped:
            self.counts["webhooks dropped"] += 1
            return ()
        if roll < self.dropped + DOUBLED:
            self.counts["webhooks doubled"] += 1
            return self._delay(*question, "first"), self._delay(*question, "second")
        return (self._delay(*question),)

    def unlisted_for(self, order: int) -> float:
        """For how many seconds lists do not show this order."""
        return self._within(UNLISTED, "unlisted", self.company, order)

    def _delay(self, *question: object) -> float:
        return self._within(LATE, "late", *question)

    def _within(self, ranges: dict[tuple[float, float], float], *question: object) -> float:
        low, high = self.dice.one_of(ranges, *question)
        return self.dice.between(low, high, "within", *question)


class Moods(FaultQueue):
    """The faults of an API by the dice; the same request asked for the same time always meets the same."""

    def __init__(self, dice: Dice, company: str, counts: Counter[str]) -> None:
        super().__init__()
        self.dice, self.company, self.counts = dice, company, counts
        self.away = False
        self._asked: Counter[str] = Counter()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of this request."""
        self._asked[f"{method} {path}"] += 1
        question = ("mood", self.company, method, path, self._asked[f"{method} {path}"])
        mood = "500" if self.away else self.dice.one_of(MOODS, *question)
        if mood == "well":
            return None
        self.counts[f"api: {mood}"] += 1
        match mood:
            case "429":
                return self.make("retry_after", seconds=1 + int(4 * self.dice.roll("wait", *question)))
            case "500" | "502":
                return self.make(int(mood))
            case "hang":
                return self.make("hang", seconds=HANG_S)
            case "html_403":
                return self.make("html", status=403)
        return self.make(mood)
