"""What is wrong with a tenant file: where, and in one sentence for the person who wrote it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """`path` as in the file (`locations[3].hours.monday`), `line` counted from 1, None where it is not known."""

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class FileProblems(Exception):
    """A tenant file cannot be used. `problems` in the order of the file; the message holds all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda one: one.line or 0)
        super().__init__("\n".join(str(one) for one in self.problems))
