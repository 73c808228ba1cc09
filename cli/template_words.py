"""What the template commands share: naming a template, its words, who it is tried on, and saying what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.templates import (
    CHANNELS,
    LANGUAGES,
    Shop,
    Variables,
    names,
    own_templates,
    source_of,
)
from channels.templates.checking import Problem
from channels.templates.samples import SHOP, full
from cli.errors import CliError
from cli.output import one_line
from crm.models import Lead, Location
from crm.template_versions import Key, template_history
from scheduler import wording

SHIPPED = "default"


@dataclass(frozen=True)
class Words:
    """The words of one template, where they are from (a version's number, or None: they ship) and whether they are used."""

    key: Key
    body: str
    version: int | None
    live: bool


def of_template(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument NAME and the options --channel and --language of a command."""
    command = click.option(
        "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="In which language."
    )(command)
    command = click.option(
        "--channel",
        type=click.Choice(CHANNELS),
        default="sms",
        show_default=True,
        help="As a text or an email.",
    )(command)
    return click.argument("name")(command)


def known(name: str) -> str:
    """The name, if there is such a template. Raises CliError."""
    if name not in names():
        raise CliError(f"there is no template {one_line(name)!r}; there are: {', '.join(names())}")
    return name


def words_of(session: Session, tenant_id: int, key: Key, version: str | None = None) -> Words:
    """The words that are used, or those of a version: its number, or `default` for the ones that ship. Raises CliError."""
    name, channel, language = key
    own = own_templates(session, tenant_id)
    live = own.versions.get(key)
    if version is None:
        return Words(key, own.get(*key) or source_of(*key), live, True)
    if version == SHIPPED:
        return Words(key, source_of(*key), None, live is None)
    for row in template_history(session, tenant_id, name, channel, language):
        if str(row.version) == version:
            return Words(key, row.body or source_of(*key), row.version, row.version == live)
    raise CliError(
        f"there is no version {one_line(version)} of these words; see: leads templates history {name}"
    )


def shop_of(session: Session) -> Shop:
    """The business's first shop, as customers know it; a made-up one where it has none or no address."""
    location = session.scalars(select(Location).order_by(Location.id).limit(1)).first()
    if location is None:
        return SHOP
    shop = wording.shop_of(session, location)
    return shop if shop.address else replace(shop, address=SHOP.address)


def variables_of(session: Session, lead_id: int | None, language: str, *, first: bool) -> Variables:
    """What a template is filled with: of a lead, or of somebody made up. Raises CliError."""
    if lead_id is None:
        return replace(full(shop_of(session), language), first_text=first)
    lead = session.get(Lead, lead_id)
    if lead is None:
        raise CliError(f"there is no lead {lead_id}")
    return real_variables(session, lead)


def real_variables(session: Session, lead: Lead) -> Variables:
    """What the dispatcher would know of a lead, without free times: those are looked up when they can be sent."""
    location = session.get_one(Location, lead.location_id)
    vehicle = wording.vehicle_of(session, lead)
    services = wording.fitting_services(session, lead, vehicle)
    return wording.variables_for(session, lead, location, services, [], vehicle)


def read_words(name: str) -> str:
    """The text of a file, or of standard input for `-`. Raises CliError."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise CliError(f"{one_line(name)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{one_line(name)} is not UTF-8 text") from None


def print_problems(problems: Sequence[Problem], where: str = "") -> None:
    """One line each, on standard error, so that what is printed can be piped on."""
    for one in problems:
        click.echo(f"{one.level}{', ' if where else ''}{where}: {one_line(one.sentence)}", err=True)
