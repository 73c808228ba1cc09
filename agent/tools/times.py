"""Finding times: exactly what was asked for, and if there is nothing, the nearest thing that is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from agent.models.base import Json
from agent.tools.declare import ToolRefusal, ToolRun
from agent.tools.services import style_on_file
from agent.tools.views import offer_views
from crm.calendar.booker import same_work, upcoming
from crm.calendar.daybook import DayBook, load_day_book
from crm.calendar.holds import HeldFor
from crm.calendar.hours import to_utc
from crm.calendar.job import Job, job_for
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.slots import Slot, Wanted, free_slots, nearest, spread
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
    if wanted.to_date is not None and wanted.to_date < _today(run):
        raise ToolRefusal("These days are in the past. Ask for a day from today on.")
    job = job_for(services, style_on_file(run))
    day_book = load_day_book(
        run.s,
        location,
        run.now,
        ignore_appointment_id=_to_be_moved(run, services),
        held_for=HeldFor(run.ctx.session_id),
    )
    slots, note = _best(day_book, job, run.now, wanted)
    offers = offer_again(run, job, slots)
    result: Json = {"offers": offer_views(run.s, offers, location)}
    if note:
        result["note"] = note
    return result


def offer_again(run: ToolRun, job: Job, slots: Sequence[Slot]) -> list[Offer]:
    """Keep `slots` as offers for this conversation, found in this turn."""
    whom = OfferFor(run.ctx.session_id, run.ctx.lead_id, job, run.ctx.turn_id)
    return make_offers(run.s, run.location(), whom, slots, run.now)


def _today(run: ToolRun) -> date:
    return run.now.astimezone(ZoneInfo(run.location().timezone)).date()


def _to_be_moved(run: ToolRun, services: Sequence[Service]) -> int | None:
    """The appointment that a new time for these very services would replace; it does not block its own move."""
    same = same_work(upcoming(run.s, run.ctx.lead_id, run.now), [service.id for service in services])
    return same[0].id if len(same) == 1 else None


def _best(day_book: DayBook, job: Job, now: datetime, wanted: Wanted) -> tuple[list[Slot], str]:
    """What was asked for; else the same days at any hour; else whatever is nearest; from the same data."""
    if slots := free_slots(day_book, job, now, wanted):
        return spread(slots, day_book), ""
    if slots := free_slots(day_book, job, now, replace(wanted, after=None, before=None)):
        return spread(slots, day_book), OTHER_HOURS
    zone = day_book.rules.timezone
    first = wanted.from_date or now.astimezone(zone).date()
    # A day beyond all that can be booked has nothing near it; the last years of the calendar have no UTC either.
    first = min(first, (now + day_book.rules.horizon).astimezone(zone).date())
    around = to_utc(first, wanted.after or time(9), zone)
    slots = nearest(day_book, job, now, around)
    return slots, OTHER_DAYS if slots else NOTHING
