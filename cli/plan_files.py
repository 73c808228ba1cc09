"""Plans as files: reading one with everything that is wrong in it, and writing one."""

from __future__ import annotations

import getpass
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.gate.opening import opening_hours
from channels.templates import names
from cli.errors import CliError
from cli.output import one_line
from crm.cadence_plans import own_names
from crm.consent_policy import settings_for
from crm.models import Location
from scheduler.plan import Plan, UnknownPlan, body_of, load_plan, plan_for, shipped_names
from scheduler.plan_check import BadPlan, problems_of, read_plan

LONGEST = 200_000


def all_plans(session: Session, tenant_id: int) -> list[Plan]:
    """Every plan of the business, its own newest ones and those that ship, by name."""
    return [
        plan_for(session, tenant_id, name)
        for name in sorted({*shipped_names(), *own_names(session, tenant_id)})
    ]


def chosen_plan(
    session: Session, tenant_id: int, name: str, version: int | None, *, shipped: bool = False
) -> Plan:
    """The plan an owner means. Raises CliError naming those there are."""
    try:
        if shipped:
            return load_plan(name)
        return (
            plan_for(session, tenant_id, name)
            if version is None
            else plan_for(session, tenant_id, name, version)
        )
    except UnknownPlan as error:
        there = ", ".join(sorted({*shipped_names(), *own_names(session, tenant_id)}))
        raise CliError(f"{str(error).rstrip('.')}; there is {there}") from error
    except ValidationError as error:
        raise CliError(
            f"the plan {name} as it was saved makes no sense any more: {error.errors()[0]['msg']}"
        ) from error


def read_file(session: Session, tenant_id: int, file: str, now: datetime) -> tuple[Plan | None, list[str]]:
    """The plan in a file (- for standard input) and what forbids saving it. Raises CliError for no such file."""
    try:
        plan = read_plan(_text_of(file))
    except BadPlan as error:
        return None, list(error.problems)
    settings = settings_for(session, tenant_id)
    places = session.scalars(select(Location).order_by(Location.id)).all()
    keeps = settings.touches_in_shop_hours
    hours = [(place.name, opening_hours(session, place, now) if keeps else None) for place in places]
    found = problems_of(
        plan, templates=names(), most_a_day=settings.plan_most_a_day, today=now.date(), hours=hours
    )
    return plan, found


def refuse(problems: list[str], *, quiet: bool = False) -> None:
    """Print every problem and leave with exit code 2; nothing when there is none."""
    if not problems:
        return
    for problem in [] if quiet else problems:
        click.echo(f"leads: {one_line(problem)}", err=True)
    sys.exit(2)


def as_yaml(plan: Plan) -> str:
    """The plan as a file that `leads plans save` takes: one line a step."""
    body = body_of(plan)
    steps = body.pop("steps")
    lines = [yaml.safe_dump(body, sort_keys=False, allow_unicode=True), "steps:\n"]
    return "".join([*lines, *(f"  - {_line(step)}\n" for step in steps)])


def who_saves(who: str | None) -> str:
    """The name that a version is kept with. Raises CliError for an empty one."""
    name = (who if who is not None else getpass.getuser()).strip()
    if not name:
        raise CliError("say who saves it with --who")
    return name


def _line(step: dict[str, Any]) -> str:
    return yaml.safe_dump(
        step, sort_keys=False, allow_unicode=True, default_flow_style=True, width=100_000
    ).strip()


def _text_of(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise CliError(f"{file} cannot be read: {reason}") from error
    if len(text) > LONGEST:
        raise CliError(f"{file} is too long for a plan")
    return text
