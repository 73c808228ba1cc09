"""What hangs on a mail that did not arrive, besides the mail: the address, the shop, one more try.

The same whether SendGrid's event says so, its list, or a bounce that came as mail (messaging facts 4.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from channels.email.delivery import move
from channels.email.text import one_line
from channels.rows import is_too_late, lock
from channels.statuses import past_ids
from channels.telling import name_of, tell, tell_staff
from crm.lead_states import out_of_reach
from crm.models import ChatMessage, Lead
from crm.text import storable

# So many mails in a row that came back from one address, for whatever reason: the address is treated as a bad one.
STRIKES = 3
# A mail of which nothing was heard for so long counts as arrived: most servers say nothing more.
SILENT_IS_ARRIVED = timedelta(days=1)
# A mail their server refused for the moment goes once more, so much later.
AGAIN_AFTER = timedelta(minutes=30)
MOST_SAID = 300
# The fine code of RFC 3463 says more than the coarse one of SMTP, which usually stands before it.
_CODES = (re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b"), re.compile(r"\b[245]\d\d\b"))

# Where the fault lies: `hard` with the address, `soft` perhaps with it, `none` not with it.
Blame = Literal["hard", "soft", "none"]


@dataclass(frozen=True)
class Failure:
    """Why a mail did not arrive. `says` in our own words, fit for a notice; `told` is what a strange server wrote,
    which only `leads why` shows and no model reads. `again`: it is worth one more try."""

    blame: Blame
    says: str
    told: str = ""
    code: str | None = None
    again: bool = False


def undelivered(
    session: Session, message: ChatMessage, *, hard: bool, reason: str, code: str | None, now: datetime
) -> None:
    """A bounce that came as mail speaks of this outbound mail. `hard`: the address does not work, else it was this
    once. `reason` is the strange server's text, of any length; `code` its status, like 5.1.1. Safe to repeat."""
    row = lock(session, message.id)
    if row is not None and row.direction == "out" and row.channel == "email":
        says = "the address does not work" if hard else "their mail server gave it back"
        failure = Failure("hard" if hard else "soft", says, reason, plain_code(code))
        did_not_arrive(session, row, failure, "bounce", None, now)


def did_not_arrive(
    session: Session,
    message: ChatMessage,
    failure: Failure,
    event: str,
    carrier_id: str | None,
    now: datetime,
) -> bool:
    """Move a locked row to `event`, bounce or dropped, and do what that asks for. Returns False when it was known
    already; that the address is bad is noted even then."""
    is_news = move(session, message, event, carrier_id, now)
    if is_news:
        message.error, message.error_code = _sentence(failure), failure.code
        message.raw = {**(message.raw or {}), "bounce": failure.blame}
        session.flush()
    if failure.blame == "hard":
        mark_bad(session, message.to_address, now)
    elif failure.blame == "soft" and is_news:
        _strike(session, message, now)
    if is_news and not (failure.again and _again(message, now)) and message.kind not in ("touch", "consent"):
        code = f" ({failure.code})" if failure.code else ""
        tell_staff(session, message, f"did not arrive by email: {failure.says}{code}", now)
    return is_news


def mark_bad(session: Session, address: str, now: datetime) -> None:
    """No more mail goes to this address, at no location of the session's business; the cadence goes on by text."""
    session.execute(
        update(Lead)
        .where(Lead.email == address.lower(), Lead.email_bad_since.is_(None))
        .values(email_bad_since=now)
        .execution_options(synchronize_session="fetch")
    )
    out_of_reach(session, Lead.email == address.lower(), who="carrier", now=now)


def strikes(session: Session, message: ChatMessage, now: datetime) -> int:
    """Mails to this address that came back, this one and all after the last that arrived."""
    to_it = (
        ChatMessage.session_id == message.session_id,
        ChatMessage.to_address == message.to_address,
        ChatMessage.channel == "email",
        ChatMessage.direction == "out",
        ChatMessage.id != message.id,
    )
    silent = and_(ChatMessage.status == "sent", ChatMessage.sent_at <= now - SILENT_IS_ARRIVED)
    arrived = select(func.coalesce(func.max(ChatMessage.id), 0)).where(
        *to_it, or_(ChatMessage.status == "delivered", silent)
    )
    before = select(func.count()).where(
        *to_it,
        ChatMessage.status == "undelivered",
        ChatMessage.raw["bounce"].astext == "soft",
        ChatMessage.id > arrived.scalar_subquery(),
    )
    return 1 + (session.scalar(before) or 0)


def plain_code(code: object) -> str | None:
    """The status in `code`, like 5.1.1 or 550; None when there is none. Anything else in it is left out."""
    text = code[:200] if isinstance(code, str) else ""
    return next((hit.group() for pattern in _CODES if (hit := pattern.search(text))), None)


def what_they_said(text: object, limit: int = MOST_SAID) -> str:
    """A strange server's text in one line of at most `limit` characters, without control characters."""
    words = text if isinstance(text, str) else "" if text is None else str(text)
    return one_line(" ".join(storable(words[: limit * 8]).split()), limit)


def _strike(session: Session, message: ChatMessage, now: datetime) -> None:
    if message.kind == "notice" or strikes(session, message, now) < STRIKES:
        return
    mark_bad(session, message.to_address, now)
    text = f"{STRIKES} mails in a row to {name_of(session, message)} came back. No more mail goes to that address."
    tell(session, message, text, f"unreachable:{message.to_address}", now)


def _sentence(failure: Failure) -> str:
    code = f" ({failure.code})" if failure.code else ""
    told = what_they_said(failure.told)
    return f"{failure.says}{code}" + (f"; their server said: {told}" if told else "")


def _again(message: ChatMessage, now: datetime) -> bool:
    """Put the row back for one more try where there is still time. A touch is not repeated: the next is the next try."""
    raw = dict(message.raw or {})
    if message.kind in ("touch", "consent") or raw.get("again") or is_too_late(message, now + AGAIN_AFTER):
        return False
    earlier = [*past_ids(message), *([message.carrier_id] if message.carrier_id else [])]
    message.raw = {**raw, "again": 1, "earlier_ids": earlier}
    message.status, message.send_after = "pending", now + AGAIN_AFTER
    message.carrier_id = message.carrier_status = message.sent_at = message.final_at = None
    return True
