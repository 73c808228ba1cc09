"""Times and appointments. A time is booked by the id of an offer the customer saw, never by naming it."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated

from pydantic import AfterValidator, Field

from agent.models.base import Json
from agent.tools.agreement import require_yes
from agent.tools.cancelling import visit_to_cancel
from agent.tools.declare import ToolRefusal, ToolRun, tool
from agent.tools.guards import require_proof
from agent.tools.price_told import require_price_told
from agent.tools.times import find_offers, offer_again
from agent.tools.views import appointment_view, offer_views
from crm.calendar import booking
from crm.calendar.booking import Booker
from crm.calendar.labels import label
from crm.calendar.offers import job_of
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.calendar.slots import Wanted
from crm.models import Offer


def _local(moment: time) -> time:
    if moment.tzinfo is not None:
        raise ValueError("times are local to the shop, without a zone")
    return moment


Id = Annotated[int, Field(gt=0, lt=2**63)]
Weekday = Annotated[int, Field(ge=0, le=6)]
LocalTime = Annotated[time, AfterValidator(_local)]
OfferId = Annotated[Id, Field(description="The offer_id of a time the customer was shown and has chosen.")]


@tool(write=False)
def find_times(
    run: ToolRun,
    service_ids: Annotated[
        list[Id],
        Field(min_length=1, max_length=6, description="service_id values of all services of one visit."),
    ],
    from_date: Annotated[date | None, Field(description="First day, YYYY-MM-DD, local.")] = None,
    to_date: Annotated[
        date | None, Field(description="Last day, YYYY-MM-DD, local. Same as from_date for one single day.")
    ] = None,
    after: Annotated[LocalTime | None, Field(description="Earliest start, HH:MM, local, 24 h.")] = None,
    before: Annotated[
        LocalTime | None,
        Field(description="Start before this, HH:MM, local, 24 h. Equal to after for exactly that time."),
    ] = None,
    weekdays: Annotated[
        list[Weekday] | None, Field(max_length=7, description="Only these days: 0 Monday to 6 Sunday.")
    ] = None,
) -> Json:
    """Find up to three free times for a visit and keep them as offers.

    Show them with their labels word for word. A time that is not in an offer may not be mentioned. For long work the
    car is left at the shop: the label then says when to drop it off, and done_on the day it is done.
    """
    if from_date and to_date and to_date < from_date:
        raise ToolRefusal("to_date is before from_date.")
    if after and before and before < after:
        raise ToolRefusal("before is earlier than after.")
    days = frozenset(weekdays) if weekdays else None
    return find_offers(run, service_ids, Wanted(from_date, to_date, after, before, days))


@tool(write=True)
def book(run: ToolRun, offer_id: OfferId) -> Json:
    """Book the offered time the customer has chosen.

    Only after the customer clearly agreed to it. Say it is booked only when this succeeded.
    """
    require_proof(run)
    require_yes(run, offer_id)
    require_price_told(run, offer_id)
    try:
        appointment = booking.book(run.s, offer_id, _booker(run))
    except BookingRefused as refused:
        raise _refusal(run, offer_id, refused) from None
    return {"appointment": appointment_view(run.s, appointment, run.location())}


@tool(write=True)
def move(run: ToolRun, offer_id: OfferId) -> Json:
    """Move the customer's appointment for these services to an offered time they have chosen.

    The time must have been found for exactly the services of that appointment. The old time is kept if this fails.
    """
    require_proof(run)
    require_yes(run, offer_id)
    try:
        appointment, before = booking.move(run.s, offer_id, _booker(run))
    except BookingRefused as refused:
        raise _refusal(run, offer_id, refused) from None
    location = run.location()
    return {
        "appointment": appointment_view(run.s, appointment, location),
        "moved_from": label(before, location.timezone),
    }


@tool(write=True)
def cancel(
    run: ToolRun,
    appointment_id: Annotated[
        Id | None, Field(description="The appointment_id they mean; needed when they have more than one.")
    ] = None,
) -> Json:
    """Cancel an appointment of the customer. Only when the customer clearly asked for that, and for this one."""
    require_proof(run)
    try:
        appointment = booking.cancel(run.s, _booker(run), visit_to_cancel(run, appointment_id))
    except BookingRefused as refused:
        raise ToolRefusal(str(refused)) from None
    return {"appointment": appointment_view(run.s, appointment, run.location())}


@tool(write=False)
def my_appointments(run: ToolRun) -> Json:
    """List the customer's upcoming appointments."""
    require_proof(run)
    location = run.location()
    ahead = booking.upcoming(run.s, run.ctx.lead_id, run.now)
    return {"appointments": [appointment_view(run.s, one, location) for one in ahead]}


def _booker(run: ToolRun) -> Booker:
    return Booker(
        lead_id=run.ctx.lead_id,
        session_id=run.ctx.session_id,
        who="agent",
        now=run.now,
        message_id=run.ctx.trigger_message_id,
    )


def _refusal(run: ToolRun, offer_id: int, refused: BookingRefused) -> ToolRefusal:
    """A conflict comes with fresh offers of the nearest times, for the same services."""
    if not isinstance(refused, BookingConflict) or not refused.alternatives:
        return ToolRefusal(str(refused))
    wanted = run.s.get_one(Offer, offer_id)
    offers = offer_again(run, job_of(run.s, wanted), refused.alternatives)
    return ToolRefusal(str(refused), offers=offer_views(run.s, offers, run.location()))
