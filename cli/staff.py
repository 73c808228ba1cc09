"""`leads staff`: who of the shop gets hand-offs and alerts, and whose mail speaks for the shop."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import one_line, print_json, print_table
from cli.places import choose_location
from crm.emails import normal_email
from crm.models import Location, Staff
from crm.phones import e164
from crm.text import storable


@click.group("staff")
def staff_command() -> None:
    """Who of the shop gets alerts, and may answer them by mail."""


@staff_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def list_command(office: Office, as_json: bool) -> None:
    """List the people of a business."""
    with office.db.tenant(office.tenant.id) as session:
        lines: list[dict[str, Any]] = [
            {
                "id": person.id,
                "name": person.name,
                "phone": person.phone,
                "email": person.email,
                "notify": person.notify,
                "location": slug,
            }
            for person, slug in session.execute(
                select(Staff, Location.slug)
                .outerjoin(Location, Location.id == Staff.location_id)
                .where(Staff.removed_at.is_(None))
                .order_by(Staff.id)
            )
        ]
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo(
            "nobody yet: hand-offs and alerts reach nobody; leads staff add NAME --phone ...", err=True
        )
        return
    rows = [
        [
            str(one["id"]),
            one["name"],
            one["phone"] or "-",
            one["email"] or "-",
            "yes" if one["notify"] else "no",
            one["location"] or "all",
        ]
        for one in lines
    ]
    print_table(("ID", "NAME", "PHONE", "EMAIL", "ALERTS", "LOCATION"), rows)


@staff_command.command("add")
@click.argument("name")
@click.option("--phone", help="Alerts come as texts to this number, like +13125550110.")
@click.option(
    "--email", help="Alerts come here where there is no phone; mail from here is the shop's own words."
)
@click.option("--location", "slug", help="Only of this location; default: of all.")
@click.option("--quiet", is_flag=True, help="Gets no alerts; may only write as the shop.")
@with_office
def add_command(
    office: Office, name: str, phone: str | None, email: str | None, slug: str | None, quiet: bool
) -> None:
    """Add a person of the shop."""
    person = Staff(
        tenant_id=office.tenant.id,
        name=" ".join(storable(name).split()),
        phone=_phone(phone),
        email=_email(email),
        notify=not quiet,
    )
    if not person.name:
        raise CliError("say who it is")
    if person.phone is None and person.email is None:
        raise CliError("say where to reach them, with --phone or --email")
    with office.db.tenant(office.tenant.id) as session:
        location = choose_location(session, slug) if slug else None
        person.location_id = location.id if location else None
        _refuse_double(session, person)
        session.add(person)
        session.flush()
        said = f"{one_line(person.name)} is number {person.id}, for {location.slug if location else 'all locations'}"
    click.echo(said)


@staff_command.command("remove")
@click.argument("who")
@with_office
def remove_command(office: Office, who: str) -> None:
    """Remove a person: no alerts any more, and their mail is no longer the shop's. WHO is a number, name, phone or email."""
    with office.db.tenant(office.tenant.id) as session:
        person = _find(session, who)
        person.removed_at = office.clock.now()
        name = one_line(person.name)
        left = session.scalar(
            select(func.count()).select_from(Staff).where(Staff.removed_at.is_(None), Staff.notify)
        )
    click.echo(f"{name} is removed" + ("" if left else "; nobody is left to get hand-offs and alerts"))


def _find(session: Session, who: str) -> Staff:
    people = list(session.scalars(select(Staff).where(Staff.removed_at.is_(None)).order_by(Staff.id)))
    phone, email, bare = e164(who), normal_email(who), who.strip().casefold()
    found = [
        one
        for one in people
        if bare in (str(one.id), one.name.casefold())
        or (phone and one.phone == phone)
        or (email and (one.email or "").lower() == email)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise CliError(
            f"{one_line(who)} is more than one person, say the number: {', '.join(str(one.id) for one in found)}"
        )
    names = ", ".join(one_line(one.name) for one in people) or "nobody yet"
    raise CliError(f"there is no {one_line(who)!r}; there is {names}")


def _refuse_double(session: Session, person: Staff) -> None:
    here = Staff.location_id.is_not_distinct_from(person.location_id)
    same = select(Staff).where(Staff.removed_at.is_(None), Staff.name == person.name, here)
    known = session.scalars(same).first()
    if known is not None:
        raise CliError(
            f"{one_line(person.name)} is there already, as number {known.id}; leads staff remove {known.id}"
        )


def _phone(raw: str | None) -> str | None:
    found = e164(raw)
    if raw and found is None:
        raise CliError(f"{one_line(raw)} is no valid phone number")
    return found


def _email(raw: str | None) -> str | None:
    found = normal_email(raw)
    if raw and found is None:
        raise CliError(f"{one_line(raw)} is no email address")
    return found
