"""`leads crm connect`: a key that works, locations matched with ours, a webhook registered."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TextIO

import click
from sqlalchemy import select

from cli.context import Office, with_office
from cli.crm_parts import ask_key, box_of, chosen, hook_address, opened
from cli.errors import CliError
from cli.output import one_line, print_table
from crm.connections import (
    Match,
    add_secret,
    map_locations,
    match_locations,
    new_connection,
    secrets_of,
    store_connection,
)
from crm.connectors.base import CHECK, REGISTRATION, ConnectionState, ConnectorError
from crm.connectors.registry import NAMES
from crm.models import Location, TenantCrmConfig


@click.command("connect")
@click.option("--connector", type=click.Choice(NAMES), default="shopmonkey", show_default=True)
@click.option(
    "--key-file", type=click.File("r"), help="A file with the API key; - reads it from standard input."
)
@click.option("--base-url", help="Where the CRM's API is, when not at its usual address.")
@click.option(
    "--map",
    "given",
    multiple=True,
    metavar="SLUG=ID",
    help="Which of its locations one of ours is; once for each.",
)
@click.option("--no-webhook", is_flag=True, help="Register no webhook; changes are found by looking.")
@with_office
def connect_command(
    office: Office,
    connector: str,
    key_file: TextIO | None,
    base_url: str | None,
    given: tuple[str, ...],
    no_webhook: bool,
) -> None:
    """Connect a CRM. The key is asked for, tried, and stored encrypted; nothing is stored when it does not work.

    Again with another key: the connection stays, and gets that key.
    """
    settings, tenant_id = office.settings, office.tenant.id
    wanted = _pairs(given)
    address = base_url or {"shopmonkey": settings.shopmonkey_api_base}.get(connector, "")
    key = ask_key(key_file, f"API key of {connector}")
    made = new_connection(tenant_id, connector, address, key, box_of(settings))
    with opened(office, made) as system:
        if CHECK not in system.capabilities:
            raise CliError(f"{connector} has no system behind it; it needs no connection")
        state = system.check()
    if not state.works:
        raise CliError(f"the CRM was not connected: {one_line(state.problem) or 'the key does not work'}")
    with office.db.tenant(tenant_id) as session:
        # Both directions of matching need all of ours, in the order in which they were made.
        ours = session.scalars(select(Location).order_by(Location.id)).all()
        matches = match_locations(ours, state.locations, wanted)
        _refuse_unknown(wanted, matches, state)
        row, is_new = store_connection(session, made, office.clock.now())
        map_locations(session, matches)
        _owe_upcoming(office, session)
    click.echo(f"{connector} is connected" if is_new else f"{connector} has a new key")
    _print_matches(matches, state)
    if no_webhook:
        click.echo("no webhook is registered; changes are found by looking; leads crm status says how often")
    else:
        _register(office, row)


def _owe_upcoming(office: Office, session: object) -> None:
    """What is booked already is told to a CRM that is new."""
    from crm.calendar.sync import mark_upcoming

    many = mark_upcoming(session, office.clock.now())  # type: ignore[arg-type]
    if many:
        click.echo(f"{many} appointments that are booked already go into its calendar")


def _pairs(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        slug, _, external = text.partition("=")
        if not slug.strip() or not external.strip():
            raise CliError(f"{one_line(text)!r} is no pair: write --map SLUG=ID")
        found[slug.strip()] = external.strip()
    if len(set(found.values())) < len(found):
        raise CliError("two locations of ours cannot be the same one there")
    return found


def _refuse_unknown(wanted: dict[str, str], matches: list[Match], state: ConnectionState) -> None:
    ours, theirs = {one.slug for one in matches}, {one.external_id for one in state.locations}
    for slug, external in wanted.items():
        if slug not in ours:
            raise CliError(f"there is no location {slug!r}; there is {', '.join(sorted(ours)) or 'none yet'}")
        if external not in theirs:
            known = ", ".join(f"{one.external_id} ({one_line(one.name)})" for one in state.locations[:20])
            raise CliError(f"the key sees no location {one_line(external)!r}; it sees {known or 'none'}")


def _print_matches(matches: list[Match], state: ConnectionState) -> None:
    if state.problem:
        click.echo(f"note: {one_line(state.problem)}", err=True)
    taken = {one.external.external_id for one in matches if one.external}
    rows = [
        [
            one.slug,
            *((one.external.external_id, one.external.name) if one.external else ("-", "-")),
            one.how or "-",
        ]
        for one in matches
    ]
    if rows:
        print_table(("OURS", "ITS ID", "ITS NAME", "BY"), rows)
    left = [one for one in state.locations if one.external_id not in taken and not one.archived]
    missing = [one.slug for one in matches if one.external is None]
    if missing:
        named = "; ".join(f"{one.external_id} ({one_line(one.name)})" for one in left[:20]) or "none"
        click.echo(
            f"not matched: {', '.join(missing[:20])}. Nothing comes from or goes to them until --map SLUG=ID says which"
            f" they are; free there: {named}",
            err=True,
        )


def _register(office: Office, config: TenantCrmConfig) -> None:
    url = hook_address(office.settings, config)
    if url is None:
        click.echo(
            "no webhook: PUBLIC_BASE_URL is no https address, so changes are found by looking; leads crm status says how often",
            err=True,
        )
        return
    with opened(office, config) as system:
        if REGISTRATION not in system.capabilities:
            return
        secret = _signing_secret(office, config)
        try:
            state = system.register_webhook(url, secret)
        except ConnectorError as error:
            said = f"the webhook is not registered: {one_line(str(error))}; the worker tries again"
            click.echo(said, err=True)
            return
    with office.db.tenant(office.tenant.id) as session:
        row = chosen(session, config.connector, lock=True)
        row.webhook_external_id = state.external_id
        if state.secret is not None and state.secret not in secrets_of(box_of(office.settings), row):
            add_secret(box_of(office.settings), row, state.secret)
    how = (
        "is registered and switched on"
        if state.healthy
        else f"is registered, but not well: {one_line(state.error)}"
    )
    click.echo(f"the webhook {how}")


def _signing_secret(office: Office, config: TenantCrmConfig) -> str:
    """The stored secret; a new one is stored before anything is signed with it, so that no delivery comes too early."""
    box = box_of(office.settings)
    with office.db.tenant(office.tenant.id) as session:
        row = chosen(session, config.connector, lock=True)
        known = secrets_of(box, row)
        if known:
            return known[0]
        made = secrets.token_urlsafe(32)
        add_secret(box, row, made)
    return made
