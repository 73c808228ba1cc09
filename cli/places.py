"""Finding what an owner means: a location by its short name, services by code, number or words."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.errors import CliError
from cli.output import one_line
from crm.catalog import search_services
from crm.models import Bay, Location, Service


def choose_location(session: Session, slug: str | None) -> Location:
    """The location with this slug, or the only one. Raises CliError naming the choices."""
    found = session.scalars(select(Location).order_by(Location.id)).all()
    chosen = [location for location in found if slug in (None, location.slug)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(location.slug for location in found) or "none yet"
    if slug is None:
        raise CliError(f"say which location with --location; there is {names}")
    raise CliError(f"there is no location {slug!r}; there is {names}")


def choose_services(session: Session, location: Location, wanted: Sequence[str]) -> list[Service]:
    """The services meant by codes or numbers, in the order asked, each once. Raises CliError naming near ones."""
    sold = session.scalars(
        select(Service).where(Service.location_id == location.id, Service.active).order_by(Service.id)
    ).all()
    known = {service.code.lower(): service for service in sold} | {str(one.id): one for one in sold}
    found = []
    for text in wanted:
        service = known.get(text.strip().lower())
        if service is None:
            raise CliError(_unknown_service(session, location, text))
        found.append(service)
    return list(dict.fromkeys(found))


def choose_bay(session: Session, location: Location, name: str) -> Bay:
    """The bay with this name, upper and lower case alike. Raises CliError naming the choices."""
    bays = session.scalars(select(Bay).where(Bay.location_id == location.id).order_by(Bay.id)).all()
    for bay in bays:
        if bay.name.lower() == name.strip().lower():
            return bay
    names = ", ".join(one_line(bay.name) for bay in bays) or "none yet"
    raise CliError(f"there is no bay {name!r} at {location.slug}; there is {names}")


def _unknown_service(session: Session, location: Location, text: str) -> str:
    near = search_services(session, location.id, text, None)
    names = ", ".join(service.code for service in near[:6])
    hint = f"; near it: {names}{', ...' if len(near) > 6 else ''}" if near else ""
    return f"{location.slug} sells no service {one_line(text)!r}{hint}"
