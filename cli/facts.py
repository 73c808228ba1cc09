"""`leads facts`: what the assistant may say about the shop besides its catalogue, calendar and address."""

from __future__ import annotations

import re

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.context.shop import merged_facts
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import clean, one_line, print_json, print_table
from cli.places import choose_location
from crm.models import Location, Tenant
from crm.policies import change_settings
from crm.tenants import settings_of
from crm.text import storable

# All facts stand in every prompt, so they are paid for with every answer.
MOST_FACTS = 40
LONGEST_VALUE = 400
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,39}")
_AMOUNT = re.compile(r"[$€£]\s?\d|\b\d[\d,.]*\s?(?:dollars|bucks|usd)\b|\d\s?%\s?off\b", re.IGNORECASE)


@click.group("facts")
def facts_command() -> None:
    """Show or change what the assistant may say about the shop: parking, waiting room, warranty, the law on shades."""


@facts_command.command("show")
@click.option(
    "--location", "slug", help="As this location says it: its own facts over those of the business."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(office: Office, slug: str | None, as_json: bool) -> None:
    """List the facts, and who says them."""
    with office.db.tenant(office.tenant.id) as session:
        shared = _shared(session, office.tenant.id)
        places = [choose_location(session, slug)] if slug else _locations(session)
        own = {place.slug: dict(place.facts) for place in places}
    if as_json:
        said = {place.slug: merged_facts(shared, own[place.slug]) for place in places}
        print_json({"business": shared, "locations": own, "said": said})
        return
    rows = [["all locations", key, value] for key, value in sorted(shared.items())]
    rows += [[slug, key, str(value)] for slug, facts in own.items() for key, value in sorted(facts.items())]
    if not rows:
        click.echo('no facts yet; for example: leads facts set parking "Free, behind the shop"', err=True)
        return
    print_table(("WHERE", "FACT", "WHAT IS SAID"), rows)


@facts_command.command("set")
@click.argument("key")
@click.argument("value")
@click.option("--location", "slug", help="Only for this location; else for the whole business.")
@with_office
def set_command(office: Office, key: str, value: str, slug: str | None) -> None:
    """Let the assistant say VALUE about KEY.

    \b
      leads facts set parking "Free, behind the shop"
      leads facts set warranty "Lifetime against peeling and bubbling, for the first owner" --location lakeside
    """
    key, value = _key(key), _value(value)
    with office.db.tenant(office.tenant.id) as session:
        facts = _facts(session, office, slug)
        before = facts.get(key)
        facts[key] = value
        if len(facts) > MOST_FACTS:
            raise CliError(
                f"{MOST_FACTS} facts are enough: every answer pays for all of them; unset one first"
            )
        _store(session, office, slug, facts)
    where = one_line(slug) if slug else "all locations"
    was = f' (was: "{one_line(str(before))}")' if before not in (None, value) else ""
    click.echo(f"{where}, {key}: {one_line(value)}{was}")


@facts_command.command("unset")
@click.argument("key")
@click.option("--location", "slug", help="The one this location says; else that of the whole business.")
@with_office
def unset_command(office: Office, key: str, slug: str | None) -> None:
    """Take a fact back: the assistant does not know it any more."""
    with office.db.tenant(office.tenant.id) as session:
        facts = _facts(session, office, slug)
        if key not in facts:
            known = ", ".join(sorted(map(one_line, facts))) or "none yet"
            raise CliError(f"there is no fact {one_line(key)!r} there; there is {known}")
        del facts[key]
        _store(session, office, slug, facts)
    click.echo(f"{one_line(slug) if slug else 'all locations'}, {one_line(key)}: not said any more")


def _shared(session: Session, tenant_id: int) -> dict[str, str]:
    return dict(settings_of(session.get_one(Tenant, tenant_id)).shop_facts)


def _locations(session: Session) -> list[Location]:
    return list(session.scalars(select(Location).order_by(Location.id)))


def _facts(session: Session, office: Office, slug: str | None) -> dict[str, str]:
    """The facts of one place, held until the transaction ends: two people at once must not lose one of them."""
    if slug is None:
        session.get_one(Tenant, office.tenant.id, with_for_update=True)
        return _shared(session, office.tenant.id)
    location = choose_location(session, slug)
    session.refresh(location, with_for_update=True)
    return dict(location.facts)


def _store(session: Session, office: Office, slug: str | None, facts: dict[str, str]) -> None:
    if slug is None:
        change_settings(session, office.tenant.id, shop_facts=facts)
    else:
        choose_location(session, slug).facts = facts


def _key(text: str) -> str:
    key = text.strip()
    if not _KEY.fullmatch(key):
        raise CliError(
            f"{one_line(text)!r} is no name of a fact: letters first, then letters, digits, space, - or _"
        )
    return key


def _value(text: str) -> str:
    value = " ".join(storable(clean(text)).split())
    if not value:
        raise CliError("say what is true about it, or take it back with `leads facts unset`")
    if len(value) > LONGEST_VALUE:
        raise CliError(f"that is {len(value)} characters; {LONGEST_VALUE} are the most one fact may have")
    if _AMOUNT.search(value):
        raise CliError(
            "a fact may not name an amount: prices come from the catalogue, and no other is ever said"
        )
    return value
