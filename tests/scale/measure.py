"""A command as a person runs it: a new process, its time on the wall and on the processor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FLOOR = ("python -c 'import sys'", (sys.executable, "-c", "import sys"))
_HELLO = "import click\n@click.command()\ndef hello():\n    click.echo('hello')\nhello(standalone_mode=False)"
HELLO = ("a click command that says hello", (sys.executable, "-c", _HELLO))
_MODELS = "import sqlalchemy.orm, psycopg2, pydantic_settings"
LIBRARIES = ("import of the libraries alone", (sys.executable, "-c", _MODELS))


@dataclass(frozen=True)
class Timed:
    """Of several runs the quickest one: seconds on the wall, seconds of processor, and what was printed last."""

    wall: float
    processor: float
    output: str


def timed(command: Sequence[str], environment: Mapping[str, str], *, runs: int, folder: str) -> Timed:
    """Run a command several times. Raises RuntimeError with its words when it fails: a failing command is quick."""
    best: list[tuple[float, float]] = []
    output = ""
    for _ in range(runs):
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(command, env=dict(environment), cwd=folder, capture_output=True, text=True)
        wall, after = time.perf_counter() - began, os.times()
        if done.returncode not in (0,):
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr[-2000:]}")
        used = after.children_user + after.children_system - before.children_user - before.children_system
        best.append((wall, used))
        output = done.stdout
    return Timed(min(wall for wall, _ in best), min(used for _, used in best), output)
