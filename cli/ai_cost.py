"""`leads ai cost`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from agent.budget import MICROUSD_PER_CENT, Budget, assumed_for
from cli import context
from cli.context import choose_tenant, open_database
from cli.errors import CliError
from cli.output import heading, money, print_json, print_table
from crm.db import Database
from crm.models import Tenant
from crm.routing import TenantName, active_tenants
from crm.spend import month_of, spent_between
from crm.spending import REPORTS, MonthSpend, SpendLine, month_spend
from crm.tenants import settings_of
from ops.settings import get_settings

KINDS = ("tenant", *REPORTS)


@dataclass(frozen=True)
class Bill:
    """One business in one month, with the lines asked for. `assumed_microusd` is what a budget counts for requests of
    unknown price; it is in no other number here."""

    tenant: str
    begins: datetime
    ends: datetime
    spend: MonthSpend
    assumed_microusd: int
    budget_microusd: int | None
    lines: tuple[SpendLine, ...]


@click.command("cost")
@click.option(
    "--by", type=click.Choice(KINDS), default="provider", show_default=True, help="One line per what."
)
@click.option("--month", help="Such as 2026-11; default: this month.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="The dearest lines."
)
@click.option(
    "--tenant",
    help="Slug or id of the business; default: TENANT_ID, or the only one. Without: all for tenant.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cost_command(by: str, month: str | None, limit: int, tenant: str | None, as_json: bool) -> None:
    """What the models cost in a month of the shop's calendar. What is not known is said, never counted as nothing."""
    settings = get_settings()
    moment = _month(month) if month else context.clock_of(settings).now()
    db = open_database(settings)
    try:
        names = _tenants(db, tenant or settings.tenant_id, by)
        bills = [bill_of(db, name, by, moment, limit) for name in names]
    finally:
        db.engine.dispose()
    if as_json:
        print_json(bills)
    elif by == "tenant":
        _print_lines("TENANT", [bill.spend.total for bill in bills])
    else:
        _print_bill(bills[0], by)


def bill_of(db: Database, tenant: TenantName, by: str, moment: datetime, limit: int) -> Bill:
    """The bill of the month that `moment` lies in."""
    with db.tenant(tenant.id) as session:
        begins, ends = month_of(session, moment)
        limit_cents = settings_of(session.get_one(Tenant, tenant.id)).monthly_ai_budget_cents
        report = REPORTS.get(by)
        return Bill(
            tenant=tenant.slug,
            begins=begins,
            ends=ends,
            spend=month_spend(session, tenant.slug, begins, ends),
            assumed_microusd=assumed_for(spent_between(session, begins, ends)),
            budget_microusd=None if limit_cents is None else limit_cents * MICROUSD_PER_CENT,
            lines=tuple(report(session, begins, ends, limit)) if report else (),
        )


def _month(text: str) -> datetime:
    try:
        # The middle of the month is in that month in every zone.
        return datetime.strptime(text, "%Y-%m").replace(day=15, tzinfo=UTC)
    except ValueError:
        raise CliError(f"{text!r} is not a month; write it like 2026-11") from None


def _tenants(db: Database, wanted: str | None, by: str) -> list[TenantName]:
    if by == "tenant" and not wanted:
        with db.system() as session:
            return active_tenants(session)
    return [choose_tenant(db, wanted)]


def _print_bill(bill: Bill, by: str) -> None:
    total = bill.spend.total
    heading(f"{bill.begins:%B %Y}, {bill.tenant}: {_cost(total)} in {total.requests} requests")
    for what, count in (("answered messages", bill.spend.answered), ("appointments", bill.spend.booked)):
        if count:
            click.echo(f"{what + ':':20}{count}, {money(total.known_microusd // count)} each")
    if total.prompt_tokens:
        click.echo(
            f"{'read from cache:':20}{100 * total.cached_tokens // total.prompt_tokens}% of the prompts' tokens"
        )
    if total.unpriced:
        click.echo(
            f"{'unknown price:':20}{total.unpriced} requests; a budget counts {money(bill.assumed_microusd)} for them"
        )
    if bill.budget_microusd is not None:
        click.echo(f"{'budget:':20}{_budget(bill)}")
    click.echo()
    _print_lines(by.upper(), bill.lines)


def _budget(bill: Bill) -> str:
    limit = bill.budget_microusd or 0
    spend = bill.spend.total
    state = Budget(limit, spend.known_microusd, bill.assumed_microusd, spend.unpriced, bill.begins, bill.ends)
    share = f"{100 * state.used_microusd // limit}% of " if limit else ""
    return f"{share}{money(limit)} ({state.step.name.lower().replace('_', ' ')})"


def _print_lines(title: str, lines: Sequence[SpendLine]) -> None:
    rows = [
        [
            "-" if line.key is None else str(line.key),
            line.label,
            _cost(line),
            str(line.requests),
            str(line.failed),
            str(line.prompt_tokens),
            str(line.cached_tokens),
            str(line.written_tokens),
            str(line.output_tokens),
            str(line.thinking_tokens),
        ]
        for line in lines
    ]
    if not rows:
        click.echo("nothing was spent", err=True)
        return
    columns = ("ID", title, "COST", "REQUESTS", "FAILED", "PROMPT", "CACHED", "WRITTEN", "OUTPUT", "THINKING")
    print_table(columns, rows)


def _cost(line: SpendLine) -> str:
    return money(line.known_microusd) + (f" + {line.unpriced} unknown" if line.unpriced else "")
