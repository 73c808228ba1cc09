"""One touch that is being written, and what may become of it besides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from channels.email.links import MailLinks
from crm.calendar.labels import local_text
from crm.models import ChatSession, Lead, Location, TouchPoint, Vehicle
from crm.touches import FOLLOW_UP
from scheduler.moments import share
from scheduler.plan import Plan, Step
from scheduler.touches import Known

log = structlog.get_logger(__name__)

# A plan may spread its touches over hours, of which a shop that opens for one would have none left.
MOST_JITTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Outcome:
    """What became of a touch, as the dispatcher counts it; `message_id` of the row of the outbox it was written as."""

    what: str
    message_id: int | None = None


@dataclass(frozen=True)
class Due:
    """One claimed touch with everything that decides about it. The session row and the touch row are
    locked."""

    session: Session
    touch: TouchPoint
    chat: ChatSession
    lead: Lead
    location: Location
    plan: Plan
    step: Step
    now: datetime
    links: MailLinks | None
    known: Known
    # The lead was made in this transaction: nothing can have been written, booked or said yet.
    fresh: bool = False
    vehicle: Vehicle | None = None

    @property
    def asked_for(self) -> bool:
        """Whether the customer named this date, so that it is a promise and no cadence."""
        return self.touch.plan == FOLLOW_UP

    @property
    def of_appointment(self) -> bool:
        """Whether it belongs to an appointment: a confirmation or a reminder, which is no marketing."""
        return self.touch.kind != "touch"


def settle(due: Due, status: str, reason: str | None) -> None:
    """The touch's row says what became of it, and nobody's claim holds it any more."""
    due.touch.status, due.touch.reason = status, reason
    due.touch.claim_token = due.touch.claimed_until = None


def skip(due: Due, reason: str, *, counted: str) -> Outcome:
    """Not written, and why; `counted` is the reason's class in the dispatcher's record."""
    settle(due, "skipped", reason)
    log.info("touch_skipped", touch_point_id=due.touch.id, step=due.touch.step, reason=reason)
    return Outcome(f"skipped: {counted}")


def among_others(due: Due, moment: datetime) -> datetime:
    """The moment with the lead's own share of the jitter: what waits for the same hour is not due in the same second."""
    return moment + timedelta(
        seconds=int(min(due.plan.jitter, MOST_JITTER).total_seconds() * share(due.lead.id))
    )


def put_back(due: Due, until: datetime) -> Outcome:
    """Planned again for a later moment."""
    settle(due, "planned", due.touch.reason)
    due.touch.due_at, due.touch.local_time = until, local_text(until, due.location.timezone)
    return Outcome("put back")
