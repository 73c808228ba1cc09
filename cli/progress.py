"""What is being done, while it is done: a spinner on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape


class Steps:
    """Shows one step after the other; a context manager, so that a spinner never outlives an error."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._status = self.console.status("")
        self._current = ""
        self._began = time.monotonic()

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(failed=error is not None)

    def step(self, text: str) -> None:
        """The step before is done; `text` ("starting PostgreSQL") has begun."""
        self._finish()
        self._current, self._began = text, time.monotonic()
        if self.console.is_terminal:
            self._status.update(escape(text))
            self._status.start()
        else:
            self.say(text)

    def done(self) -> None:
        """The last step is done."""
        self._finish()

    def say(self, text: str) -> None:
        """One plain line."""
        self.console.print(escape(text))

    def _finish(self, *, failed: bool = False) -> None:
        self._status.stop()
        if self._current and self.console.is_terminal:
            mark = "[red]✗[/]" if failed else "[green]✓[/]"
            self.console.print(f"{mark} {escape(self._current)} ({time.monotonic() - self._began:.1f} s)")
        self._current = ""
