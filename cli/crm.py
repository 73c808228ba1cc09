"""`leads crm`: the connection to a business's CRM. Here: how it stands; connecting and testing have files of their own."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from cli.context import Office, with_office
from cli.output import heading, local_time, one_line, print_json, print_table
from crm.connections import LookLine, connected_locations, connections, looks_of

if TYPE_CHECKING:
    from crm.calendar.sync import PendingPush
    from crm.models import TenantCrmConfig

KINDS = ("orders", "appointments", "catalogue", "webhook")
ANYWHERE = "new_orders_anywhere"
SHOWN_PUSHES = 20
# From here on locations without trouble are counted, not listed.
MANY = 20


class LazyPart(click.Group):
    """A group whose commands with a network behind them are imported when they are used."""

    PARTS = {  # noqa: RUF012
        "connect": (
            "cli.crm_connect",
            "connect_command",
            "Give the key, match the locations, register the webhook.",
        ),
        "test": (
            "cli.crm_test",
            "test_command",
            "Try everything that is needed, and say what does not work.",
        ),
        "rotate": ("cli.crm_rotate", "rotate_command", "Replace the key or the webhook's secret."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names."""
        return ["connect", "test", "status", "rotate"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command object; None for an unknown name."""
        if cmd_name not in self.PARTS:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, name, _ = self.PARTS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing anything."""
        told = {name: text for name, (_, _, text) in self.PARTS.items()}
        told["status"] = "How far it was looked through, what failed, and what it was not told yet."
        with formatter.section("Commands"):
            formatter.write_dl([(name, told[name]) for name in self.list_commands(ctx)])


@click.group("crm", cls=LazyPart)
def crm_command() -> None:
    """Connect a business's CRM, test the connection, and see how it stands."""


@crm_command.command("status")
@click.option("--all", "everything", is_flag=True, help="List every location, also those without trouble.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def status_command(office: Office, everything: bool, as_json: bool) -> None:
    """Say how far the CRM was looked through, what failed last, how the webhook is, and what was not pushed yet."""
    now = office.clock.now()
    with office.db.tenant(office.tenant.id) as session:
        found = [(config, looks_of(session, config.id)) for config in connections(session)]
        locations = connected_locations(session)
        pushes = _pending(session, now) if found else []
    if as_json:
        data = [_as_data(config, looks, _pace(config, locations)) for config, looks in found]
        print_json([*data, {"pending_appointments": pushes}])
        return
    if not found:
        click.echo("no CRM is connected; leads crm connect", err=True)
        return
    for config, looks in found:
        _print_connection(config)
        _print_looks(looks, _pace(config, locations), now, everything=everything)
    _print_pushes(pushes)


def _pending(session: Any, now: datetime) -> list[PendingPush]:
    from crm.calendar.sync import pending

    return pending(session, now)


def _print_connection(config: TenantCrmConfig) -> None:
    heading(f"{config.connector} at {one_line(config.base_url)}{'' if config.enabled else ' (switched off)'}")
    signed = (
        "must be signed" if config.signature_mode == "enforce" else "signatures are watched, not enforced"
    )
    secret = "" if config.webhook_secret_encrypted is not None else "; no secret is stored"
    click.echo(f"webhook:      {one_line(config.webhook_state) or 'not looked at yet'}; {signed}{secret}")


def _pace(config: TenantCrmConfig, locations: int) -> dict[str, float]:
    """How many seconds apart the looks of a kind are, at each location where they are per location; ANYWHERE is there when
    one location's looks see for the others. Empty when the settings cannot be read: the looks say so."""
    from crm.connectors.base import ConnectorError
    from crm.connectors.registry import settings_of
    from scheduler.crm_turns import calls_others, usual

    try:
        settings = settings_of(config)
    except ConnectorError:
        return {}
    pace = {kind: usual(kind, settings, locations).total_seconds() for kind in KINDS}
    if calls_others("orders", settings, locations, first=True):
        pace[ANYWHERE] = usual("orders", settings, locations, calls_others=True).total_seconds()
    return pace


def _print_looks(looks: list[LookLine], pace: dict[str, float], now: datetime, *, everything: bool) -> None:
    if not looks:
        click.echo("looks:        none yet; the worker opens them within a minute of the connection")
        return
    for kind in KINDS:
        of_kind = [one for one in looks if one.kind == kind]
        if of_kind:
            often = f"; {_often(kind, len(of_kind), pace)}" if kind in pace else ""
            click.echo(f"{kind + ':':14}{_summary(of_kind)}{often}")
    failing = [one for one in looks if one.error]
    listed = looks if everything or len(looks) <= MANY else failing
    if not listed:
        return
    click.echo()
    rows = [
        [
            one.location or "(connection)",
            one.kind,
            local_time(one.seen_until, "UTC"),
            "due" if one.next_at <= now else local_time(one.next_at, "UTC"),
            f"{one.error} ({one.failures} in a row)" if one.error and one.failures > 1 else one.error or "-",
        ]
        for one in listed
    ]
    print_table(("WHERE", "LOOK", "SEEN UP TO", "NEXT", "ERROR"), rows)


def _summary(looks: list[LookLine]) -> str:
    failing = sum(1 for one in looks if one.error)
    seen = [one.seen_until for one in looks if one.seen_until is not None]
    oldest = f"seen up to {local_time(min(seen), 'UTC')}" if seen else "nothing seen yet"
    never = f", {len(looks) - len(seen)} never" if seen and len(seen) < len(looks) else ""
    many = f"{len(looks)} locations, " if len(looks) > 1 else ""
    return f"{many}{oldest}{never}" + (f"; {failing} with an error" if failing else "")


def _often(kind: str, looks: int, pace: dict[str, float]) -> str:
    """Many locations share the rate of one key, so each of them is looked at less often."""
    words = f"{'each ' if looks > 1 else ''}every {_span(pace[kind])}"
    if kind == "orders" and ANYWHERE in pace:
        return f"{words}, new ones anywhere every {_span(pace[ANYWHERE])}"
    return words


def _span(seconds: float) -> str:
    if seconds >= 3600:
        return f"{round(seconds / 3600, 1):g} h"
    return f"{round(seconds)} s" if seconds < 120 else f"{round(seconds / 60)} min"


def _print_pushes(pushes: list[PendingPush]) -> None:
    click.echo()
    if not pushes:
        click.echo("appointments: the CRM shows all of ours")
        return
    heading("Appointments that the CRM does not show as they are here")
    rows = [
        [str(one.appointment_id), one.when, one.who, one.location, one.state, one.reason]
        for one in pushes[:SHOWN_PUSHES]
    ]
    print_table(("ID", "WHEN", "WHO", "LOCATION", "STATE", "WHY"), rows)
    if len(pushes) > SHOWN_PUSHES:
        click.echo(f"and {len(pushes) - SHOWN_PUSHES} more; --json shows them", err=True)


def _as_data(config: TenantCrmConfig, looks: list[LookLine], pace: dict[str, float]) -> dict[str, Any]:
    return {
        "connector": config.connector,
        "base_url": config.base_url,
        "enabled": config.enabled,
        "signature_mode": config.signature_mode,
        "webhook": config.webhook_state,
        "has_webhook_secret": config.webhook_secret_encrypted is not None,
        "seconds_between_looks": pace,
        "looks": [asdict(one) for one in looks],
    }
