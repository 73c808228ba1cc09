"""The real processes, started for a test: web, worker and clock, against its own database and the stand-ins."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import requests
from sqlalchemy import create_engine, make_url, text

from cli.web import gunicorn_command
from ops.processes import free_port, last_lines, spawn
from ops.secrets import new_key
from ops.settings import Settings
from tests.conftest import MONDAY_NINE_IN_CHICAGO, TestDatabase

T = TypeVar("T")
PROJECT = Path(__file__).resolve().parents[2]
NAMES = ("web", "worker", "clock")
READY = {"worker": "worker_ready", "clock": "clock_ready"}
INBOUND_TOKEN = "inbound-token-for-tests"
START_SECONDS = 60.0
GRACE_SECONDS = 15.0
COMMAND_SECONDS = 60.0
LOG_LINES = 60


def eventually(look: Callable[[], T], seconds: float = 30.0, what: str = "") -> T:
    """The first truthy value of `look`, asked again and again. AssertionError, with the last value, when the time
    is up."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or look!r}; last seen: {value!r}")
        threading.Event().wait(0.05)
    return value


class System:
    """One installation. `clock_file` shifts the time of all its processes; `now()` is that time here.

    Nothing of the environment of whoever runs the tests gets in, so `env` holds all that is configured.
    """

    def __init__(
        self, folder: Path, database: TestDatabase, redis_url: str, env: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.clock_file = folder, folder / "clock"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.encryption_key = new_key()
        self.env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database.app_url,
            "REDIS_URL": redis_url,
            "CLOCK_FILE": str(self.clock_file),
            "ENCRYPTION_KEY": self.encryption_key,
            "PUBLIC_BASE_URL": self.url,
            "WEB_PORT": str(self.port),
            "WORKER_THREADS": "4",
            "TICK_SECONDS": "1",
            "SENDGRID_INBOUND_TOKEN": INBOUND_TOKEN,
            **(env or {}),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.database = database
        self.set_time(MONDAY_NINE_IN_CHICAGO)

    # Time

    def now(self) -> datetime:
        """The present of the processes."""
        return datetime.now(UTC) + timedelta(seconds=float(self.clock_file.read_text()))

    def set_time(self, moment: datetime) -> None:
        """Let it be `moment` for all processes; time goes on from there."""
        partial = self.clock_file.with_suffix(".partial")
        partial.write_text(str((moment - datetime.now(UTC)).total_seconds()))
        partial.replace(self.clock_file)

    # Processes

    def start(self, *names: str) -> None:
        """Start these processes (all, when none is named) and wait until each says that it is ready."""
        chosen = names or NAMES
        before = {name: len(self.log(name)) for name in chosen}
        for name in chosen:
            with self._log_file(name).open("ab") as log:
                self._running[name] = spawn(self._command(name), env=self.env, cwd=self.folder, output=log)
        for name in chosen:
            eventually(
                lambda name=name: self._is_ready(name, before[name]),  # type: ignore[misc]
                START_SECONDS,
                f"{name} is ready",
            )

    def stop(self, *names: str) -> None:
        """SIGTERM to each, then wait for all; one that does not end within its time fails the test."""
        ending = {name: self._running[name] for name in names or tuple(self._running)}
        for process in ending.values():
            process.terminate()
        for name, process in ending.items():
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{name} did not end within {GRACE_SECONDS:g} s of SIGTERM") from None
            del self._running[name]

    def kill(self, name: str) -> None:
        """kill -9 of one process and, for the web, of its gunicorn worker too: they share a process group."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def pid(self, name: str) -> int:
        """The process id."""
        return self._running[name].pid

    def log(self, name: str) -> str:
        """What the process has written so far."""
        with contextlib.suppress(FileNotFoundError):
            return self._log_file(name).read_text(errors="replace")
        return ""

    def errors(self) -> list[str]:
        """Log lines of level error in all logs, and tracebacks."""
        lines = [line for name in NAMES for line in self.log(name).splitlines()]
        return [line for line in lines if '"level": "error"' in line or line.startswith("Traceback")]

    def tails(self) -> str:
        """The ends of the logs, for a failed test."""
        return "\n".join(f"--- {name}\n{last_lines(self._log_file(name), LOG_LINES)}" for name in NAMES)

    # Commands

    def leads(self, *arguments: str, env: Mapping[str, str] | None = None, code: int = 0) -> str:
        """Run `leads ...` in this installation; returns what it printed. AssertionError on another exit code."""
        done = subprocess.run(
            [*self._leads(), *arguments],
            env={**self.env, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == code, f"leads {arguments} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def leads_json(self, *arguments: str, tenant: str) -> Any:
        """`leads ... --json` of one tenant, parsed."""
        return json.loads(self.leads(*arguments, "--json", env={"TENANT_ID": tenant}))

    def _leads(self) -> list[str]:
        return [sys.executable, "-m", "cli.main"]

    def _command(self, name: str) -> Sequence[str]:
        if name == "web":
            return gunicorn_command(Settings.model_construct(), port=self.port)
        return [*self._leads(), name]

    def _log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _is_ready(self, name: str, logged_before: int) -> bool:
        code = self._running[name].poll()
        assert code is None, f"{name} ended with {code}:\n{self.tails()}"
        if name != "web":
            return READY[name] in self.log(name)[logged_before:]
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except requests.RequestException:
            return False


def _no_digests(database: TestDatabase) -> None:
    """The day before is nothing these tests tell of, and its message would come or not by the hour of their clock."""
    engine = create_engine(make_url(database.owner_url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        connection.execute(text("update tenants set settings = settings || '{\"digest_hour\": null}'"))
    engine.dispose()


@contextlib.contextmanager
def running(system: System, *names: str) -> Iterator[System]:
    """Start, and stop whatever still runs at the end; prints the logs when the test fails."""
    _no_digests(system.database)
    try:
        system.start(*names)
        yield system
        system.stop()
    except BaseException:
        print(system.tails())
        raise
    finally:
        for process in system._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
