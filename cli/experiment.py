"""`leads experiment`: compare models or policies on real conversations."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.providers import PROVIDERS, Pool, family
from cli.context import Office, with_office
from cli.errors import CliError
from cli.experiment_report import print_report
from cli.output import local_time, print_json, print_table
from crm.experiments import (
    ArmSpec,
    ExperimentRefused,
    find_experiment,
    start_experiment,
    stop_experiment,
)
from crm.experiments.arms import stored_arms
from crm.experiments.report import report_on
from crm.models import Experiment, Location, Tenant
from crm.tenants import TenantSettings, settings_of
from ops.settings import Settings

KEYS = {"provider": "provider", "model": "model", "policy": "policy_version", "weight": "weight"}


@click.group("experiment")
def experiment_command() -> None:
    """Compare models or policies on real conversations.

    A conversation stays in its arm for good. An experiment that does harm stops by itself and the shop is told.
    """


@experiment_command.command("start")
@click.argument("name")
@click.option("--arm", "arms", multiple=True, required=True, metavar="NAME[,KEY=VALUE...]",
              help="An arm; the first is the control. Keys: provider, model, policy, weight.")  # fmt: skip
@click.option("--by", help="Who starts it; default: your login.")
@with_office
def start_command(office: Office, name: str, arms: tuple[str, ...], by: str | None) -> None:
    """Start an experiment, for example:

    \b
    leads experiment start small-or-large \\
      --arm small,provider=claude,model=claude-haiku-5-5 \\
      --arm large,provider=claude,model=claude-sonnet-5-5

    The first arm is the control. What an arm leaves open stays as it is configured at the start.
    """
    with office.db.tenant(office.tenant.id) as session, _refusals():
        tenant = session.get_one(Tenant, office.tenant.id)
        chosen = [as_now(an_arm(text), office.settings, settings_of(tenant)) for text in arms]
        _refuse_keyless(chosen, office.settings)
        experiment = start_experiment(
            session, office.tenant.id, name, chosen, providers=PROVIDERS.keys(),
            by=(by or "").strip() or getpass.getuser(), now=office.clock.now(),
        )  # fmt: skip
        click.echo(
            f"{experiment.name} is running. Every conversation that is answered from now on joins one arm:"
        )
        for arm in chosen:
            click.echo(f"  {arm.name} (weight {arm.weight}): {arm.what()}")


@experiment_command.command("report")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def report_command(office: Office, name: str | None, as_json: bool) -> None:
    """Show how the arms compare. Without NAME: the experiment that runs, else the newest."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        experiment = find_experiment(session, office.tenant.id, name)
        report = report_on(session, experiment, office.clock.now())
        timezone = _timezone(session)
    if as_json:
        print_json(report)
    else:
        print_report(report, timezone)


@experiment_command.command("stop")
@click.argument("name", required=False)
@click.option(
    "--because", default="its owner stopped it", show_default=True, help="Kept with the experiment."
)
@with_office
def stop_command(office: Office, name: str | None, because: str) -> None:
    """End an experiment; conversations go on with what is configured. Without NAME: the one that runs."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        experiment = find_experiment(session, office.tenant.id, name, lock=True)
        stop_experiment(session, experiment, because.strip() or "its owner stopped it", office.clock.now())
        click.echo(
            f"{experiment.name} is stopped. leads experiment report {experiment.name} shows how it went."
        )


@experiment_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def list_experiments_command(office: Office, as_json: bool) -> None:
    """List all experiments, the newest first."""
    with office.db.tenant(office.tenant.id) as session:
        found = session.scalars(select(Experiment).order_by(Experiment.id.desc())).all()
        timezone = _timezone(session)
    if as_json:
        keys = ("name", "status", "arms", "started_by", "started_at", "stopped_at", "stopped_because")
        print_json([{key: getattr(one, key) for key in keys} for one in found])
        return
    if not found:
        click.echo("no experiments yet", err=True)
        return
    rows = [
        [one.name, one.status, " | ".join(f"{arm.name}: {arm.what()}" for arm in stored_arms(one.arms)),
         local_time(one.started_at, timezone), local_time(one.stopped_at, timezone), one.stopped_because or "-"]
        for one in found
    ]  # fmt: skip
    print_table(("NAME", "STATUS", "ARMS", "STARTED", "STOPPED", "BECAUSE"), rows)


@contextmanager
def _refusals() -> Iterator[None]:
    """A refused experiment becomes the command's one sentence."""
    try:
        yield
    except ExperimentRefused as error:
        raise CliError(str(error)) from error


def an_arm(text: str) -> ArmSpec:
    """ "large,provider=openai,model=gpt-6-luna,policy=3,weight=2". Raises CliError."""
    name, *pairs = (part.strip() for part in text.split(","))
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if key not in KEYS or not equals or not value:
            raise CliError(
                f"{pair!r} in arm {name!r} is not understood: write KEY=VALUE with {', '.join(KEYS)}"
            )
        if key in given:
            raise CliError(f"arm {name!r} says {key} twice")
        given[key] = value
    if "model" in given and "provider" not in given:
        raise CliError(f"arm {name!r} names a model without its provider: add provider=...")
    whole = {key: _number(name, key, given[key]) for key in ("weight", "policy") if key in given}
    return ArmSpec(
        name,
        weight=whole.get("weight", 1),
        provider=family(given["provider"]) if "provider" in given else None,
        model=given.get("model"),
        policy_version=whole.get("policy"),
    )


def _number(arm: str, key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise CliError(f"{key} of arm {arm!r} is {value!r}; it must be a whole number")
    return int(value)


def as_now(arm: ArmSpec, settings: Settings, tenant: TenantSettings) -> ArmSpec:
    """What the arm leaves open, as it is configured at this moment: an arm that changes on the way compares nothing."""
    provider = arm.provider or tenant.ai_provider or settings.ai_provider
    models = {
        "claude": tenant.claude_model or settings.anthropic_model,
        "openai": tenant.openai_model or settings.openai_model,
    }
    return replace(
        arm,
        provider=provider,
        model=arm.model or models.get(provider),
        policy_version=arm.policy_version or tenant.policy_version,
    )


def _refuse_keyless(arms: list[ArmSpec], settings: Settings) -> None:
    """An arm that could never answer would be an experiment on its fallback. Unknown providers are refused later."""
    pool = Pool(settings)
    for arm in arms:
        if arm.provider in PROVIDERS and pool.get(arm.provider, arm.model) is None:
            raise CliError(f"arm {arm.name!r} asks {arm.provider}, which has no key in this installation")


def _timezone(session: Session) -> str:
    """Where the business is: the zone of its first location."""
    return session.scalar(select(Location.timezone).order_by(Location.id).limit(1)) or "UTC"
