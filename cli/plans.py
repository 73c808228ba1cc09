"""`leads plans`: which follow-ups there are, changing them in versions, and which leads go by which."""

from __future__ import annotations

from typing import Any

import click

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import clean, local_time, one_line, print_json, print_table
from cli.plan_files import all_plans, as_yaml, chosen_plan, read_file, refuse, who_saves
from crm.cadence_plans import UnchangedPlan, forget_source, plan_lines, save_version, use_for
from crm.consent_policy import settings_for
from crm.tenants import TenantSettings
from scheduler.plan import Plan, body_of, shipped_names, show_duration

_WHICH = "Default: the newest of the business's own, else the one that ships."


@click.group("plans")
def plans_command() -> None:
    """See and change the plans that follow-ups go by; each change is a version, and what began goes on by its own."""


@plans_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def list_command(office: Office, as_json: bool) -> None:
    """List the plans, whose they are, and which sources of leads go by them."""
    with office.db.tenant(office.tenant.id) as session:
        settings = settings_for(session, office.tenant.id)
        plans = all_plans(session, office.tenant.id)
    sources = {plan.name: _sources(settings, plan.name) for plan in plans}
    if as_json:
        print_json([_as_row(plan, settings, sources[plan.name]) for plan in plans])
        return
    print_table(
        ("NAME", "KIND", "VERSION", "STEPS", "DAYS", "FOR NEW LEADS FROM"),
        [
            (
                plan.name,
                plan.kind,
                str(plan.version or "ships"),
                str(len(plan.steps)),
                str(plan.steps[-1].after.days),
                ", ".join(
                    [*sources[plan.name], *(["everywhere else"] if plan.name == settings.cadence else [])]
                )
                or "-",
            )
            for plan in plans
        ],
    )


def _sources(settings: TenantSettings, name: str) -> list[str]:
    return sorted(source for source, used in settings.plan_by_source.items() if used == name)


def _as_row(plan: Plan, settings: TenantSettings, sources: list[str]) -> dict[str, Any]:
    return {
        "name": plan.name,
        "kind": plan.kind,
        "version": plan.version,
        "steps": len(plan.steps),
        "days": plan.steps[-1].after.days,
        "usual": plan.name == settings.cadence,
        "sources": sources,
    }


@plans_command.command("show", help=f"Print a plan. {_WHICH}")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=1), help="One of the business's own versions.")
@click.option("--shipped", is_flag=True, help="The one that ships, whatever the business has.")
@click.option("--yaml", "as_file", is_flag=True, help="As a file that `save` takes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(
    office: Office, name: str, version: int | None, shipped: bool, as_file: bool, as_json: bool
) -> None:
    """Print one plan as a table, a file or JSON."""
    with office.db.tenant(office.tenant.id) as session:
        plan = chosen_plan(session, office.tenant.id, name, version, shipped=shipped)
    if as_json:
        print_json({**body_of(plan), "version": plan.version})
        return
    if as_file:
        click.echo(as_yaml(plan), nl=False)
        return
    whose = f"version {plan.version}" if plan.version else "the plan that ships"
    click.echo(f"{plan.name}, {whose}: {plan.kind}, spread over {show_duration(plan.jitter)}", nl=False)
    after = "" if plan.resume_after is None else f" after {show_duration(plan.resume_after)} of silence"
    click.echo(f", after a reply: {plan.resume}{after if plan.resume != 'never' else ''}")
    print_table(
        ("STEP", "WHEN", "CHANNEL", "TEMPLATE", "ONLY", "GRACE", "ABOUT"),
        [
            (
                str(step.step),
                f"{show_duration(step.before)} before" if step.before else show_duration(step.after),
                step.channel,
                step.template,
                " ".join([*(step.days or ()), *([step.part] if step.part else [])]) or "-",
                show_duration(step.grace),
                one_line(step.about),
            )
            for step in plan.steps
        ],
    )


@plans_command.command("check")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def check_command(office: Office, file: str, as_json: bool) -> None:
    """Say what is wrong with the plan in FILE (- for standard input); exit code 2 when something is."""
    with office.db.tenant(office.tenant.id) as session:
        plan, problems = read_file(session, office.tenant.id, file, office.clock.now())
    if as_json:
        print_json({"name": plan.name if plan else None, "problems": problems})
    refuse(problems, quiet=as_json)
    if not as_json:
        click.echo("nothing found")


@plans_command.command("save")
@click.argument("file")
@click.option("--who", help="Your name; default: the one you are logged in with.")
@click.option("--note", default="", help="What was changed and why.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def save_command(office: Office, file: str, who: str | None, note: str, as_json: bool) -> None:
    """Save the plan in FILE (- for standard input) as the newest version. Cadences that have begun go on as they are."""
    now = office.clock.now()
    with office.db.tenant(office.tenant.id) as session:
        plan, problems = read_file(session, office.tenant.id, file, now)
        refuse(problems)
        if plan is None:
            raise CliError("there is no plan in it")
        try:
            version = save_version(
                session,
                office.tenant.id,
                plan.name,
                body_of(plan),
                author=who_saves(who),
                now=now,
                note=note,
            )
        except UnchangedPlan as error:
            raise CliError(str(error)) from error
    if as_json:
        print_json({"name": plan.name, "version": version})
    else:
        click.echo(f"{plan.name} is version {version} from now on; see: leads cadence preview {plan.name}")


@plans_command.command("history")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def history_command(office: Office, name: str | None, as_json: bool) -> None:
    """List the versions of the business's own plans, the newest first, and how many touches each has planned."""
    with office.db.tenant(office.tenant.id) as session:
        lines = plan_lines(session, office.tenant.id, name)
    if name is not None and not lines and name not in shipped_names():
        raise CliError(f"there is no plan {one_line(name)!r}; see: leads plans list")
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("No plan was changed: those that ship are used.")
        return
    rows = [
        (
            line.name,
            f"{line.version}{' (newest)' if line.newest else ''}",
            local_time(line.created_at, "UTC"),
            one_line(line.author),
            str(line.touches),
            clean(one_line(line.note)) or "-",
        )
        for line in lines
    ]
    print_table(("NAME", "VERSION", "MADE", "BY", "TOUCHES", "NOTE"), rows)


@plans_command.command("use")
@click.argument("name")
@click.option("--source", help="Only for new leads from here, like shopmonkey, csv or a web form's name.")
@with_office
def use_command(office: Office, name: str, source: str | None) -> None:
    """Let new leads go by NAME; with --source only those, and NAME "usual" takes that back. What has begun stays."""
    with office.db.tenant(office.tenant.id) as session:
        if name == "usual":
            if source is None or not forget_source(session, office.tenant.id, source):
                raise CliError(
                    "say with --source which leads are to go by the usual plan again; see: leads plans list"
                )
            click.echo(f"New leads from {one_line(source)} go by the usual plan.")
            return
        plan = chosen_plan(session, office.tenant.id, name, None)
        if plan.kind != "cadence":
            raise CliError(f"{name} is a plan of the kind {plan.kind}: new leads go by a cadence")
        before = use_for(session, office.tenant.id, name, source)
    whose = "New leads" if source is None else f"New leads from {one_line(source)}"
    click.echo(f"{whose} go by {name}{f', no longer by {before}' if before not in (None, name) else ''}.")
