"""The arithmetic of one sender's bucket, in seconds and segments. `bucket_script.py` says the same to Redis."""

from __future__ import annotations

from dataclasses import dataclass

# After the moment an answer was told to come back, touches wait this much longer for it to come.
COMING_S = 2.0
# One worker's clock that runs ahead must not stop the others for as long.
FAST_CLOCK_S = 60.0


@dataclass
class Bucket:
    """Tokens are what may go at once. A lane's tail is the moment up to which its line is promised; answers promise
    in their own lane, so that they never queue behind touches."""

    tokens: float
    at: float = 0.0
    answers_tail: float = 0.0
    touches_tail: float = 0.0
    answers_until: float = 0.0
    rest_until: float = 0.0

    def take(self, now: float, rate: float, burst: float, cost: float, first: int, returning: int) -> float:
        """0: taken. Else how many seconds to wait before asking again, in the order of asking."""
        if self.at > now + FAST_CLOCK_S:
            self.at = now
        if now > self.at:
            self.tokens = min(burst, self.tokens + (now - self.at) * rate) if self.at else burst
            self.at = now
        waits = max(self.rest_until - now, 0.0)
        if not first:
            waits = max(waits, self.answers_until - now)
        missing = (cost - self.tokens) / rate
        if waits <= 0 and missing <= 0:
            self.tokens -= cost
            return 0.0
        wait = max(waits, missing, 0.05)
        if not returning:
            wait = self._line_up(now, wait, cost / rate, first)
        if first:
            self.answers_until = max(self.answers_until, now + wait + COMING_S)
        return wait

    def rest(self, now: float, seconds: float) -> None:
        """Nothing before that many seconds."""
        self.rest_until = max(self.rest_until, now + seconds)

    def _line_up(self, now: float, wait: float, takes: float, first: int) -> float:
        tail = self.answers_tail if first else max(self.touches_tail, self.answers_tail)
        tail = max(now + wait, tail + takes)
        if first:
            self.answers_tail = tail
        else:
            self.touches_tail = tail
        return tail - now
