"""A quote: some services on one vehicle, added up by the shop's catalogue and not by a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from agent.models.base import Json
from agent.tools.calendar import Id
from agent.tools.declare import ToolRefusal, ToolRun, tool
from agent.tools.services import BodyStyle, style_on_file
from crm.calendar.job import job_for
from crm.calendar.labels import duration_label
from crm.catalog import service_view, services_by_id
from crm.models import Service
from crm.money import dollars
from crm.vehicles import vehicle_in

NEEDS_PERSON = "A person must quote this: the total is not known. hand_off with price_question."
ASK_VEHICLE = "The price depends on the vehicle: ask for make and model before naming one."


@tool(write=False)
def quote(
    run: ToolRun,
    service_ids: Annotated[
        list[Id], Field(min_length=1, max_length=6, description="service_id values from find_services.")
    ],
    vehicle: Annotated[
        str,
        Field(max_length=200, description="Their car as they said it; left out, the one on file is used."),
    ] = "",
    body_style: Annotated[
        BodyStyle | None, Field(description="Shape of the vehicle, if it is known.")
    ] = None,
) -> Json:
    """Add up services for one vehicle: each price, the exact total, the time and what is not included.

    Use it for more than one service, and say what is not included. Never add prices up yourself. A total of null means
    that only a person may quote it.
    """
    services = services_by_id(run.s, run.ctx.location_id, service_ids)
    if len(services) != len(set(service_ids)):
        raise ToolRefusal("Unknown service_id. Use the service_id values that find_services returned.")
    style = body_style or (vehicle_in(vehicle)[0] if vehicle else None) or style_on_file(run)
    _require_fit(services, style)
    cents = [service.price_cents for service in services if service.price_cents is not None]
    is_known = len(cents) == len(services)
    result: Json = {
        "body_style": style,
        "services": [_line(service, style) for service in services],
        "total": dollars(sum(cents)) if is_known else None,
        "total_cents": sum(cents) if is_known else None,
        "duration": duration_label(job_for(services, style).labour_minutes),
        "not_included": [f"{one.name}: {one.not_included}" for one in services if one.not_included],
    }
    if not is_known:
        result["note"] = NEEDS_PERSON
    return result


def _require_fit(services: Sequence[Service], style: str | None) -> None:
    """Raises ToolRefusal when a service is for another shape of car, or the shape has to be known first."""
    if style is None and any(service.body_style for service in services):
        raise ToolRefusal(ASK_VEHICLE)
    wrong = [service for service in services if service.body_style not in (None, style)]
    if wrong:
        names = ", ".join(service.name for service in wrong)
        raise ToolRefusal(
            f"The vehicle is a {style}, and this is not for it: {names}. Use find_services with body_style {style}."
        )


def _line(service: Service, style: str | None) -> Json:
    """The keys a model needs for a quote; `find_services` has described the rest."""
    view = service_view(service, style)
    return {
        key: view[key] for key in ("service_id", "name", "price", "price_cents", "duration", "not_included")
    }
