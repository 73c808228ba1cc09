"""Few threads of a process compute at once; whoever waits for the network lets the next one in meanwhile.

All threads of a process share one interpreter. 64 of them that compute at once proceed slowly together and end last
together; one after the other, the first have long been waiting for their model when the last ones begin.

RQ's time-out is an exception that comes into a thread between any two of its steps. So a place is never handed from one
to the next: who has one follows from a single list, and to leave that twice does nothing. What a time-out can still cut
off is the very first step of a visit's end; its thread makes that good with its next visit.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager

# With one or two, nobody would compute while those inside wait for the database.
PLACES = 4
# A time-out reaches a thread only between two waits for a lock, so none of them is longer; in seconds.
LOOK_S = 1.0


class Turnstile:
    """Lets so many threads in at a time, in the order in which they came. For all threads of a process.

    Nobody may wait here with an open transaction: those inside could be waiting for its row locks.
    """

    def __init__(self, places: int = PLACES) -> None:
        """Raises ValueError for less than one place."""
        if places < 1:
            raise ValueError("a turnstile needs at least one place")
        self._places = places
        self._lock = threading.Lock()
        # Who has a place or waits for one, in the order of coming: the first so many have the places.
        self._line: list[Visit] = []

    def inside(self) -> Visit:
        """A visit of this thread: its `with` block begins once there is a place, and gives it back at its end, whatever
        happens. A thread makes one at a time; with a second one it gives up the first."""
        return Visit(self)

    def enter(self, visit: Visit) -> None:
        """Wait for a place; returns at once when the visit has one."""
        with self._lock:
            if visit not in self._line:
                self._line_up([*(one for one in self._line if one.thread != visit.thread), visit])
        while not self._is_inside(visit):
            visit.gate.acquire(timeout=LOOK_S)

    def leave(self, visit: Visit) -> None:
        """Give the place back, or give up waiting for one; nothing happens when the visit does neither."""
        with self._lock:
            self._line_up([one for one in self._line if one is not visit])

    def _line_up(self, line: Sequence[Visit]) -> None:
        self._line = list(line)
        # All of them, not only who comes next: what was cut off here is made good by the next one.
        for one in self._line[: self._places]:
            if one.gate.locked():
                one.gate.release()

    def _is_inside(self, visit: Visit) -> bool:
        with self._lock:
            return visit in self._line[: self._places]


class Visit:
    """One thread's stay, for one `with` block; made by `Turnstile.inside`."""

    def __init__(self, turnstile: Turnstile) -> None:
        self.turnstile = turnstile
        self.thread = threading.get_ident()
        # Closed, until the turnstile opens it for a look whether there is a place by now.
        self.gate = threading.Lock()
        self.gate.acquire()
        self.is_away = self.is_over = False

    def __enter__(self) -> Visit:
        try:
            self.turnstile.enter(self)
            return self
        except BaseException:
            # The time-out came while it waited, or with its place in hand: the end of the block will never run.
            self.turnstile.leave(self)
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self.is_over = True
            self.turnstile.leave(self)
        except BaseException:
            self.turnstile.leave(self)
            raise

    def outside(self) -> AbstractContextManager[None]:
        """A `with` block that runs without the place, for whatever waits for the network. At its end, also when it
        raises, it waits for a place again. Within another one it does nothing: the end of the outer one counts."""
        return _Outside(self)


class _Outside:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._went = False

    def __enter__(self) -> None:
        if not self._visit.is_away:
            self._went = self._visit.is_away = True
            self._visit.turnstile.leave(self._visit)

    def __exit__(self, *_: object) -> None:
        if not self._went:
            return
        self._went = self._visit.is_away = False
        # After the visit nobody would give the place back. Cut off while it waits here, the visit's own end does.
        if not self._visit.is_over:
            self._visit.turnstile.enter(self._visit)
