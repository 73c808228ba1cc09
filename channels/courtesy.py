"""What courtesy and the carriers' rules add to a message when it is written: who we are, that we are a machine, and how
to make it stop.

The first message names the shop and says that it is automated (messaging facts 3.4, 3.5: CTIA, Maine 10 MRS 1500-DD,
FTC Act 5); by text it also tells of rates, HELP and STOP. The line on STOP comes back after the tenant's
`stop_line_every_days`. The words are plain ASCII, so that they never make a text dearer.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Location, Tenant
from crm.tenants import settings_of

# The answers to stop, start and help say all of this themselves, notices go to the shop's own people, and what a person
# of the shop wrote is no machine's.
PLAIN_KINDS = frozenset({"consent", "notice", "staff"})
NEVER_REACHED = ("withheld", "dropped", "failed", "undelivered")
# As PostgreSQL reads it: a whole word in any case.
_STOP_IN_SQL = r"\mstop\M"
_STOP = re.compile(r"\bstop\b", re.IGNORECASE)
_MACHINE = re.compile(
    r"\bautomat(?:ed|ic)\b|\bvirtual assistant\b|\ba\.?i\.? assistant\b|\bbot\b"
    r"|\basistente (?:automatizado|autom[aá]tico|virtual)\b",
    re.IGNORECASE,
)


class Words(NamedTuple):
    """The lines of one language. `{shop}` is the shop's name, `{contact}` its number or address."""

    both: str
    shop: str
    machine: str
    rates: str
    stop: str
    stop_mail: str
    help: str
    help_mail: str


WORDS = {
    "en": Words(
        both="{shop}'s automated assistant here.",
        shop="{shop}:",
        machine="This is an automated assistant.",
        rates="Msg & data rates may apply. Reply STOP to opt out, HELP for help",
        stop="Reply STOP to opt out",
        stop_mail='Reply "unsubscribe" to get no more mail from us.',
        help="{shop}: This is our automated assistant for quotes and appointments. To reach a person: {contact}."
        " Msg & data rates may apply. Reply STOP to opt out.",
        help_mail="{shop}: This is our automated assistant for quotes and appointments. To reach a person: {contact}."
        ' Reply "unsubscribe" to get no more mail from us.',
    ),
    "es": Words(
        both="Le escribe el asistente automatizado de {shop}.",
        shop="{shop}:",
        machine="Este es un asistente automatizado.",
        rates="Pueden aplicar cargos por mensajes y datos. Responda STOP para no recibir mensajes, HELP para ayuda",
        stop="Responda STOP para no recibir mensajes",
        stop_mail='Responda "unsubscribe" para no recibir correos.',
        help="{shop}: Este es nuestro asistente automatizado para precios y citas. Para hablar con una persona:"
        " {contact}. Pueden aplicar cargos por mensajes y datos. Responda STOP para no recibir mensajes.",
        help_mail="{shop}: Este es nuestro asistente automatizado para precios y citas. Para hablar con una persona:"
        ' {contact}. Responda "unsubscribe" para no recibir correos.',
    ),
}


class _Said(NamedTuple):
    """What earlier messages to this address on this channel have already told."""

    anything: bool
    stop_at: datetime | None


def dress(
    session: Session,
    chat: ChatSession,
    lead: Lead,
    location: Location,
    channel: str,
    kind: str,
    body: str,
    now: datetime,
    *,
    first: bool = False,
) -> str:
    """`body` with what it still has to say put before and after it; the body itself is not changed. One query, none when
    the caller knows that this is the `first` message."""
    if kind in PLAIN_KINDS:
        return body
    said = _Said(False, None) if first else _already_said(session, chat, lead, channel)
    words = _words(lead)
    head = "" if said.anything else _introduction(words, location.name, body)
    if channel == "email":
        tail = "" if said.anything or _has_way_out(body) else words.stop_mail
        return "\n\n".join(part for part in (head, body.rstrip() if tail else body, tail) if part)
    tail = _stop_line(session, chat, words, body, said, now)
    return " ".join(part for part in (head, body, _joined(body, tail)) if part)


def help_answer(location: Location, lead: Lead | None = None, channel: str = "sms") -> str:
    """The answer to HELP: the shop's name, how to reach a person, and how to stop (messaging facts 3.4, CTIA)."""
    contact = location.public_phone or location.phone or location.mailbox or location.name
    words = WORDS["en"] if lead is None else _words(lead)
    line = words.help if channel == "sms" else words.help_mail
    return line.format(shop=location.name, contact=contact)


def _words(lead: Lead) -> Words:
    return WORDS["es"] if lead.language.lower().startswith("es") else WORDS["en"]


def _introduction(words: Words, shop: str, body: str) -> str:
    names, admits = shop.casefold() in body.casefold(), _MACHINE.search(body) is not None
    if names and admits:
        return ""
    if names:
        return words.machine
    return (words.shop if admits else words.both).format(shop=shop)


def _stop_line(
    session: Session, chat: ChatSession, words: Words, body: str, said: _Said, now: datetime
) -> str:
    if not said.anything:
        # A body that tells of STOP but not of HELP or rates gets the whole line all the same.
        whole = _STOP.search(body) and re.search(r"\bhelp\b", body, re.IGNORECASE)
        return "" if whole else words.rates
    if _STOP.search(body):
        return ""
    every = timedelta(days=settings_of(session.get_one(Tenant, chat.tenant_id)).stop_line_every_days)
    return words.stop if said.stop_at is None or said.stop_at <= now - every else ""


def _joined(body: str, tail: str) -> str:
    """A line of its own after a body that ends without a stop, so that nobody reads the two as one sentence."""
    ends = not tail or body.rstrip().endswith((".", "!", "?", ")"))
    return tail if ends else f"- {tail}"


def _has_way_out(body: str) -> bool:
    return re.search(r"\bunsubscribe\b", body, re.IGNORECASE) is not None


def _already_said(session: Session, chat: ChatSession, lead: Lead, channel: str) -> _Said:
    address = lead.phone if channel == "sms" else lead.email
    count, stop_at = session.execute(
        select(
            func.count(),
            func.max(func.coalesce(ChatMessage.sent_at, ChatMessage.created_at)).filter(
                ChatMessage.body.regexp_match(_STOP_IN_SQL, flags="i")
            ),
        ).where(
            ChatMessage.session_id == chat.id,
            ChatMessage.direction == "out",
            ChatMessage.channel == channel,
            ChatMessage.to_address == address,
            ChatMessage.kind.not_in(PLAIN_KINDS),
            ChatMessage.status.not_in(NEVER_REACHED),
        )
    ).one()
    return _Said(count > 0, stop_at)
