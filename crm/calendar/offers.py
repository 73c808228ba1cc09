"""Offers: bookable times kept for one customer. Booking needs an offer's id, so no time can be made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.booker import Booker
from crm.calendar.holds import held_until
from crm.calendar.hours import to_utc
from crm.calendar.job import Job, Visit
from crm.calendar.refusals import BookingRefused, offer_expired, offer_not_shown, unknown_offer
from crm.calendar.rules import Slot
from crm.models import Appointment, ChatMessage, Location, Offer, Service

OFFER_LIFE = timedelta(hours=48)

# A reply with one of these statuses never reached the customer, so the times in it were not shown.
UNSEEN = ("dropped", "withheld", "failed", "undelivered")


@dataclass(frozen=True)
class OfferFor:
    """For whom and for what times are offered; `turn_id` is the run of the agent that found them, if any."""

    session_id: int
    lead_id: int
    job: Job
    turn_id: int | None = None


def expires_at(location: Location, comes_at: datetime, now: datetime) -> datetime:
    """Until when a time may be taken: 48 hours, or the shop's notice before the customer comes, or the shop's cut-off
    of that very day, if one of them is earlier."""
    zone = ZoneInfo(location.timezone)
    ends = [now + OFFER_LIFE, comes_at - timedelta(minutes=location.notice_minutes)]
    if location.same_day_cutoff is not None:
        cutoff = to_utc(comes_at.astimezone(zone).date(), location.same_day_cutoff, zone)
        ends.append(cutoff)
    return min(ends)


def make_offers(
    s: Session, location: Location, whom: OfferFor, slots: Sequence[Slot], now: datetime
) -> list[Offer]:
    """Keep `slots` as offers and return them with their ids, in the order given.

    `message_id` stays empty: whoever writes the reply that shows them fills it in, and only then can they be
    booked.
    """
    held = held_until(s, location, now)
    offers = [
        Offer(
            tenant_id=location.tenant_id,
            location_id=location.id,
            session_id=whom.session_id,
            lead_id=whom.lead_id,
            service_ids=list(whom.job.service_ids),
            visit=whom.job.visit,
            labour_minutes=whom.job.labour_minutes,
            turn_id=whom.turn_id,
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            arrives_from=slot.arrives_from,
            arrives_until=slot.arrives_until,
            expires_at=expires_at(location, slot.comes_at, now),
            held_until=held,
        )
        for slot in slots
    ]
    s.add_all(offers)
    s.flush()
    return offers


def offer_of(s: Session, offer_id: int, booker: Booker) -> Offer:
    """The offer with this id made to this customer in this conversation. Raises BookingRefused."""
    offer = s.get(Offer, offer_id)
    if offer is None or offer.session_id != booker.session_id or offer.lead_id != booker.lead_id:
        raise unknown_offer()
    return offer


def check_offer(s: Session, offer: Offer, now: datetime) -> None:
    """Raises BookingRefused unless the customer was shown the offer and it can still be taken."""
    shown = s.get(ChatMessage, offer.message_id) if offer.message_id else None
    if shown is None or shown.status in UNSEEN:
        raise offer_not_shown()
    if (offer.arrives_from or offer.starts_at) <= now:
        raise BookingRefused("past", "That time has already passed. Find times again and offer fresh ones.")
    if offer.expires_at <= now:
        raise offer_expired()


def job_of(s: Session, row: Offer | Appointment) -> Job:
    """The job an offer or an appointment is for: the labour as it was counted then, the services as they are now."""
    services = s.execute(select(Service.category, Service.code).where(Service.id.in_(row.service_ids)))
    minutes = row.labour_minutes
    if minutes is None:
        minutes = int((row.ends_at - row.starts_at).total_seconds() // 60)
    return Job(
        service_ids=tuple(row.service_ids),
        labour_minutes=minutes,
        visit=cast(Visit, row.visit),
        needs=frozenset((category, code) for category, code in services),
    )
