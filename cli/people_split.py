"""What `leads split` moves, and what it has to ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click
from sqlalchemy.orm import Session

from cli.errors import CliError
from cli.output import one_line
from crm.lead_splitting import Part, Question, questions

_OPTIONS = {"vehicles": "vehicle", "requests": "request", "appointments": "appointment"}
_NAMES = {"vehicles": "car", "requests": "request", "appointments": "appointment"}


def part_of(session: Session, lead_id: int, given: Mapping[str, Any], *, rest_stays: bool) -> Part:
    """The part that was named, completed by what a person answers. Raises CliError naming every question when nobody
    can be asked."""
    part = Part(**given)
    if part.is_empty:
        raise CliError("say what goes: --address, --message, --vehicle, --request or --appointment")
    open_ones = [one for one in questions(session, lead_id) if one.id not in getattr(part, one.kind)]
    if rest_stays or not open_ones:
        return part
    if not sys.stdin.isatty():
        listed = "; ".join(f"--{_OPTIONS[one.kind]} {one.id} ({one_line(one.text)})" for one in open_ones)
        raise CliError(f"whose are these? Name what goes along, or say --rest-stays: {listed}")
    for one in open_ones:
        if _is_theirs(one):
            more: dict[str, Any] = {one.kind: (*getattr(part, one.kind), one.id)}
            part = replace(part, **more)
    return part


def _is_theirs(one: Question) -> bool:
    question = f"Does the {_NAMES[one.kind]} {one.id} ({one_line(one.text)}) go to the new lead?"
    return click.confirm(question, default=False, err=True)
