"""Runs one command that must not outlive the process that started it. Standard library only.

Called as `python guard.py PARENT_PID SIGNAL UID:GID|- COMMAND...` (see `ops.processes.spawn`). On Linux the
kernel sends SIGNAL when the parent dies, and this process becomes the command. Elsewhere it stays between the
two and watches.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Become, or watch over, the command; returns its exit code. Nothing runs when the parent is gone."""
    parent, number, identity, command = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3:]
    if identity != "-":
        _change_user(*(int(part) for part in identity.split(":")))
    if not sys.platform.startswith("linux"):
        return _watch(parent, number, command)
    # Set after the change of user, because that change clears it.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(command[0], command)
    return 0


def _change_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _watch(parent: int, number: int, command: list[str]) -> int:
    child = subprocess.Popen(command)

    def forward(received: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(received)

    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(name, forward)
    while child.poll() is None:
        if os.getppid() != parent:
            forward(number, None)
            return child.wait()
        time.sleep(WATCH_SECONDS)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
