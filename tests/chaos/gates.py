"""Points at which a test can stop a call: the model's and the CRM's stand-in behind a gate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standins.booking_script import BookingScript
from tests.standins.http import Request, Response
from tests.standins.llm_view import Step, View
from tests.standins.shopmonkey import ShopmonkeyStandIn

HELD_SECONDS = 60.0
CANCELLED = "Your appointment is cancelled."


class Held:
    """One call that waits at a gate."""

    def __init__(self, wanted: Callable[[Any], bool]) -> None:
        self.wanted = wanted
        self._arrived, self._open = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Until the call has come. AssertionError when it does not."""
        assert self._arrived.wait(30), "nothing came to the gate"

    def let_go(self) -> None:
        """Let the call go on."""
        self._open.set()

    def stop_here(self) -> None:
        """Called by the one that is held."""
        self._arrived.set()
        self._open.wait(HELD_SECONDS)


class Gate:
    """A point that calls pass; a test can hold the next one that it wants to see there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: Held | None = None

    @contextmanager
    def hold(self, wanted: Callable[[Any], bool] = lambda _: True) -> Iterator[Held]:
        """Hold the next call that is wanted, at most until the block ends."""
        held = Held(wanted)
        with self._lock:
            self._next = held
        try:
            yield held
        finally:
            with self._lock:
                self._next = None
            held.let_go()

    def passing(self, call: Any) -> None:
        """Called at the point."""
        with self._lock:
            held = self._next if self._next is not None and self._next.wanted(call) else None
            if held is not None:
                self._next = None
        if held is not None:
            held.stop_here()


@dataclass
class GatedBrain:
    """The booking conversation behind a gate; it also cancels for who asks for that."""

    gate: Gate
    script: BookingScript = field(default_factory=BookingScript)

    def __call__(self, view: View) -> Step:
        self.gate.passing(view)
        if not view.last_user.startswith("Please cancel"):
            return self.script(view)
        return Step(text=CANCELLED) if view.results("cancel") else Step(calls=[("cancel", {})])


class GatedShopmonkey(ShopmonkeyStandIn):
    """Shopmonkey behind a gate."""

    def __init__(self, gate: Gate, **more: Any) -> None:
        super().__init__(**more)
        self.gate = gate

    def handle(self, request: Request) -> Response:
        """Wait at the gate, then answer."""
        self.gate.passing(request)
        return super().handle(request)
