"""`leads catalogue`: what is sold and for how much, read anew from the CRM, and what nobody may quote."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import click
import redis
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.catalogue_tables import (
    as_data,
    print_changes,
    print_round,
    print_unpriced,
    say_how_many,
    sold_row,
)
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import print_json, print_table
from cli.places import choose_location
from crm.catalogue_history import last_changes, last_looks, sold_services
from crm.connectors.base import ConnectorError, NotSupported
from crm.db import Database
from crm.models import Location, TenantCrmConfig
from ops.clock import Clock
from ops.secrets import SecretBox, SecretsError
from ops.settings import secret
from scheduler.crm_catalogue import Refreshed, refresh, remember

# Somebody sits in front of it and may interrupt it.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class _Parts:
    """What a refresh needs; see scheduler.crm_catalogue.Parts."""

    db: Database
    clock: Clock
    redis: redis.Redis
    box: SecretBox


@click.group("catalogue")
def catalogue_command() -> None:
    """Show what is sold, read it anew from the CRM, and see what has no price."""


@catalogue_command.command("show")
@click.option("--location", "slug", help="Only this location's.")
@click.option("--all", "everything", is_flag=True, help="Also what is not sold any more.")
@click.option("--changes", is_flag=True, help="What the CRM changed last, instead of what is sold.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show(office: Office, /, slug: str | None, everything: bool, changes: bool, as_json: bool) -> None:
    """Show services with price, time and where they come from: made here by hand, or read from a CRM and when."""
    with office.db.tenant(office.tenant.id) as session:
        locations = _locations(session, slug)
        ids = list(locations)
        if changes:
            print_changes(locations, last_changes(session, ids), as_json=as_json)
            return
        sold = [one for one in sold_services(session, ids) if everything or one.active]
    if as_json:
        print_json([{**vars(one), "location": locations[one.location_id].slug} for one in sold])
        return
    if not sold:
        click.echo("nothing is sold here yet", err=True)
        return
    print_table(
        ("LOCATION", "CODE", "SERVICE", "FOR", "PRICE", "TIME", "FROM"),
        [sold_row(one, locations[one.location_id]) for one in sold],
    )
    say_how_many(sold)


@catalogue_command.command("unpriced")
@click.option("--location", "slug", help="Only this location's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def unpriced(office: Office, /, slug: str | None, as_json: bool) -> None:
    """Show what the assistant will not quote: services without a price, and items that the rules could not read."""
    with office.db.tenant(office.tenant.id) as session:
        locations = _locations(session, slug)
        sold = sold_services(session, list(locations))
        looks = last_looks(session, list(locations))
    without = [one for one in sold if one.active and one.price_cents is None]
    unread = [(locations[number], item) for number, look in looks for item in look.get("unread", [])]
    doubts = [(locations[number], doubt) for number, look in looks for doubt in look.get("doubts", [])]
    if as_json:
        print_json(
            {
                "without_price": [
                    {**vars(one), "location": locations[one.location_id].slug} for one in without
                ],
                "unread": [{"location": place.slug, **item} for place, item in unread],
                "doubts": [{"location": place.slug, "doubt": doubt} for place, doubt in doubts],
            }
        )
        return
    print_unpriced(locations, without, unread, doubts)


@catalogue_command.command("refresh")
@click.option("--location", "slug", help="Only this location's.")
@click.option(
    "--believe", is_flag=True, help="What the CRM does not list any more is gone, however much it is."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def refresh_command(office: Office, /, slug: str | None, believe: bool, as_json: bool) -> None:
    """Read the catalogue from the CRM now. It is also read by itself; see looks.catalogue_hours in the connection's
    settings."""
    with office.db.tenant(office.tenant.id) as session:
        only = choose_location(session, slug).id if slug else None
        configs = session.scalars(
            select(TenantCrmConfig).where(TenantCrmConfig.enabled).order_by(TenantCrmConfig.id)
        ).all()
    with _logs_aside(), _parts(office) as parts:
        found = [(one, got) for one in configs if (got := _refresh(parts, office, one, only, believe))]
    if not found:
        raise CliError("no connection of this business has a catalogue: leads connect")
    if as_json:
        print_json([as_data(config, got) for config, got in found])
    for config, got in found:
        if not as_json:
            print_round(config, got)
    if any(got.errors for _, got in found):
        raise SystemExit(1)


def _refresh(
    parts: _Parts, office: Office, config: TenantCrmConfig, only: int | None, believe: bool
) -> Refreshed | None:
    """None for a connection that has no catalogue."""
    try:
        got = refresh(
            parts, office.tenant.id, config.id, only=only, believe=believe, who="owner", longest=PATIENCE
        )
    except NotSupported:
        return None
    except (ConnectorError, SecretsError) as error:
        raise CliError(f"{config.connector}: {error}") from error
    remember(parts, office.tenant.id, config.id, got)
    return got


@contextmanager
def _logs_aside() -> Iterator[None]:
    """Standard output is the answer's: what the parts of the worker log goes to standard error, and only what matters."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _parts(office: Office) -> Iterator[_Parts]:
    url = office.settings.redis_url
    if not url:
        raise CliError("REDIS_URL is not known: start the system with `make run`, or set it")
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        box = SecretBox(secret(office.settings.encryption_key))
        yield _Parts(office.db, office.clock, client, box)
    except SecretsError as error:
        raise CliError(str(error)) from error
    finally:
        client.close()


def _locations(session: Session, slug: str | None) -> dict[int, Location]:
    if slug is not None:
        chosen = choose_location(session, slug)
        return {chosen.id: chosen}
    return {one.id: one for one in session.scalars(select(Location).order_by(Location.id))}
