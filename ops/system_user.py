"""PostgreSQL refuses to run as root. Under root it runs as a system user of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from ops.processes import User

NAME = "leads-postgres"
# Ordinary users of Debian and macOS that own no secrets of anyone, for a system where none can be made.
FALLBACKS = ("postgres", "_postgres", "nobody")


class NoSystemUser(Exception):
    """PostgreSQL cannot run as root and no other system user could be found or made."""


def server_user(data: Path) -> User | None:
    """Who runs the server of `data`: None (we ourselves) unless we are root.

    The owner of an existing data folder stays its owner. Raises NoSystemUser.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return User(data.stat().st_uid, data.stat().st_gid)
    return _find(NAME) or _make() or _first_fallback()


def open_the_way(path: Path) -> None:
    """Let the server's user pass through the folders above `path` (execute only: nothing gets readable)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _find(name: str) -> User | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return User(entry.pw_uid, entry.pw_gid)


def _make() -> User | None:
    useradd = shutil.which("useradd")
    if useradd is None:
        return None
    arguments = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    subprocess.run([useradd, *arguments, "--user-group", NAME], capture_output=True, check=False)
    return _find(NAME)


def _first_fallback() -> User:
    for name in FALLBACKS:
        user = _find(name)
        if user is not None and user.uid != 0:
            return user
    raise NoSystemUser(NoSystemUser.__doc__)
