"""What a message says about a visit, held against the visit as it stands; and whom to tell when it never left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE
from crm.calendar.telling import KEY
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff

# In `raw` of a message: the appointment it is about, when it says that the customer comes (or would have come), and that
# it says the visit was cancelled.
ABOUT, COMES_AT, CANCELLED = "appointment_id", "comes_at", "says_cancelled"
# What the only message about a change made in the outside calendar, or about a clash there, is known by.
CLASH = "clash:"
_ONLY_NEWS = (KEY, CLASH)


class VisitFacts(NamedTuple):
    """`stands`: the visit is as the message says, booked or cancelled, and still this customer's; else `gone` says what
    became of it. `comes_at`: when they come, `told`: when the message says they do."""

    stands: bool
    comes_at: datetime
    told: datetime
    gone: str = "the appointment it is about is no more"

    @property
    def true(self) -> bool:
        """Whether the message still says how things are."""
        return self.stands and self.comes_at == self.told


def as_told(visit: Appointment) -> str:
    """When the customer comes, as it is kept with a message that says so."""
    return (visit.arrives_from or visit.starts_at).astimezone(UTC).isoformat()


def visit_facts(s: Session, message: ChatMessage) -> VisitFacts | None:
    """Read it for a confirmation or a reminder whose `raw` says which visit it was written for; None for every other
    message."""
    raw = message.raw or {}
    number, told = raw.get(ABOUT), raw.get(COMES_AT)
    if message.kind not in ("confirmation", "reminder") or not isinstance(number, int):
        return None
    if not isinstance(told, str):
        return None
    said = datetime.fromisoformat(told)
    row = s.execute(
        select(
            Appointment.status, Appointment.lead_id, Appointment.arrives_from, Appointment.starts_at
        ).where(Appointment.id == number)
    ).first()
    if row is None:
        return VisitFacts(False, said, said)
    mine = row.lead_id == message.lead_id
    if raw.get(CANCELLED):
        # Wherever its row was left, the time that was given up is the one they know.
        return VisitFacts(mine and row.status == "cancelled", said, said, "the appointment stands again")
    return VisitFacts(mine and row.status in ACTIVE, row.arrives_from or row.starts_at, said)


def is_only_news(message: ChatMessage) -> bool:
    """Whether nothing but this message tells the customer what became of their visit in the outside calendar."""
    return message.kind == "confirmation" and (message.dedupe_key or "").startswith(_ONLY_NEWS)


def only_news() -> ColumnElement[bool]:
    """The same as a condition."""
    key = func.coalesce(ChatMessage.dedupe_key, "")
    begins = (key.startswith(prefix, autoescape=True) for prefix in _ONLY_NEWS)
    return and_(ChatMessage.kind == "confirmation", or_(*begins))


def tell_untold(s: Session, message: ChatMessage, why: str, now: datetime) -> list[ChatMessage]:
    """Ask the shop to tell the customer what `message` will not tell them; returns the notices to wake after the commit.
    Nothing for other messages, and for one that says what is no longer so: whoever changed it since knows."""
    facts = visit_facts(s, message) if is_only_news(message) else None
    if facts is None or not facts.true:
        return []
    lead, chat = s.get_one(Lead, message.lead_id), s.get_one(ChatSession, message.session_id)
    name = " ".join(filter(None, (lead.first_name, lead.last_name))) or message.to_address
    return notify_staff(
        s,
        session=chat,
        lead=lead,
        location=s.get_one(Location, chat.location_id),
        text=f"What {name} was to hear about their appointment was not sent: {why}. Please tell them. See: leads"
        f" transcript {lead.id}",
        dedupe_key=f"untold:{message.id}",
        now=now,
        kind="alert",
    )
