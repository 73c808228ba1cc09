"""The month's database: its user can be made to die at any commit, and customers come between two transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.chaos.simulation_faults import Killed, MortalDatabase

__all__ = ["Killed", "MonthDatabase"]


class MonthDatabase(MortalDatabase):
    """`between` is called before a transaction begins, while this thread has none open; it may do what it likes with the
    database itself. Besides, every commit counts for dying, also those in one round trip and those of no tenant."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.between: Callable[[int], None] = lambda _: None
        self._here = threading.local()

    @contextmanager
    def tenant(self, tenant_id: int, *, durable: bool = True) -> Iterator[Session]:
        """As in the real one."""
        self._let_somebody_in(tenant_id)
        with self._open(), super().tenant(tenant_id, durable=durable) as session:
            yield session

    @contextmanager
    def system(self) -> Iterator[Session]:
        """As in the real one."""
        with self._open(), super().system() as session:
            yield session
        if self._is_the_last():
            raise Killed

    def at_once(self, tenant_id: int, statements: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
        """As in the real one."""
        dies = self._is_the_last()
        if dies and not self._life.committed:
            raise Killed
        row = super().at_once(tenant_id, statements, parameters)
        if dies:
            raise Killed
        return row

    @contextmanager
    def unhurt(self) -> Iterator[None]:
        """What is done in here is somebody else's doing: nobody dies of it and nobody comes in between."""
        left, self._life.left = getattr(self._life, "left", 0), 0
        try:
            with self._open():
                yield
        finally:
            self._life.left = left

    def _let_somebody_in(self, tenant_id: int) -> None:
        if not getattr(self._here, "open", 0):
            with self.unhurt():
                self.between(tenant_id)

    @contextmanager
    def _open(self) -> Iterator[None]:
        self._here.open = getattr(self._here, "open", 0) + 1
        try:
            yield
        finally:
            self._here.open -= 1
