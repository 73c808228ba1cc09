"""The fault queue of a stand-in: what goes wrong with which of the next requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

GENERIC_KINDS = frozenset(
    {
        "status",  # any status with the vendor's error body; status=503, code=..., message=...
        "retry_after",  # 429 with Retry-After; seconds=1
        "hang",  # never answered and never processed; seconds=3600, ends at stop()
        "slow",  # processed and answered after seconds=1
        "hold",  # processed and answered after release()
        "drop_connection",  # connection closed before any processing
        "accept_then_drop",  # processed, then closed without an answer: the uncertain outcome
        "accept_then_hang",  # processed, then silence for seconds=3600: the client's time-out
        "html_200",  # a proxy's page with status 200
        "html",  # a page with any status, e.g. a firewall's 403; status=403
        "broken_json",  # 200 with a cut JSON body; processed
    }
)


@dataclass(frozen=True)
class Fault:
    """One kind of failure and for which requests it holds; `seconds` is a duration or a Retry-After value."""

    kind: str
    status: int = 500
    seconds: float | None = None
    code: Any = None
    message: str | None = None
    path: str | None = None
    method: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    opts: dict[str, Any] = field(default_factory=dict)

    def matches(self, method: str, path: str) -> bool:
        """True when the fault is not narrowed to another method or path."""
        return (self.method is None or self.method == method) and (self.path is None or self.path in path)

    def lasting(self, default: float) -> float:
        """Seconds to wait, or the default of this kind."""
        return default if self.seconds is None else self.seconds


@dataclass
class _Entry:
    fault: Fault
    left: int | None


class FaultQueue:
    """Thread-safe: counted faults first, in the order given, then the lasting ones."""

    def __init__(self, extra_kinds: frozenset[str] = frozenset()) -> None:
        self._kinds = GENERIC_KINDS | extra_kinds
        self._entries: list[_Entry] = []
        self._lock = threading.Lock()

    def make(self, kind: str | int, **opts: Any) -> Fault:
        """Build a fault; an integer is short for kind="status". Raises ValueError for an unknown kind."""
        if isinstance(kind, int):
            kind, opts = "status", {**opts, "status": kind}
        if kind not in self._kinds:
            raise ValueError(f"unknown fault kind {kind!r}; known: {sorted(self._kinds)}")
        fields = {name: opts.pop(name) for name in list(opts) if name in Fault.__dataclass_fields__}
        return replace(Fault(kind=kind, **fields), opts=opts)

    def add(self, fault: Fault, times: int | None) -> None:
        """Queue a fault for `times` requests, or for all when None."""
        with self._lock:
            entries = [*self._entries, _Entry(fault, times)]
            self._entries = sorted(entries, key=lambda entry: entry.left is None)

    def clear(self) -> None:
        """Forget all faults; requests that already hang stay so."""
        with self._lock:
            self._entries = []

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used up by one; None when all is well."""
        with self._lock:
            for entry in self._entries:
                if entry.left == 0 or not entry.fault.matches(method, path):
                    continue
                if entry.left is not None:
                    entry.left -= 1
                return entry.fault
        return None
