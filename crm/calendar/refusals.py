"""Why a booking is refused, in sentences an agent can pass on to a customer."""

from __future__ import annotations

from collections.abc import Sequence

from crm.calendar.refused import BookingRefused
from crm.calendar.rules import Refusal, Slot

__all__ = [
    "SENTENCES",
    "BookingConflict",
    "BookingRefused",
    "already_booked",
    "none_like_it",
    "nothing_to_change",
    "offer_expired",
    "offer_not_shown",
    "several_like_it",
    "unknown_offer",
]

SENTENCES: dict[Refusal, str] = {
    "past": "That time has already passed.",
    "too_soon": "That time is too close now for the shop to prepare for it.",
    "too_late_today": "It is too late now for a visit today.",
    "too_far": "That time is further ahead than the shop takes bookings.",
    "no_skill": "The shop has no work bay for this service any more.",
    "closed": "The shop is not open for all of that time any more.",
    "off_grid": "The shop does not start work at that time any more.",
    "jobs_full": "The shop takes no more visits on that day.",
    "labour_full": "The shop has no more working time left on that day.",
    "taken": "That time was just taken by someone else.",
}


class BookingConflict(BookingRefused):
    """The time cannot be had (any more). `refusals` are all the rules it would break, `alternatives` the nearest free
    times, maybe none."""

    def __init__(self, refusals: Sequence[Refusal], alternatives: Sequence[Slot]) -> None:
        ending = " These are the nearest free times." if alternatives else " Look for other times."
        super().__init__(refusals[0], SENTENCES[refusals[0]] + ending)
        self.refusals = tuple(refusals)
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


def none_like_it() -> BookingRefused:
    """A move to a time that was found for other work than what is booked."""
    return BookingRefused(
        "other_work",
        "Nothing was moved: this time was found for other services than those of any upcoming appointment. Find times for"
        " exactly the services of the appointment to be moved; more or other work on it needs a person.",
    )


def several_like_it() -> BookingRefused:
    """Two appointments for the same work: an offer does not say which of them it replaces."""
    return BookingRefused(
        "several",
        "Nothing was moved: this customer has several appointments for the same services. A person has to move one.",
    )


def unknown_appointment() -> BookingRefused:
    """The same words for an appointment that never was and one of somebody else."""
    return BookingRefused("unknown", "There is no such appointment for this customer.")


def already_booked(when: str) -> BookingRefused:
    """The same work twice is nearly always meant as a new time for the first booking."""
    return BookingRefused(
        "already_booked",
        f"This customer already has an appointment for this service on {when}. Use move to change its time;"
        " a second appointment for another vehicle needs a person.",
    )


def wrong_state(what: str, status: str) -> BookingRefused:
    """A change that an appointment in this state does not allow."""
    return BookingRefused(
        "wrong_state", f"This appointment is {status.replace('_', ' ')}, so it cannot be {what}."
    )


def not_started() -> BookingRefused:
    """Completed or missed, said of work that is still ahead."""
    return BookingRefused("not_started", "This appointment has not started yet.")
