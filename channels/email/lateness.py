"""Mails that overtook each other on their way: the same person's clock says which was written first.

A date in a mail is what the sender's clock said, which may be hours wrong. So it is only compared with other mails of
the same sender in the same conversation, and never with the time here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.email.mail import ParsedEmail
from crm.models import ChatMessage

# SendGrid tries for 72 hours to hand a mail over (messaging facts 4.1); an older date is a clock that is wrong.
LONGEST_WAY = timedelta(hours=80)
_LOOK_BACK = 10


def written_at(
    s: Session, mail: ParsedEmail, sender: str, session_id: int, received_at: datetime
) -> datetime | None:
    """When a mail was written, if a later one of the same sender was here before it; None: they came in order, or it
    cannot be told."""
    date = sent_date(mail.date)
    if date is None or not received_at - LONGEST_WAY < date < received_at:
        return None
    rows = s.scalars(
        select(ChatMessage.raw)
        .where(
            ChatMessage.session_id == session_id,
            ChatMessage.direction == "in",
            ChatMessage.channel == "email",
            ChatMessage.from_address == sender,
        )
        .order_by(ChatMessage.id.desc())
        .limit(_LOOK_BACK)
    )
    earlier = [sent_date((raw or {}).get("date")) for raw in rows]
    return date if any(other is not None and other > date for other in earlier) else None


def sent_date(header: str | None) -> datetime | None:
    """A Date header as a moment, aware UTC; None when it is none."""
    try:
        found = parsedate_to_datetime(header or "")
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    try:
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (OverflowError, ValueError):
        return None
