"""`leads crm rotate`: another key, or another secret of the webhook, without a moment in which nothing works."""

from __future__ import annotations

import secrets
from typing import TextIO

import click

from cli.context import Office, with_office
from cli.crm_parts import ask_key, box_of, chosen, hook_address, opened
from cli.errors import CliError
from cli.output import one_line
from crm.connections import add_secret, keep_newest_secret, new_connection, store_connection
from crm.connectors.base import REGISTRATION
from crm.connectors.registry import NAMES
from crm.models import Location, TenantCrmConfig


@click.command("rotate")
@click.argument("what", type=click.Choice(["key", "webhook-secret", "forget-old-secret"]))
@click.option("--connector", type=click.Choice(NAMES), help="Needed where there are several.")
@click.option(
    "--key-file", type=click.File("r"), help="A file with the new key; - reads it from standard input."
)
@with_office
def rotate_command(office: Office, what: str, connector: str | None, key_file: TextIO | None) -> None:
    """Replace the key or the webhook's secret.

    \b
      key                the new key is asked for, tried, and used from then on
      webhook-secret     a new secret is made; what the old one signed is accepted until forget-old-secret
      forget-old-secret  only the new secret counts
    """
    if what == "key":
        _key(office, connector, key_file)
    elif what == "webhook-secret":
        _secret(office, connector)
    else:
        with office.db.tenant(office.tenant.id) as session:
            ended = keep_newest_secret(box_of(office.settings), chosen(session, connector, lock=True))
        click.echo("only the newest secret counts" if ended else "there was no old secret")


def _key(office: Office, connector: str | None, key_file: TextIO | None) -> None:
    with office.db.tenant(office.tenant.id) as session:
        config = chosen(session, connector)
        ours = {
            row.crm_location_id: row.slug
            for row in session.query(Location).filter(Location.crm_location_id.is_not(None))
        }
    key = ask_key(key_file, f"new API key of {config.connector}")
    made = new_connection(office.tenant.id, config.connector, config.base_url, key, box_of(office.settings))
    made.settings, made.lead_rules = config.settings, config.lead_rules
    with opened(office, made) as system:
        state = system.check()
    if not state.works:
        said = one_line(state.problem) or "it does not work"
        raise CliError(f"the key was not replaced: {said}")
    seen = {one.external_id for one in state.locations}
    lost = [slug for external, slug in ours.items() if seen and external not in seen]
    if lost:
        raise CliError(
            f"the key was not replaced: it does not see {', '.join(lost[:20])}; it may belong to another account"
        )
    with office.db.tenant(office.tenant.id) as session:
        store_connection(session, made, office.clock.now())
        from crm.calendar.sync import resume

        resume(session, office.clock.now())
    click.echo(
        "the new key is used from now on; work that began before ends with the old one, within two minutes"
    )


def _secret(office: Office, connector: str | None) -> None:
    box = box_of(office.settings)
    with office.db.tenant(office.tenant.id) as session:
        config = chosen(session, connector)
    url = hook_address(office.settings, config)
    if url is None:
        raise CliError("PUBLIC_BASE_URL is no https address, so there is no webhook")
    made = secrets.token_urlsafe(32)
    with opened(office, config) as system:
        if REGISTRATION not in system.capabilities:
            raise CliError(f"{config.connector} signs nothing")
        _store(office, config, made)
        # An error from here on leaves both secrets valid, so nothing is refused; the worker sets it right.
        state = system.register_webhook(url, made)
    with office.db.tenant(office.tenant.id) as session:
        row = chosen(session, config.connector, lock=True)
        row.webhook_external_id = state.external_id
        if state.secret is not None and state.secret != made:
            add_secret(box, row, state.secret)
    click.echo(
        "webhooks are signed with a new secret; what the old one signed is accepted until"
        " leads crm rotate forget-old-secret"
    )


def _store(office: Office, config: TenantCrmConfig, made: str) -> None:
    with office.db.tenant(office.tenant.id) as session:
        add_secret(box_of(office.settings), chosen(session, config.connector, lock=True), made)
