"""What can be bought, and for how much. Prices come from the catalogue and from nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import select

from agent.models.base import Json
from agent.tools.declare import ToolRun, tool
from crm.catalog import search_services, service_view
from crm.models import Service, Vehicle
from crm.vehicles import vehicle_in

BodyStyle = Literal["coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"]

# More than this is no help to a customer and costs tokens in every later round.
SHOWN = 12


@tool(write=False)
def find_services(
    run: ToolRun,
    query: Annotated[
        str,
        Field(max_length=500, description="What the customer wants, in their own words. Empty lists all."),
    ] = "",
    body_style: Annotated[
        BodyStyle | None, Field(description="Shape of the vehicle; left out, the one on file is used.")
    ] = None,
) -> Json:
    """Look up services with their exact price, duration and what is not included.

    Call it before naming any price. A price of null means that only a person may quote it.
    """
    style = body_style or vehicle_in(query)[0] or style_on_file(run)
    found = search_services(run.s, run.ctx.location_id, query, style)
    result: Json = {"services": [service_view(service, style) for service in found[:SHOWN]]}
    if notes := _notes(run, found, style):
        result["note"] = " ".join(notes)
    return result


def style_on_file(run: ToolRun) -> str | None:
    """The shape of the customer's newest vehicle, when it is known."""
    statement = select(Vehicle.body_style).where(
        Vehicle.lead_id == run.ctx.lead_id, Vehicle.body_style.is_not(None)
    )
    return run.s.scalars(statement.order_by(Vehicle.id.desc())).first()


def _notes(run: ToolRun, found: list[Service], style: str | None) -> list[str]:
    notes: list[str] = []
    if not found:
        statement = select(Service.category).where(Service.location_id == run.ctx.location_id, Service.active)
        sold = ", ".join(sorted(set(run.s.scalars(statement))))
        notes.append(f"Nothing in the catalogue matches these words. Sold here: {sold}.")
    if len(found) > SHOWN:
        notes.append(f"{len(found) - SHOWN} more match; ask what exactly is wanted.")
    if style is None and any(service.body_style for service in found):
        notes.append("The price depends on the vehicle: ask for make and model before naming one.")
    if any(service.price_cents is None for service in found[:SHOWN]):
        notes.append("Where the price is null a person must quote it: hand_off with price_question.")
    return notes
