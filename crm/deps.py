"""What a web blueprint needs of the running application. The runtime object satisfies it by its shape."""

from __future__ import annotations

from typing import Protocol

from crm.db import Database
from ops.clock import Clock
from ops.queue import WakeQueue
from ops.settings import Settings


class WebDeps(Protocol):
    """Database, wake queue, clock and settings, for reading only."""

    @property
    def db(self) -> Database:
        """The application's database, in which row-level security holds."""
        ...

    @property
    def queue(self) -> WakeQueue:
        """Where to announce a stored webhook."""
        ...

    @property
    def clock(self) -> Clock:
        """Says what time it is."""
        ...

    @property
    def settings(self) -> Settings:
        """The typed settings of this process."""
        ...
