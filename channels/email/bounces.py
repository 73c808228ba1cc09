"""Delivery reports: what they say of a mail of ours, in the part for machines (RFC 3464) or in words, and which mail
that is."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.email.mail import Bounce, Content, Words
from channels.email.reports import fields_of
from channels.email.signs import any_of, load_signs, plain
from crm.emails import normal_email
from crm.models import ChatMessage, ChatSession, Lead
from crm.text import storable

# Servers try for up to five days; a report that names no mail is about none that is older.
RECENT = timedelta(days=6)
LONGEST_DIAGNOSTIC = 500

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:@]{1,64}@[^\s<>()\[\]\"',;:@]{1,200}\.[^\s<>()\[\]\"',;:.@]{1,63}")
_OWN_ID = re.compile(r"<([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})@")
_ID = re.compile(r"<[!-;=?-~]{1,500}>")
# Where a report repeats the headers of the mail that came back.
_ORIGINAL_ID = re.compile(r"^[ \t>]*(?:x-)?(?:original-)?message-id:\s*(<[!-;=?-~]{1,500}>)", re.I | re.M)
_COPY = re.compile(
    r"^[ \t>*-]{0,40}(?:below this line is|this is a copy|forwarded message|original message|message header)",
    re.I | re.M,
)
_NAMED_HEADERS = ("x-original-message-id", "in-reply-to", "references")
# Statuses that speak of the address or its domain (RFC 3463; of Exchange Online as Microsoft documents them), and those
# that speak of this mail, this moment or the sender. What is in neither is judged by the words.
_HARD = re.compile(r"5\.(?:1\.(?:1|2|3|4|6|9|10|13|14)|2\.1|4\.(?:1|4|310|312))$")
_SOFT = re.compile(r"4\.|5\.(?:1\.(?:7|8|20)|2\.(?:2|3|4|12)|3\.|4\.(?:6|7|14|300|316)|5\.|6\.)")


def read_bounce(content: Content, words: Words) -> Bounce:
    """What a report on delivery says, from its part for machines, else from its words, which are a stranger's."""
    groups = [
        group
        for one in content.reports
        if one.content_type.endswith("delivery-status")
        for group in fields_of(one.text)
        if "action" in group
    ]
    # The one that failed, where a report speaks of several addresses.
    about = next((one for one in groups if one["action"].lower().startswith("failed")), (groups or [{}])[0])
    explained = _COPY.split(words.full, maxsplit=1)[0]
    said = about.get("diagnostic-code") or explained
    status = _first(_STATUS, about.get("status", "")) or _first(_STATUS, said)
    ids = _message_ids(content, words)
    return Bounce(
        hard=_is_hard(status, plain(f"{said}\n{explained}")),
        recipient=_recipient(content, about, explained),
        status=status,
        diagnostic=" ".join(storable(said).split())[:LONGEST_DIAGNOSTIC] or None,
        message_ids=ids,
        outbox_id=next((found for one in ids if (found := _first(_OWN_ID, one))), None),
    )


def find_bounced(session: Session, bounce: Bounce, *, now: datetime | None = None) -> ChatMessage | None:
    """The mail of ours a report speaks of, within the session's business; None when it cannot be told.

    By the outbox id in it, then by its Message-ID. With `now` also by the recipient alone, when exactly one mail went
    there lately; such a report proves nothing, because anybody could have written it: see `is_proved`.
    """
    ours = select(ChatMessage).where(ChatMessage.direction == "out", ChatMessage.channel == "email").limit(2)
    if bounce.outbox_id is not None:
        known = session.scalars(ours.where(ChatMessage.outbox_id == uuid.UUID(bounce.outbox_id))).first()
        if known is not None:
            return known
    if bounce.message_ids:
        named = ours.where(ChatMessage.rfc_message_id.in_(bounce.message_ids))
        if (newest := session.scalars(named.order_by(ChatMessage.id.desc())).first()) is not None:
            return newest
    if bounce.recipient is None or bounce.message_ids or now is None:
        return None
    lately = (
        ours.join(ChatSession, ChatSession.id == ChatMessage.session_id)
        .join(Lead, Lead.id == ChatSession.lead_id)
        .where(Lead.email == bounce.recipient, ChatMessage.to_address == bounce.recipient)
        .where(ChatMessage.sent_at > now - RECENT, ChatMessage.status.in_(("sent", "delivered")))
    )
    sent = session.scalars(lately).all()
    return sent[0] if len(sent) == 1 else None


def is_proved(message: ChatMessage, bounce: Bounce) -> bool:
    """Whether a report names this mail by an id that only those know who got it. An address should not be given up on
    the word of any other."""
    return str(message.outbox_id) == bounce.outbox_id or message.rfc_message_id in bounce.message_ids


def _is_hard(status: str | None, said: str) -> bool:
    """Whether the address does not work. In doubt it was this once: three such mails in a row count as well, and an
    address that was given up by mistake loses a customer."""
    signs = load_signs()
    if status is not None and _SOFT.match(status):
        return False
    if status is not None and _HARD.match(status):
        return True
    return any_of(signs.gone, said) and not any_of(signs.this_once, said)


def _recipient(content: Content, about: dict[str, str], explained: str) -> str | None:
    """Whom it was sent to: the address we wrote to, where the mail went on to another one."""
    for name in ("original-recipient", "final-recipient"):
        if (found := normal_email(about.get(name, "").partition(";")[2])) is not None:
            return found
    if (failed := normal_email(content.headers.get("x-failed-recipients"))) is not None:
        return failed
    ours = {normal_email(content.headers.get("to")), normal_email(content.headers.get("from"))}
    mentioned = (normal_email(one.strip(".")) for one in _ADDRESS.findall(explained[:20_000]))
    return next((one for one in mentioned if one is not None and one not in ours), None)


def _message_ids(content: Content, words: Words) -> tuple[str, ...]:
    """The ids by which a report may name the mail it is about, the surest first; at most twenty."""
    texts = [one.text for one in content.reports] + [words.full[:20_000]]
    ids = [found for text in texts for found in _ORIGINAL_ID.findall(text)]
    ids += [one for name in _NAMED_HEADERS for one in _ID.findall(content.headers.get(name, ""))]
    return tuple(dict.fromkeys(ids))[:20]


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1) if found else None
