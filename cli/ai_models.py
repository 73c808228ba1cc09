"""`leads ai models`: which models are configured, whether they still answer tomorrow, and whether their price is known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

import click

from agent.choosing import in_order
from agent.models.base import Model, ProviderError
from agent.models.faults import Reason
from agent.models.lifecycle import SOON_DAYS, Listing, retirement
from agent.pricing import has_price
from agent.providers import LOCAL_PROVIDERS, Pool
from cli import context
from cli.context import open_database
from cli.output import one_line, print_json, print_table
from crm.db import Database
from crm.models import Tenant
from crm.routing import active_tenants
from crm.tenants import settings_of
from ops.settings import Settings, get_settings

INSTALLATION = "installation"


@dataclass(frozen=True)
class ModelLine:
    """One model somebody is answered with. `problem` is a sentence an owner can act on, None when all is well."""

    provider: str
    model: str
    used_by: tuple[str, ...]
    price_known: bool
    retires: date | None
    asked_vendor: bool
    problem: str | None


@click.command("models")
@click.option("--offline", is_flag=True, help="Do not ask the vendors; use what this version knows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models_command(offline: bool, as_json: bool) -> None:
    """The models of the installation and of every business, with the day they retire.

    Asks the vendors' model lists. Exit code 1 when a model has stopped, stops within 30 days, or is not known.
    """
    settings = get_settings()
    now = context.clock_of(settings).now()
    db = open_database(settings) if settings.database_url else None
    try:
        used = models_in_use(settings, db)
    finally:
        if db is not None:
            db.engine.dispose()
    lines = [line_of(model, tuple(who), now, ask=not offline) for model, who in used]
    if as_json:
        print_json(lines)
    else:
        rows = [_row(line) for line in lines]
        print_table(("PROVIDER", "MODEL", "USED BY", "PRICE", "RETIRES", "PROBLEM"), rows)
    sys.exit(1 if any(line.problem for line in lines) else 0)


def models_in_use(settings: Settings, db: Database | None) -> list[tuple[Model, list[str]]]:
    """Every model that answers somebody, with who that is. Without a database: the installation's only."""
    pool = Pool(settings)
    used: dict[int, tuple[Model, list[str]]] = {id(model): (model, [INSTALLATION]) for model in pool}
    if db is None:
        return list(used.values())
    with db.system() as session:
        tenants = active_tenants(session)
    for tenant in tenants:
        with db.tenant(tenant.id) as session:
            wishes = settings_of(session.get_one(Tenant, tenant.id))
        for model in in_order(pool, wishes):
            who = used.setdefault(id(model), (model, []))[1]
            if INSTALLATION not in who:
                who.append(tenant.slug)
    return list(used.values())


def line_of(model: Model, used_by: tuple[str, ...], now: datetime, *, ask: bool) -> ModelLine:
    """What there is to say about one model. The vendor's word beats our table's."""
    known = retirement(model.provider, model.model)
    listing, problem = _listing(model) if ask else (None, None)
    retires = (listing.retires if listing else None) or (known.on if known else None)
    if problem is None and retires is not None and (retires - now.date()).days <= SOON_DAYS:
        verb = "stopped" if retires <= now.date() else "stops"
        problem = f"{verb} answering on {retires}" + (f"; use {known.instead} instead" if known else "")
    if listing is not None and listing.stopped:
        problem = "has stopped answering" + (f"; use {known.instead} instead" if known else "")
    return ModelLine(
        provider=model.provider,
        model=model.model,
        used_by=used_by,
        price_known=has_price(model.provider, model.model, now),
        retires=retires,
        asked_vendor=listing is not None,
        problem=problem,
    )


def _listing(model: Model) -> tuple[Listing | None, str | None]:
    """The vendor's word and what is wrong. A vendor that cannot be reached says nothing against the model."""
    ask = cast("Callable[[], Listing] | None", getattr(model, "listing", None))
    if ask is None:
        return None, None
    try:
        return ask(), None
    except ProviderError as error:
        reason: Any = getattr(error, "reason", None)
        if reason in (Reason.MODEL, Reason.KEY, Reason.FORBIDDEN, Reason.CREDIT):
            return None, str(error)
        click.echo(f"note: {one_line(str(error))}", err=True)
        return None, None


def _row(line: ModelLine) -> list[str]:
    local = line.provider in LOCAL_PROVIDERS
    return [
        line.provider,
        line.model,
        ", ".join(line.used_by),
        "free" if local else "known" if line.price_known else "unknown",
        f"{line.retires:%Y-%m-%d}" if line.retires else "-",
        one_line(line.problem) or "-",
    ]
