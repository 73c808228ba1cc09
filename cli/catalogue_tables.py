"""What `leads catalogue` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from cli.output import heading, local_time, one_line, print_json, print_table
from crm.calendar.labels import duration_label
from crm.catalogue_history import SoldService
from crm.models import Location, TenantCrmConfig
from crm.money import dollars
from scheduler.crm_catalogue import Refreshed, describe


def sold_row(one: SoldService, place: Location) -> list[str]:
    """A line of `leads catalogue show`."""
    price = "no price" if one.price_cents is None else dollars(one.price_cents)
    came = (
        "by hand" if one.connector is None else f"{one.connector}, {local_time(one.read_at, place.timezone)}"
    )
    state = "" if one.active else " (not sold)"
    missing = ", missing there" if one.missing_since is not None else ""
    time = duration_label(one.duration_minutes)
    return [place.slug, one.code, one.name + state, one.body_style or "any", price, time, came + missing]


def say_how_many(sold: Sequence[SoldService]) -> None:
    """Below the table, on standard error."""
    bare = sum(1 for one in sold if one.active and one.price_cents is None)
    note = f"; {bare} without a price (leads catalogue unpriced)" if bare else ""
    click.echo(f"{sum(1 for one in sold if one.active)} services are sold{note}", err=True)


def print_unpriced(
    locations: Mapping[int, Location],
    without: Sequence[SoldService],
    unread: Sequence[tuple[Location, Mapping[str, Any]]],
    doubts: Sequence[tuple[Location, str]],
) -> None:
    """Three lists: without a price, not read, doubtful."""
    if not without and not unread and not doubts:
        click.echo("everything that is sold has a price")
        return
    if without:
        heading("Sold without a price: a person has to quote these")
        rows = [
            [locations[one.location_id].slug, one.code, one.name, one.body_style or "any"] for one in without
        ]
        print_table(("LOCATION", "CODE", "SERVICE", "FOR"), rows)
    if unread:
        heading("In the CRM and not read: the rules do not say what they are")
        print_table(
            ("LOCATION", "ITEM", "WHY"),
            [[place.slug, str(item.get("name")), str(item.get("why"))] for place, item in unread],
        )
    for place, doubt in doubts:
        click.echo(f"{place.slug}: {one_line(doubt)}")


def print_changes(
    locations: Mapping[int, Location], changes: Sequence[Mapping[str, Any]], *, as_json: bool
) -> None:
    """History of imports, newest first."""
    if as_json:
        print_json([{**one, "location": locations[one["location_id"]].slug} for one in changes])
        return
    rows = [
        [
            local_time(_moment(one), locations[one["location_id"]].timezone),
            locations[one["location_id"]].slug,
            str(one["code"]),
            str(one["what"]),
            _changed(one["fields"], one["why"]),
            str(one["who"]),
        ]
        for one in changes
    ]
    print_table(("WHEN", "LOCATION", "CODE", "WHAT", "HOW", "BY"), rows)


def _moment(change: Mapping[str, Any]) -> datetime:
    at: datetime = change["at"]
    return at


def _changed(fields: Mapping[str, Sequence[Any]], why: str | None) -> str:
    told = [
        f"{name.removesuffix('_cents')} {_shown(name, old)} -> {_shown(name, new)}"
        for name, (old, new) in fields.items()
    ]
    return why or ", ".join(told)


def _shown(name: str, value: Any) -> str:
    if name == "price_cents":
        return "none" if value is None else dollars(int(value))
    return str(value)


def as_data(config: TenantCrmConfig, got: Refreshed) -> dict[str, Any]:
    """A round for programs."""
    errors = {slug: str(error) for slug, error in got.errors.items()}
    return {"connector": config.connector, "locations": list(got.locations.values()), "errors": errors}


def print_round(config: TenantCrmConfig, got: Refreshed) -> None:
    """What a refresh did, by location."""
    click.echo(f"{config.connector}: {describe(got)}")
    for row in got.locations.values():
        for name in ("added", "changed", "back", "gone", "missing", "by_hand"):
            if row[name]:
                click.echo(f"  {row['location']} {name.replace('_', ' ')}: {', '.join(row[name])}")
        if row["doubtful"]:
            click.echo(
                f"  {row['location']}: most services are missing there; --believe switches them off now"
            )
        for doubt in row["doubts"]:
            click.echo(f"  {row['location']}: {one_line(doubt)}")
        if row["unread_count"]:
            click.echo(
                f"  {row['location']}: {row['unread_count']} items were not read (leads catalogue unpriced)"
            )
    for slug, error in got.errors.items():
        click.echo(f"  {slug}: {one_line(str(error))}", err=True)
