"""Starting, recognising and ending processes of this machine, also those a crash left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO

import psutil  # type: ignore[import-untyped]

GUARD = Path(__file__).with_name("guard.py")
LOOPBACK = "127.0.0.1"
LEFTOVER_GRACE_SECONDS = 10.0


class AlreadyRunning(Exception):
    """Another process holds this data folder."""


@dataclass(frozen=True)
class User:
    """The system user a command runs as."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    on_parent_death: signal.Signals = signal.SIGTERM,
    user: User | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own (Ctrl-C reaches only us) so that it gets `on_parent_death` when
    this process dies, however it dies. Call it from a thread that lives as long as the process: Linux ties
    the signal to the calling thread. No preexec_fn: it is unsafe beside threads."""
    identity = f"{user.uid}:{user.gid}" if user else "-"
    guard = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(int(on_parent_death)), identity]
    return subprocess.Popen(
        [*guard, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> int:
    """Send each signal and wait its seconds; kill at last. Returns the exit code."""
    for number, seconds in steps:
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.wait()


def fingerprint(pid: int) -> str:
    """`pid:start time`, so that a number given to someone else is not taken for ours; "" when gone."""
    try:
        return f"{pid}:{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def end_leftover(mark: str) -> bool:
    """End the process a crashed run recorded as `mark` (see fingerprint). Returns whether there was one."""
    pid, _, started = mark.partition(":")
    current = fingerprint(int(pid)) if pid.isdigit() else ""
    # The start time is computed from the machine's clock, which may have been set since.
    if not current or abs(float(current.partition(":")[2]) - float(started or 0)) > 5:
        return False
    end_foreign(int(pid), (signal.SIGTERM, LEFTOVER_GRACE_SECONDS))
    return True


def end_foreign(pid: int, *steps: tuple[signal.Signals, float]) -> None:
    """Like `end` for a process that is not our child."""
    try:
        process = psutil.Process(pid)
        for number, seconds in steps:
            process.send_signal(number)
            try:
                process.wait(seconds)
                return
            except psutil.TimeoutExpired:
                continue
        process.kill()
        process.wait(5)
    except psutil.NoSuchProcess:
        return


def command_line(pid: int) -> list[str]:
    """The command line of a running process; empty when it is gone or not ours to see."""
    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def free_port(preferred: int | None = None) -> int:
    """A port of 127.0.0.1 nobody listens on: the preferred one when it is free."""
    for port in (preferred or 0, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def hold_lock(path: Path) -> TextIO:
    """Lock `path` for the life of the returned file; the system lets go when the process dies: never stale.

    Raises AlreadyRunning.
    """
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        owner = handle.read().strip() or "another process"
        handle.close()
        raise AlreadyRunning(
            f"{path.parent} is in use by {owner}; stop it first, or set another DATA_DIR"
        ) from error
    handle.truncate(0)
    handle.write(f"process {os.getpid()}")
    handle.flush()
    return handle


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only; a crash leaves the old or the new one."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def last_lines(path: Path, count: int = 6) -> str:
    """The end of a log file, for an error message."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])
