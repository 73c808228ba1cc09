"""Offers: bookable times kept for one customer. Booking needs an offer's id, so no time can be made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from crm.calendar.hours import Stretch
from crm.models import Location, Offer

OFFER_LIFE = timedelta(hours=48)


@dataclass(frozen=True)
class OfferFor:
    """For whom and for what times are offered; `turn_id` is the run of the agent that found them, if any."""

    session_id: int
    lead_id: int
    service_ids: tuple[int, ...]
    turn_id: int | None = None


def expires_at(location: Location, starts_at: datetime, now: datetime) -> datetime:
    """Until when a time may be taken: 48 hours, or the shop's notice before the start if that is earlier."""
    return min(now + OFFER_LIFE, starts_at - timedelta(minutes=location.notice_minutes))


def make_offers(
    s: Session, location: Location, whom: OfferFor, slots: Sequence[Stretch], now: datetime
) -> list[Offer]:
    """Keep `slots` as offers and return them with their ids, in the order given.

    `message_id` stays empty: whoever writes the reply that shows them fills it in, and only then can they be
    booked.
    """
    offers = [
        Offer(
            tenant_id=location.tenant_id,
            location_id=location.id,
            session_id=whom.session_id,
            lead_id=whom.lead_id,
            service_ids=list(whom.service_ids),
            turn_id=whom.turn_id,
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            expires_at=expires_at(location, slot.starts_at, now),
        )
        for slot in slots
    ]
    s.add_all(offers)
    s.flush()
    return offers
