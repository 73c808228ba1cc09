"""Where the servers of a test run keep their files: in memory where there is room, and nothing stays behind.

A database for each test is some four hundred new files. A busy disk takes half a second for them, memory 30 ms.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
# A run of four workers takes under one; containers give 64 MB there by default, which is too little.
ROOM_BYTES = 3 * 1024**3
_PREFIX = "leads-tests-"


def make_scratch(memory: Path = MEMORY, room_bytes: int = ROOM_BYTES) -> Path:
    """A new empty folder for this process, in `memory` if that has `room_bytes` left, else among temporary files. What
    runs that were killed left in `memory` is removed first."""
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return Path(tempfile.mkdtemp(prefix=_PREFIX))
    for left in memory.glob(f"{_PREFIX}*"):
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if not (owner.isdigit() and _is_alive(int(owner))):
            shutil.rmtree(left, ignore_errors=True)
    enough = shutil.disk_usage(memory).free >= room_bytes
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=memory if enough else None))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
