"""The arithmetic of one key's limits, in this process. `limits_script.py` says the same to Redis.

`tail` is the moment at which everything that was booked will have been paid for at the agreed rate; being ahead of the
present by `burst` requests is allowed. Whoever books gets a moment of their own, in the order of asking, so nobody
waits for a token that another one takes first; whoever would have to wait too long is told so at once and takes none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Told = tuple[bool, float]
# Sums of large and small seconds are never exact.
ROUNDING_S = 0.001


@dataclass
class LocalKey:
    """All times are seconds of one clock."""

    tail: float = 0.0
    rest_until: float = 0.0
    places: dict[str, float] = field(default_factory=dict)

    def book(
        self, now: float, each: float, burst: float, cost: float, reserve: float, patience: float
    ) -> Told:
        """Whether `cost` requests are booked, and in how many seconds they may (or might) begin."""
        tail = max(self.tail, now) + cost * each
        wait = max(tail - (burst - reserve) * each - now, self.rest_until - now, 0.0)
        if wait > patience + ROUNDING_S:
            return False, wait
        self.tail = tail
        return True, wait

    def refund(self, seconds: float) -> None:
        """Give back what was booked and not used."""
        self.tail -= seconds

    def enter(self, now: float, place: str, most: int, lease: float) -> Told:
        """Whether a place was taken; else the seconds of a rest, or 0 when all places are taken."""
        if self.rest_until > now:
            return False, self.rest_until - now
        self.places = {name: until for name, until in self.places.items() if until > now}
        if len(self.places) >= most:
            return False, 0.0
        self.places[place] = now + lease
        return True, 0.0

    def rest(self, now: float, seconds: float) -> None:
        """Nothing for so long."""
        self.rest_until = max(self.rest_until, now + seconds)
