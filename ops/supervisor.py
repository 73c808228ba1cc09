"""Keeps a few child processes running: starts them, starts a crashed one again, stops them in order.

A child dies with the supervisor, even a killed one (see `ops.processes.spawn`). What still survives, a hung
process or one on a system without that signal, is ended by the next start from the marks in `running.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.processes import end, end_leftover, fingerprint, last_lines, spawn, write_private

POLL_SECONDS = 0.2
FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 0.5, 30.0, 60.0
LARGEST_LOG = 20 * 1024 * 1024
Say = Callable[[str], None]


class ChildFailed(Exception):
    """A child ended while the system was starting; the message holds the end of its log."""


@dataclass(frozen=True)
class Child:
    """What to run. `grace_s`: how long it may take to finish its work after SIGTERM."""

    name: str
    command: Sequence[str]
    grace_s: float = 15.0


@dataclass
class _Running:
    child: Child
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    again_at: float = 0.0
    read_to: int = 0
    rest: bytes = field(default=b"", repr=False)


class Supervisor:
    """Runs `children`; `say` is told what an operator should see. Use it from the main thread only."""

    def __init__(
        self, children: Sequence[Child], folder: Path, say: Say, env: Mapping[str, str] | None = None
    ) -> None:
        self._say = say
        self._env = env
        self._marks = folder / "running.json"
        logs = folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._all = [_Running(child, logs / f"{child.name}.log") for child in children]

    def end_leftovers(self) -> int:
        """End what an earlier, killed supervisor left behind; returns how many."""
        try:
            marks = json.loads(self._marks.read_text())
        except (FileNotFoundError, ValueError):
            return 0
        count = sum(end_leftover(str(mark)) for mark in marks)
        self._marks.unlink(missing_ok=True)
        return count

    def start(self) -> None:
        """Start all children."""
        for one in self._all:
            _rotate(one.log)
            one.read_to = one.log.stat().st_size if one.log.exists() else 0
            self._launch(one)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for the system to answer. Raises ChildFailed when a child ends first or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            for one in self._all:
                if one.process is not None and one.process.poll() is not None:
                    raise ChildFailed(f"{one.child.name} did not start:\n{last_lines(one.log, 12)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{one.log}:\n{last_lines(one.log)}" for one in self._all)
                raise ChildFailed(f"the system did not answer within {seconds:.0f} seconds\n{logs}")
            time.sleep(POLL_SECONDS)

    def watch(self, until: Callable[[], bool]) -> None:
        """Keep the children running until `until()` holds."""
        while not until():
            for one in self._all:
                self._look_after(one)
                self._show_errors(one)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM to each child in the order given, each awaited before the next. Harmless to repeat."""
        for one in self._all:
            if one.process is not None and one.process.poll() is None:
                self._say(f"stopping {one.child.name}")
                end(one.process, (signal.SIGTERM, one.child.grace_s))
            one.process = None
        self._marks.unlink(missing_ok=True)

    def _launch(self, one: _Running) -> None:
        with one.log.open("ab") as log:
            one.process = spawn(one.child.command, env=self._env, output=log)
        one.started = time.monotonic()
        running = [other.process for other in self._all if other.process is not None]
        write_private(self._marks, json.dumps([fingerprint(process.pid) for process in running]))

    def _look_after(self, one: _Running) -> None:
        now = time.monotonic()
        if one.process is not None and one.process.poll() is not None:
            steady = now - one.started > STEADY_SECONDS
            one.crashes = 1 if steady else one.crashes + 1
            pause = min(FIRST_PAUSE * 2 ** (one.crashes - 1), LONGEST_PAUSE)
            one.again_at = now + pause
            code = one.process.returncode
            one.process = None
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            self._say(f"{one.child.name} {how}; starting it again in {pause:g} s (see {one.log})")
        elif one.process is None and now >= one.again_at:
            self._launch(one)

    def _show_errors(self, one: _Running) -> None:
        """Pass on what the children log as errors; the rest stays in the files."""
        with contextlib.suppress(FileNotFoundError), one.log.open("rb") as log:
            log.seek(one.read_to)
            lines = (one.rest + log.read()).split(b"\n")
            one.read_to = log.tell()
            one.rest = lines.pop()[-65536:]
            for line in lines:
                sentence = _error_of(line)
                if sentence:
                    self._say(f"{one.child.name}: {sentence}")


def _error_of(line: bytes) -> str:
    """The event and values of a JSON log line of level error or above; "" for any other line."""
    if b'"error"' not in line and b'"critical"' not in line:
        return ""
    try:
        event = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(event, dict) or event.get("level") not in ("error", "critical"):
        return ""
    hidden = ("event", "level", "timestamp", "logger", "process", "exception")
    values = [f"{key}={value}" for key, value in event.items() if key not in hidden]
    return " ".join([str(event.get("event", "")), *values])[:400]


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LARGEST_LOG:
            os.replace(log, log.with_suffix(".log.1"))
