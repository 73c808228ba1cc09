"""Secrets of a tenant file: named in the file, looked up when it is applied, never written down in plain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

LONGEST = 8192


class SecretMissing(Exception):
    """A secret that a file names is not there. The message names the place, never a value."""


def resolver(environment: Mapping[str, str], folder: Path) -> Callable[[str], str]:
    """What gives the secret behind `env:NAME` or `file:PATH` (from `folder`). It raises SecretMissing."""

    def resolve(reference: str) -> str:
        kind, _, name = reference.partition(":")
        if kind == "env":
            found = environment.get(name, "").strip()
            if not found:
                raise SecretMissing(f"the variable {name} is not set")
        else:
            found = _from_file(folder / name, name)
        return found

    return resolve


def _from_file(path: Path, name: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            found = file.read(LONGEST + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SecretMissing(f"{name} cannot be read: {why}") from None
    if not found or len(found) > LONGEST or len(found.split()) != 1:
        raise SecretMissing(f"{name} has to hold one secret and nothing else")
    return found
