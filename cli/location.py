"""`leads location`: the shops of a business."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import print_json, print_table

if TYPE_CHECKING:
    from crm.tenant_file.schema_location import LocationPart

_LINES = """
select l.slug, l.name, l.timezone, l.phone, l.mailbox, l.city, l.state, l.crm_location_id,
       coalesce(b.many, 0) as bays, coalesce(v.many, 0) as services, coalesce(p.many, 0) as leads
  from locations l
  left join (select location_id, count(*) as many from bays where active group by 1) b on b.location_id = l.id
  left join (select location_id, count(*) as many from service_catalog where active group by 1) v on v.location_id = l.id
  left join (select location_id, count(*) as many from leads group by 1) p on p.location_id = l.id
 order by l.id
"""
WORKING_DAYS = "mon-fri=9:00-18:00"


@click.group("location")
def location_command() -> None:
    """Add and list locations; `leads hours` and `leads tenant apply` change them."""


@location_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def list_command(office: Office, as_json: bool) -> None:
    """List the locations of a business."""
    with office.db.tenant(office.tenant.id) as session:
        lines = _lines(session)
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("no locations yet; leads location add SLUG NAME --timezone ZONE", err=True)
        return
    rows = [
        [
            str(one["slug"]),
            str(one["name"]),
            str(one["phone"] or "-"),
            str(one["mailbox"] or "-"),
            str(one["timezone"]),
            str(one["bays"]),
            str(one["services"]),
            str(one["leads"]),
            str(one["crm_location_id"] or "-"),
        ]
        for one in lines
    ]
    print_table(("SLUG", "NAME", "PHONE", "MAILBOX", "ZONE", "BAYS", "SERVICES", "LEADS", "CRM"), rows)


@location_command.command("add")
@click.argument("slug")
@click.argument("name")
@click.option("--timezone", required=True, help="Like America/Chicago.")
@click.option("--phone", help="Its number for texts, like +13125550100.")
@click.option("--mailbox", help="Its address for mail, at the domain that mail is received for.")
@click.option("--public-phone", help="The number customers call.")
@click.option("--street")
@click.option("--city")
@click.option("--state")
@click.option("--postal-code")
@click.option("--crm-location", help="Its id in the CRM; leads crm connect finds it by name.")
@click.option("--bay", "bays", multiple=True, help='A bay, like "Bay 1"; once for each. Default: Bay 1.')
@click.option(
    "--hours", "weekly", multiple=True, help=f"Like {WORKING_DAYS}; once for each part of the week."
)
@with_office
def add_command(
    office: Office,
    /,
    slug: str,
    name: str,
    bays: tuple[str, ...],
    weekly: tuple[str, ...],
    **given: str | None,
) -> None:
    """Add a location. Its catalogue comes from the CRM (leads crm connect) or a file (leads tenant apply)."""
    from crm.models import Bay, Location, LocationHours
    from crm.tenant_file.wanted import week_of

    part = _checked(slug, name, bays, weekly, given)
    hours, address = part.hours or {}, part.address
    row = Location(
        tenant_id=office.tenant.id, slug=part.slug, name=part.name, timezone=part.timezone, phone=part.phone,
        mailbox=part.mailbox, public_phone=part.public_phone, address=address.street, city=address.city,
        state=address.state, postal_code=address.postal_code, crm_location_id=part.crm_location,
    )  # fmt: skip
    try:
        with office.db.tenant(office.tenant.id) as session:
            session.add(row)
            session.flush()
            week = week_of(hours)
            whose = {"tenant_id": office.tenant.id, "location_id": row.id}
            session.add_all(Bay(**whose, name=bay) for bay in part.bays)
            session.add_all(
                LocationHours(**whose, weekday=day, opens=opens, closes=closes)
                for day, times in enumerate(week)
                for opens, closes in times
            )
            session.flush()
    except IntegrityError as error:
        raise CliError(_taken(str(error.orig), part.slug)) from error
    missing = (
        ""
        if hours
        else f"; it is closed until it has hours: leads hours set Mon-Fri 9:00-18:00 --location {slug}"
    )
    click.echo(f"{part.name} ({part.slug}) is there{missing}")


def _checked(
    slug: str, name: str, bays: tuple[str, ...], weekly: tuple[str, ...], given: dict[str, str | None]
) -> LocationPart:
    """What was said, read as a tenant file reads it. Raises CliError."""
    from pydantic import ValidationError

    from crm.tenant_file.schema_location import LocationPart
    from crm.tenant_file.times import days_of

    address = {key: given.pop(key) for key in ("street", "city", "state", "postal_code")}
    hours: dict[str, str] = {}
    for one in weekly:
        days, _, times = one.partition("=")
        named = days_of(days)
        if not named or not times:
            raise CliError(f"{one!r} are no hours: write them like {WORKING_DAYS}")
        hours |= dict.fromkeys(named, times)
    written = {
        "slug": slug,
        "name": name,
        "address": {key: value for key, value in address.items() if value},
        "bays": {bay: {} for bay in bays or ("Bay 1",)},
        **({"hours": hours} if hours else {}),
        **{key: value for key, value in given.items() if value},
    }
    try:
        return LocationPart.model_validate(written)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = "--" + str(wrong["loc"][-1] if wrong["loc"][0] == "address" else wrong["loc"][0]).replace(
            "_", "-"
        )
        raise CliError(f"{where}: {str(wrong['msg']).removeprefix('Value error, ')}") from None


def _taken(said: str, slug: str) -> str:
    if "phone" in said or "mailbox" in said:
        return "another location has that number or mailbox already"
    return f"this business has a location {slug} already"


def _lines(session: Session) -> list[dict[str, object]]:
    """All locations with what hangs on them, in one query however many there are. In plain SQL: the tables would take a
    third of this command's time to import."""
    return [dict(row._mapping) for row in session.execute(text(_LINES))]
