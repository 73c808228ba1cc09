"""`leads tenant apply`: what a file would change, and changing it."""

from __future__ import annotations

import getpass
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import clock_of, open_database
from cli.errors import CliError
from cli.output import one_line, print_json
from ops.settings import Settings, get_settings

if TYPE_CHECKING:
    from crm.db import Database
    from crm.tenant_file.applying import Job
    from crm.tenant_file.plan import Plan
    from crm.tenant_file.reading import TenantFile


@click.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Apply it; without this the differences are only shown.")
@click.option("--prune", is_flag=True, help="Also take away what stands in no list of the file.")
@click.option("--all", "everything", is_flag=True, help="Show every difference, not those alike as one.")
@click.option("--by", help="Who applies it, by name, for the histories; default: your login name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def apply_command(
    file: Path, yes: bool, prune: bool, everything: bool, by: str | None, as_json: bool
) -> None:
    """Show how FILE differs from what there is, and with --yes make it so.

    What FILE does not say stays as it is, and nothing is taken away without --prune. Secrets are named in it, as
    env:NAME or file:PATH. Each business is changed as a whole or not at all.
    """
    from crm.tenant_directory import tenant_ids
    from crm.tenant_file.applying import apply_tenant, plan_tenant
    from crm.tenant_file.problems import FileProblems

    settings = get_settings()
    db = open_database(settings)
    plans: list[Plan] = []
    try:
        jobs = _jobs(db, file, settings, by or getpass.getuser())
        with db.system() as session:
            known = tenant_ids(session, [job.file.part.slug for job in jobs])
        for job in jobs:
            plans.append(plan_tenant(db, job, known.get(job.file.part.slug)))
        if not as_json:
            _print(plans, prune=prune, everything=everything)
        work = any(plan.work(prune=prune) for plan in plans)
        if yes and work:
            plans = []
            for job in jobs:
                plans.append(apply_tenant(db, job, known.get(job.file.part.slug), prune=prune))
    except FileProblems as problems:
        _refuse(problems, file, plans if yes else [])
    finally:
        db.engine.dispose()
    if as_json:
        print_json(_as_data(plans, applied=yes and work, prune=prune))
    elif work:
        click.echo("applied" if yes else "nothing was changed; --yes applies it", err=not yes)


def _jobs(db: Database, path: Path, settings: Settings, who: str) -> list[Job]:
    """The businesses of a file with their secrets. Raises FileProblems."""
    from crm.mail_accounts import box_of
    from crm.tenant_file.applying import Job
    from crm.tenant_file.problems import FileProblems
    from crm.tenant_file.reading import read_file
    from crm.tenant_file.secrets import resolver
    from crm.tenant_file.wanted import wanted_of
    from crm.tenant_file.writing_business import Business
    from scheduler.plan import load_plan, shipped_names

    cadences = [name for name in shipped_names() if load_plan(name).kind == "cadence"]
    files = read_file(path, cadences=cadences, own_cadences=partial(_own_cadences, db))
    problems = [problem for file in files for problem in _policy_problems(file)]
    resolve, jobs = resolver(os.environ, path.parent), []
    by = Business(who, box_of(settings), {"shopmonkey": settings.shopmonkey_api_base})
    now = clock_of(settings).now()
    for file in files:
        try:
            jobs.append(Job(file, wanted_of(file, resolve), by, now))
        except FileProblems as error:
            problems += error.problems
    if problems:
        raise FileProblems(problems)
    return jobs


def _own_cadences(db: Database, slug: str) -> list[str]:
    from crm.cadence_plans import own_names
    from crm.tenant_directory import tenant_ids
    from scheduler.plan import is_cadence

    with db.system() as session:
        known = tenant_ids(session, [slug]).get(slug)
    if known is None:
        return []
    with db.tenant(known) as session:
        return [name for name in own_names(session, known) if is_cadence(session, known, name)]


def _policy_problems(file: TenantFile) -> list[Any]:
    if file.policy is None:
        return []
    from cli.policy_text import find_problems

    errors = [one for one in find_problems(file.policy) if one.level == "error"]
    return [file.problem(one_line(one.sentence), "policy") for one in errors]


def _refuse(problems: Any, path: Path, done: list[Plan]) -> None:
    for problem in problems.problems:
        click.echo(f"{path.name}: {one_line(str(problem))}", err=True)
    many = len(problems.problems)
    applied = f"; applied before it: {', '.join(plan.slug for plan in done)}" if done else ""
    raise CliError(f"{many} problem{'' if many == 1 else 's'}; nothing was changed{applied}")


def _print(plans: list[Plan], *, prune: bool, everything: bool) -> None:
    from cli.tenant_diff import lines_of

    quiet = [plan for plan in plans if not plan.differences]
    for plan in plans:
        if plan.differences:
            for line in lines_of(plan, prune=prune, everything=everything):
                click.echo(line)
    if quiet and len(quiet) == len(plans):
        same = sum(plan.unchanged for plan in plans)
        click.echo(f"nothing to do: {same} things are as the file says")
    elif quiet:
        click.echo(f"{len(quiet)} more businesses are as the file says")
    sys.stdout.flush()


def _as_data(plans: list[Plan], *, applied: bool, prune: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        "tenants": [
            {
                "slug": plan.slug,
                "new": plan.is_new,
                "unchanged": plan.unchanged,
                "pruned": applied and prune,
                "differences": [one.as_data() for one in plan.differences],
                "outside_hours": [{"location": slug, "appointment": one} for slug, _, one in plan.stranded],
            }
            for plan in plans
        ],
    }
