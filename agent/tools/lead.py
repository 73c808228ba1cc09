"""What is known about the customer, and their wish not to be written to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from agent.models.base import Json
from agent.tools.declare import ToolRefusal, ToolRun, tool
from agent.tools.guards import is_proved_customer, require_proof
from agent.tools.services import BodyStyle
from agent.tools.views import lead_view
from crm.consent_stops import Stop, stop_person
from crm.consents import Channel, is_opted_out
from crm.emails import normal_email
from crm.models import ChatMessage, Lead, Location, Vehicle
from crm.vehicles import guess_body_style

ShortText = Annotated[str, Field(max_length=80)]

# It says nothing about why: a model may repeat it, and whether an address is known is nobody's business.
EMAIL_TAKEN = "That email address could not be saved. A person of the shop can sort this out."


@tool(write=True)
def update_lead(
    run: ToolRun,
    first_name: Annotated[ShortText | None, Field(description="As the customer gave it.")] = None,
    last_name: Annotated[ShortText | None, Field(description="As the customer gave it.")] = None,
    email: Annotated[str | None, Field(max_length=254, description="The customer's own address.")] = None,
    vehicle_year: Annotated[int | None, Field(ge=1900, le=2100, description="Four digits.")] = None,
    vehicle_make: Annotated[ShortText | None, Field(description="For example Honda.")] = None,
    vehicle_model: Annotated[ShortText | None, Field(description="For example Civic.")] = None,
    body_style: Annotated[BodyStyle | None, Field(description="Only if the customer said it.")] = None,
) -> Json:
    """Save what the customer said about themselves or their vehicle. Give only what is new."""
    lead = run.lead()
    if email is not None or _renames(lead, first_name, last_name):
        require_proof(run)
    if email is not None:
        _set_email(run, lead, email)
    lead.first_name = _said(first_name) or lead.first_name
    lead.last_name = _said(last_name) or lead.last_name
    changes = {
        "year": vehicle_year,
        "make": _said(vehicle_make),
        "model": _said(vehicle_model),
        "body_style": body_style,
    }
    vehicle = _update_vehicle(run, {name: value for name, value in changes.items() if value is not None})
    run.s.flush()
    return {"lead": lead_view(lead, vehicle)}


@tool(write=True)
def opt_out(
    run: ToolRun,
    channel: Annotated[
        Literal["sms", "email", "all"], Field(description="all unless the customer named one channel only.")
    ],
) -> Json:
    """The customer does not want to be written to any more. When in doubt, use it with all."""
    lead = run.lead()
    trigger = run.s.get(ChatMessage, run.ctx.trigger_message_id)
    came_from = _came_from(trigger)
    # Who is not proved to be the customer stops what goes to their own address, and nobody else's.
    theirs = came_from if not is_proved_customer(run) else None
    chosen: frozenset[Channel] = frozenset(("sms", "email") if channel == "all" else (channel,))
    if theirs is not None:
        chosen = frozenset({theirs[0]})
    stop = Stop(
        channels=chosen,
        scope="all",
        actor="customer",
        source="agent",
        evidence=trigger.body if trigger is not None else f"opt_out({channel})",
        at=run.now,
        message_id=run.ctx.trigger_message_id,
        came_from=came_from,
        alone=channel != "all" or theirs is not None,
        only_address=theirs is not None,
    )
    addresses: dict[Channel, str | None] = {"sms": lead.phone, "email": lead.email}
    named = [(name, address) for name in chosen if (address := addresses[name]) is not None]
    if came_from is not None and came_from[0] in chosen:
        named = [came_from] if theirs is not None else [*named, came_from]
    # Said again it changes nothing: one revocation a stop, or the ledger would grow with every angry text.
    if not named or not all(is_opted_out(run.s, lead.tenant_id, *one) for one in named):
        stop_person(run.s, lead, stop)
    run.s.flush()
    return {"opted_out": True}


def _came_from(trigger: ChatMessage | None) -> tuple[Channel, str] | None:
    """The address the customer wrote from, which need not be one that is known of them."""
    if trigger is None:
        return None
    return ("sms" if trigger.channel == "sms" else "email"), trigger.from_address


def _renames(lead: Lead, first_name: str | None, last_name: str | None) -> bool:
    """Whether another name is to stand where one stands already."""
    pairs = ((lead.first_name, _said(first_name)), (lead.last_name, _said(last_name)))
    return any(old and new and old.casefold() != new.casefold() for old, new in pairs)


def _set_email(run: ToolRun, lead: Lead, raw: str) -> None:
    """Raises ToolRefusal for no address, for one of the shop's own, and for one that another lead already has."""
    email = normal_email(raw)
    if email is None:
        raise ToolRefusal("That is not an email address. Ask the customer to write it again.")
    local, _, domain = email.partition("@")
    plain = f"{local.partition('+')[0]}@{domain}"
    if run.s.scalars(select(Location.id).where(func.lower(Location.mailbox) == plain)).first() is not None:
        raise ToolRefusal("That is the shop's own address. Ask the customer for theirs.")
    statement = select(Lead.id).where(
        Lead.location_id == lead.location_id, func.lower(Lead.email) == email, Lead.id != lead.id
    )
    if run.s.scalars(statement).first() is not None:
        raise ToolRefusal(EMAIL_TAKEN)
    try:
        with run.s.begin_nested():
            lead.email = email
            lead.email_bad_since = None
            run.s.flush()
    except IntegrityError:
        # Another lead got the address between the look and the write; the unique index has the last word.
        raise ToolRefusal(EMAIL_TAKEN) from None


def _update_vehicle(run: ToolRun, changes: dict[str, Any]) -> Vehicle | None:
    statement = select(Vehicle).where(Vehicle.lead_id == run.ctx.lead_id).order_by(Vehicle.id.desc())
    vehicle = run.s.scalars(statement).first()
    if not changes:
        return vehicle
    if vehicle is None:
        vehicle = Vehicle(tenant_id=run.ctx.tenant_id, lead_id=run.ctx.lead_id)
        run.s.add(vehicle)
    # A different car has a different shape, and an unknown one must not keep the price of the old one.
    is_other = any(
        getattr(vehicle, name) not in (None, changes.get(name, getattr(vehicle, name)))
        for name in ("make", "model")
    )
    if is_other:
        vehicle.body_style = None
    for name, value in changes.items():
        setattr(vehicle, name, value)
    vehicle.body_style = vehicle.body_style or guess_body_style(vehicle.make, vehicle.model)
    return vehicle


def _said(value: str | None) -> str | None:
    return (value or "").strip() or None
