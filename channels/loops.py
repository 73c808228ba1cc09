"""Machines that answer machines: noticing that a conversation goes round in circles, and going quiet.

Four signs (messaging facts 4.5, which hold for every channel): the same words again and again although each time they
were answered, answers faster than anybody types, more replies than the shop allows in one conversation, and words that
say themselves that nobody reads them. Then a person gets the conversation and the shop is told once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from channels.courtesy import NEVER_REACHED
from crm.lead_states import try_move
from crm.models import ChatMessage, ChatSession, Lead, Location, Tenant
from crm.notices import notify_staff
from crm.tenants import TenantSettings, settings_of
from crm.touches import halt_touches

log = structlog.get_logger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
SAME_WORDS = 3
# People say "yes" three times in one booking; whoever says a few words five times over is no person.
SAME_FEW_WORDS, FEW = 5, 3
# Machines count their tickets: in a mail of so many words numbers are no difference.
FORM_LETTER = 10
# A mail is under way for some seconds each way, and then it has to be read.
QUICK, QUICK_MAIL = timedelta(seconds=3), timedelta(seconds=20)
# A message may cross with ours once or twice; six in a row do not.
QUICK_ANSWERS = 6
NOTICE = "loop:"

_UNREAD = re.compile(
    r"\bthis (?:is an? |mailbox is an? )?(?:automated|automatic|auto[- ]?generated) (?:message|reply|response|text|system)\b"
    r"|\b(?:this )?(?:number|inbox|mailbox|line|address) (?:is not|isn'?t) (?:being )?monitored\b"
    r"|\bthis (?:number|line) (?:does not|doesn'?t|cannot|can'?t) (?:accept|receive) (?:incoming |inbound )?"
    r"(?:texts?|messages?|replies)\b"
    r"|\b(?:please )?do not (?:reply|respond) to this (?:message|text|number|e-?mail)\b"
    r"|\best[ea] (?:es un )?mensaje (?:es )?autom[aá]tico\b|\bno responda a este mensaje\b",
    re.IGNORECASE,
)
# Told by a telephone while its owner drives or rests: one is a kind word, a second one within a day is a loop.
_AWAY = re.compile(
    r"\bi(?:'|’)?m driving\b.*\b(?:do not disturb|turned on|see your message)\b|\bauto[- ]?reply\b|\bautomatic reply\b"
    r"|\bout of (?:the )?office\b|\bdo not disturb\b|\brespuesta autom[aá]tica\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Line:
    """One message of the thread: whose, its words, when it left or came, and whether it was a mail."""

    ours: bool
    body: str
    at: datetime
    mail: bool = False


def loop_of(session: Session, chat: ChatSession, now: datetime) -> str | None:
    """Why the agent must not answer this conversation, as a sentence for the shop; None when all is well. What lies
    before the last such notice is forgotten: a person has looked at it since. Three queries."""
    told = (
        select(func.coalesce(func.max(ChatMessage.id), 0))
        .where(ChatMessage.session_id == chat.id, ChatMessage.dedupe_key.startswith(NOTICE))
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            ChatMessage.direction, ChatMessage.body, ChatMessage.received_at, ChatMessage.sent_at,
            ChatMessage.created_at, ChatMessage.channel,
        )
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.id > told,
            ChatMessage.kind.in_(("inbound", "reply")),
            ChatMessage.status.not_in(NEVER_REACHED),
            ChatMessage.created_at > now - DAY,
        )
        .order_by(ChatMessage.id)
    )  # fmt: skip
    lines = [Line(row[0] == "out", row[1], row[2] or row[3] or row[4], row[5] == "email") for row in rows]
    return judge(lines, settings_of(session.get_one(Tenant, chat.tenant_id)), now)


def judge(lines: Sequence[Line], settings: TenantSettings, now: datetime) -> str | None:
    """The same for the lines of the last 24 hours, oldest first. Pure."""
    last_hour = [line for line in lines if line.at > now - HOUR]
    if not lines or lines[-1].ours:
        return None
    latest = lines[-1].body
    if _is(_UNREAD, latest):
        return "an automatic system answers there, which nobody reads"
    if sum(_is(_AWAY, line.body) for line in lines if not line.ours) > 1 and _is(_AWAY, latest):
        return "an automatic reply comes back every time"
    words = _plain(latest, lines[-1].mail)
    times = _times_answered(last_hour, words)
    if times >= (SAME_FEW_WORDS if len(words.split()) <= FEW else SAME_WORDS):
        return f"the same message came {times} times within an hour although it was answered"
    if _quick_answers(last_hour) >= QUICK_ANSWERS:
        return f"the last {QUICK_ANSWERS} answers came faster than anybody types: this may be a machine"
    return _over_the_cap(lines, last_hour, settings)


def go_quiet(session: Session, chat: ChatSession, now: datetime) -> bool:
    """Stop answering a conversation that goes in circles: a person gets it, the shop is told once. The caller holds the
    session row. True when it did."""
    why = loop_of(session, chat, now)
    if why is None:
        return False
    # Locked, because leads are versioned: a writer in between would fail this transaction.
    lead = session.get_one(Lead, chat.lead_id, with_for_update=True, populate_existing=True)
    chat.state, chat.state_reason = "human", why
    chat.answered_up_to = chat.last_inbound_id or 0
    chat.answer_due_at = chat.burst_started_at = chat.lease_token = chat.lease_until = None
    try_move(session, lead, "human", who="loops", why=why, now=now)
    halt_touches(session, lead.id, "paused", "a person has taken over the conversation")
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=f"The assistant has stopped answering {lead.first_name or lead.phone or lead.email or 'a customer'}: {why}."
        f" Please look: leads transcript {lead.id}",
        dedupe_key=f"{NOTICE}{chat.last_inbound_id}",
        now=now,
    )
    log.info("conversation_loops", session_id=chat.id)
    return True


def _is(pattern: re.Pattern[str], body: str) -> bool:
    """Whether a message says so of itself. "Is this an automated message?" asks, and a person asks it."""
    return pattern.search(body) is not None and not body.rstrip().endswith("?")


def _times_answered(lines: Sequence[Line], words: str) -> int:
    """How often these words came, counting only those that we had answered in between: an impatient person who repeats
    "hello?" has had no answer yet."""
    times, answered = 0, True
    for line in lines:
        if line.ours:
            answered = True
        elif words and _plain(line.body, line.mail) == words and answered:
            times, answered = times + 1, False
    return times


def _quick_answers(lines: Sequence[Line]) -> int:
    """How many of the latest answers in a row came sooner after ours than anybody types."""
    in_a_row = 0
    for ours, theirs in pairwise(lines):
        if ours.ours and not theirs.ours:
            in_a_row = in_a_row + 1 if theirs.at - ours.at < (QUICK_MAIL if theirs.mail else QUICK) else 0
    return in_a_row


def _over_the_cap(lines: Sequence[Line], last_hour: Sequence[Line], settings: TenantSettings) -> str | None:
    for span, most, within in (
        ("hour", settings.max_replies_per_hour, last_hour),
        ("day", settings.max_replies_per_day, lines),
    ):
        if sum(line.ours for line in within) >= most:
            return f"it has already answered {most} times within one {span}, which is the shop's limit"
    return None


def _plain(body: str, mail: bool) -> str:
    words = re.sub(r"[^\w\s]", " ", body.casefold()).split()
    if mail and len(words) >= FORM_LETTER:
        words = ["#" if any(letter.isdigit() for letter in word) else word for word in words]
    return " ".join(words)
