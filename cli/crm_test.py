"""`leads crm test`: everything that is needed of a CRM, tried once, in plain words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import click
from sqlalchemy import select

from cli.context import Office, with_office
from cli.crm_parts import chosen, hook_address, opened
from cli.output import one_line, print_json
from crm.connectors.base import (
    APPOINTMENTS,
    CATALOGUE,
    CHANGES,
    CHECK,
    REGISTRATION,
    Connector,
    ConnectorError,
)
from crm.connectors.registry import NAMES
from crm.models import Location, TenantCrmConfig

AHEAD = timedelta(days=7)


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. `works` None: it was not tried, `said` says why."""

    what: str
    works: bool | None
    said: str


@click.command("test")
@click.option("--connector", type=click.Choice(NAMES), help="Needed where there are several.")
@click.option(
    "--location", "slug", help="Read services and calendar of this location; default: the first one."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def test_command(office: Office, connector: str | None, slug: str | None, as_json: bool) -> None:
    """Try the key, the locations, the services, the calendar and the webhook; exit code 1 when something does not work.

    Nothing is written to the CRM.
    """
    from cli.places import choose_location

    with office.db.tenant(office.tenant.id) as session:
        config = chosen(session, connector)
        ours = list(session.scalars(select(Location).order_by(Location.id)))
        only = choose_location(session, slug) if slug else None
    findings = []
    with opened(office, config) as system:
        for one in _tried(office, config, system, ours, only):
            findings.append(one)
            if not as_json:
                mark = {True: "works", False: "FAILS", None: "-"}[one.works]
                click.echo(f"{one.what + ':':14}{mark:7}{one_line(one.said)}")
    if as_json:
        print_json(findings)
    sys.exit(1 if any(one.works is False for one in findings) else 0)


def _tried(
    office: Office, config: TenantCrmConfig, system: Connector, ours: list[Location], only: Location | None
) -> Iterator[Finding]:
    if CHECK not in system.capabilities:
        yield Finding("key", None, f"{config.connector} has no system behind it that could be asked")
        return
    state = system.check()
    if not state.works:
        yield Finding("key", False, f"{state.problem or 'it does not work'}; leads crm rotate key")
        return
    yield Finding("key", True, f"it sees {len(state.locations)} locations")
    theirs = {one.external_id: one for one in state.locations}
    mapped = [place for place in ours if place.crm_location_id]
    yield _locations(ours, mapped, theirs)
    place = only or next((one for one in mapped if one.crm_location_id in theirs), None)
    if place is None or place.crm_location_id is None:
        yield Finding(
            "reading", None, "no location of ours is matched with one there; leads crm connect --map SLUG=ID"
        )
    else:
        yield from _readings(office, system, place.slug, place.crm_location_id)
    yield _webhook(office, config, system)


def _locations(ours: list[Location], mapped: list[Location], theirs: Mapping[str, object]) -> Finding:
    gone = [place.slug for place in mapped if theirs and place.crm_location_id not in theirs]
    loose = [place.slug for place in ours if not place.crm_location_id]
    said = [f"{len(mapped)} of ours are matched"]
    said += [f"not there any more: {', '.join(gone[:20])}"] if gone else []
    said += [f"not matched: {', '.join(loose[:20])}"] if loose else []
    return Finding("locations", not gone and not loose, "; ".join(said))  # fmt: skip


def _readings(office: Office, system: Connector, slug: str, external: str) -> Iterator[Finding]:
    now = office.clock.now()

    def changed() -> str:
        pages = system.changes_since(external, now - timedelta(hours=1), now)
        return f"{sum(map(len, pages))} made or changed within the last hour at {slug}"

    def services() -> str:
        items = system.catalogue(external)
        priced = sum(1 for one in items if one.price_cents is not None)
        return f"{len(items)} at {slug}, {priced} with a price"

    def calendar() -> str:
        entries = system.appointments(external, now, now + AHEAD)
        series = "" if entries.recurring_included else "; series cannot be read, so they block nothing"
        return f"{len(entries)} entries in the next {AHEAD.days} days at {slug}{series}"

    tries: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("orders", CHANGES, changed),
        ("services", CATALOGUE, services),
        ("calendar", APPOINTMENTS, calendar),
    )
    for what, capability, look in tries:
        if capability not in system.capabilities:
            yield Finding(what, None, f"{system.name} cannot do this")
            continue
        try:
            yield Finding(what, True, look())
        except ConnectorError as error:
            yield Finding(what, False, str(error))


def _webhook(office: Office, config: TenantCrmConfig, system: Connector) -> Finding:
    url = hook_address(office.settings, config)
    if REGISTRATION not in system.capabilities:
        return Finding("webhook", None, f"{system.name} has none")
    if url is None:
        return Finding("webhook", None, "PUBLIC_BASE_URL is no https address; changes are found by looking")
    if config.webhook_external_id is None:
        return Finding("webhook", False, "none is registered; the worker does it, or leads crm connect")
    try:
        state = system.webhook_state(config.webhook_external_id)
    except ConnectorError as error:
        return Finding("webhook", False, str(error))
    if state is None:
        return Finding("webhook", False, "it is gone there; the worker registers it again")
    if state.url != url:
        return Finding("webhook", False, f"it leads to another address than {url}")
    if not state.healthy:
        return Finding(
            "webhook", False, f"it is {'in error' if state.enabled else 'switched off'}: {state.error or '-'}"
        )
    secret = "with a secret" if config.webhook_secret_encrypted is not None else "without a secret of ours"
    return Finding("webhook", True, f"registered and switched on, {secret}")
