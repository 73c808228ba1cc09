"""What the policy's commands share: finding the text an owner means, and saying what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from sqlalchemy.orm import Session

from agent.policy import Problem, default_policy, lint
from agent.tools import default_toolbox
from cli.errors import CliError
from cli.output import one_line
from crm.policies import policy_text

SHIPPED = "default"


def find_problems(body: str) -> list[Problem]:
    """What the check finds, with the tools that the assistant has."""
    return lint(body, {spec.name for spec in default_toolbox().specs()})


def print_problems(problems: Sequence[Problem]) -> None:
    """One line each, on standard error, so that what is printed can be piped on."""
    for one in problems:
        where = f"line {one.line}" if one.line else "all of it"
        click.echo(f"{one.level}, {where}: {one_line(one.sentence)}", err=True)


def read_source(session: Session, tenant_id: int, what: str) -> str:
    """A policy by version number, `default`, `-`, or the name of a file. Raises CliError."""
    if what == SHIPPED or (what.isascii() and what.isdigit()):
        return body_of(session, tenant_id, version_of(what))
    return read_file(what)


def body_of(session: Session, tenant_id: int, number: int | None) -> str:
    """The words of a version; None is the policy that ships. Raises CliError."""
    if number is None:
        return default_policy()
    text = policy_text(session, tenant_id, number)
    if text is None:
        raise CliError(f"there is no version {number} of the policy; see: leads policy history")
    return text


def version_of(text: str) -> int | None:
    """A version as an owner names it: its number, or `default` (None). Raises CliError."""
    if text == SHIPPED:
        return None
    # More digits would not fit the column.
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0):
        raise CliError(
            f"{one_line(text)!r} is no version; say a number of `leads policy history`, or {SHIPPED}"
        )
    return int(text)


def read_file(name: str) -> str:
    """The text of a file, or of standard input for `-`. Raises CliError."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{one_line(name)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{one_line(name)} is not UTF-8 text") from None
