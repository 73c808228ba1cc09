"""What the carrier refuses because the person opted out there, as far as we can know of it.

A refusal counts from the end of the job that heard it: an answer that was lost on its way, or that died with its worker
before it was written down, taught us nothing, and asking again is all that is left.
"""

from __future__ import annotations

import threading
from datetime import datetime

Who = tuple[str, str]
OPTED_OUT = 21610


class Refusals:
    """By (tenant, phone): what the carrier said, what a job heard of it, and what we know. Safe between threads."""

    def __init__(self) -> None:
        self.known: dict[Who, datetime] = {}
        self._said: dict[Who, datetime] = {}
        self._heard: dict[int, list[tuple[Who, datetime]]] = {}
        self._lock = threading.Lock()

    def said(self, who: Who, at: datetime) -> None:
        """The carrier refused a text."""
        with self._lock:
            self._said[who] = at

    def answered(self, who: Who) -> None:
        """This thread has the carrier's answer in hand."""
        with self._lock:
            at = self._said.pop(who, None)
            if at is not None:
                self._heard.setdefault(threading.get_ident(), []).append((who, at))

    def job_over(self, *, killed: bool) -> None:
        """What this thread heard is known now, unless its worker died."""
        with self._lock:
            for who, at in self._heard.pop(threading.get_ident(), []):
                if not killed:
                    self.known[who] = at
