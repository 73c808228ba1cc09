"""Finding times: exactly what was asked for, and if there is nothing, the nearest thing that is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time

from agent.models.base import Json
from agent.tools.declare import ToolRefusal, ToolRun
from agent.tools.views import offer_views
from crm.calendar.booking import upcoming
from crm.calendar.daybook import DayBook, load_day_book
from crm.calendar.hours import Stretch
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.slots import Wanted, free_slots, nearest, spread
from crm.catalog import services_by_id
from crm.models import Offer, Service

OTHER_HOURS = "Nothing is free at that time of day; these are other times on those days. Say so."
OTHER_DAYS = "Nothing is free then; these are the nearest free times. Say so."
NOTHING = "No free time was found for this visit at all. Hand off to a person with cannot_answer."


def find_offers(run: ToolRun, service_ids: Sequence[int], wanted: Wanted) -> Json:
    """Offers for one visit with all these services, and a note when they are not quite what was asked for."""
    location = run.location()
    services = services_by_id(run.s, location.id, service_ids)
    if len(services) != len(set(service_ids)):
        raise ToolRefusal("Unknown service_id. Use the service_id values that find_services returned.")
    minutes = sum(service.duration_minutes for service in services)
    day_book = load_day_book(run.s, location, run.now, ignore_appointment_id=_to_be_moved(run, services))
    slots, note = _best(day_book, minutes, run.now, wanted)
    offers = offer_again(run, tuple(service.id for service in services), slots)
    result: Json = {"offers": offer_views(run.s, offers, location)}
    if note:
        result["note"] = note
    return result


def offer_again(run: ToolRun, service_ids: tuple[int, ...], slots: Sequence[Stretch]) -> list[Offer]:
    """Keep `slots` as offers for this conversation, found in this turn."""
    whom = OfferFor(run.ctx.session_id, run.ctx.lead_id, service_ids, run.ctx.turn_id)
    return make_offers(run.s, run.location(), whom, slots, run.now)


def _to_be_moved(run: ToolRun, services: Sequence[Service]) -> int | None:
    """The appointment that a new time for the same services would replace; it does not block its own move."""
    wanted = {service.id for service in services}
    ahead = upcoming(run.s, run.ctx.lead_id, run.now)
    return ahead[0].id if ahead and wanted & set(ahead[0].service_ids) else None


def _best(day_book: DayBook, minutes: int, now: datetime, wanted: Wanted) -> tuple[list[Stretch], str]:
    """What was asked for; else the same days at any hour; else whatever is nearest; from the same data."""
    if slots := free_slots(day_book, minutes, now, wanted):
        return spread(slots, day_book), ""
    if slots := free_slots(day_book, minutes, now, replace(wanted, after=None, before=None)):
        return spread(slots, day_book), OTHER_HOURS
    slots = free_slots(day_book, minutes, now)
    first = wanted.from_date or now.astimezone(day_book.timezone).date()
    around = datetime.combine(first, wanted.after or time(9), tzinfo=day_book.timezone)
    return nearest(slots, around), OTHER_DAYS if slots else NOTHING
