"""Why a booking is refused, in sentences an agent can pass on to a customer."""

from __future__ import annotations

from collections.abc import Sequence

from crm.calendar.hours import Stretch
from crm.calendar.slots import Refusal

SENTENCES: dict[Refusal, str] = {
    "past": "That time has already passed.",
    "too_soon": "That time is too close now for the shop to prepare for it.",
    "too_far": "That time is further ahead than the shop takes bookings.",
    "closed": "The shop is not open for all of that time any more.",
    "off_grid": "The shop does not start work at that time any more.",
    "taken": "That time was just taken by someone else.",
}


class BookingRefused(Exception):
    """The booking, move or cancellation cannot be done. The message is a sentence for the customer's agent;
    `code` is for records and tests."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class BookingConflict(BookingRefused):
    """The offered time cannot be had any more. `alternatives` are the nearest free times, maybe none."""

    def __init__(self, refusal: Refusal, alternatives: Sequence[Stretch]) -> None:
        ending = " These are the nearest free times." if alternatives else " Look for other times."
        super().__init__(refusal, SENTENCES[refusal] + ending)
        self.alternatives = tuple(alternatives)


def unknown_offer() -> BookingRefused:
    """The same words for an offer that never was and one of somebody else: guessing teaches nothing."""
    return BookingRefused(
        "unknown",
        "There is no such offer for this customer. Find times first and use one of their offer ids.",
    )


def offer_not_shown() -> BookingRefused:
    """The customer has not seen this time, so it cannot have been chosen."""
    return BookingRefused(
        "not_shown",
        "The customer has not been shown this time yet. Offer it in your reply and wait until it is chosen.",
    )


def offer_expired() -> BookingRefused:
    """The offer is older than offers live."""
    return BookingRefused("expired", "This offer has expired. Find times again and offer fresh ones.")


def nothing_to_change() -> BookingRefused:
    """Move or cancel without an appointment ahead."""
    return BookingRefused("no_appointment", "This customer has no upcoming appointment.")


def already_booked(when: str) -> BookingRefused:
    """The same work twice is nearly always meant as a new time for the first booking."""
    return BookingRefused(
        "already_booked",
        f"This customer already has an appointment for this service on {when}. Use move to change its time;"
        " a second appointment for another vehicle needs a person.",
    )
