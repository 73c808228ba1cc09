"""One inbound mail, from SendGrid's post in raw or parsed mode to what the inbox needs to know."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import getaddresses

from channels.email.auto import automatic_reason
from channels.email.form import InboundForm, parse_form
from channels.email.html_text import html_to_text
from channels.email.mime import Content, decode_words, parse_headers, parse_mime
from channels.email.quotes import strip_reply
from crm.emails import normal_email
from crm.text import storable

_MAX_TEXT = 100_000
_MAX_REFERENCES = 20
_ID = re.compile(r"<[^<>\s]{1,900}>")


@dataclass(frozen=True)
class ParsedEmail:
    """A mail as far as the conversation needs it.

    Addresses are lower case and bare, ids in angle brackets.
    """

    recipients: tuple[str, ...]
    envelope_from: str | None
    sender: str | None
    sender_name: str | None
    subject: str | None
    text: str
    full_text: str
    message_id: str | None
    references: tuple[str, ...]
    automatic: str | None
    attachments: int
    date: str | None
    checks: dict[str, str] = field(default_factory=dict)


def parse_email(raw: bytes, content_type: str) -> ParsedEmail:
    """Read a post of SendGrid's Inbound Parse (messaging facts 4.1). Raises BadForm when it is no form at all.

    `text` is what the person wrote, `full_text` everything; a mail with only a subject says its subject.
    """
    form = parse_form(raw, content_type)
    raw_mail = form.fields.get("email")
    content = parse_mime(raw_mail) if raw_mail is not None else _parsed_mode(form)
    headers = content.headers
    sender_name, sender = _sender(form, headers)
    subject = _one_line(form.text("subject") or decode_words(headers.get("subject", "")[:2000]))
    text, full = _texts(content)
    return ParsedEmail(
        recipients=tuple(form.recipients),
        envelope_from=form.envelope_from,
        sender=sender,
        sender_name=sender_name,
        subject=subject,
        text=text or subject or "",
        full_text=full or subject or "",
        message_id=_first_id(headers.get("message-id", "")),
        references=_references(headers),
        automatic=automatic_reason(
            headers,
            sender=sender or headers.get("from", ""),
            envelope_from=form.envelope_from,
            subject=subject,
        ),
        attachments=content.attachments,
        date=headers.get("date"),
        checks={name: value for name in ("SPF", "dkim") if (value := form.text(name)[:500])},
    )


def cheap_ids(form: InboundForm) -> tuple[str, str]:
    """Recipient and Message-ID, from the header block only: enough to recognise a repeated post."""
    block = (form.fields.get("headers") or form.fields.get("email", b""))[:200_000]
    headers = parse_headers(block)
    return ",".join(form.recipients), _first_id(headers.get("message-id", "")) or ""


def _parsed_mode(form: InboundForm) -> Content:
    headers = parse_headers(form.fields.get("headers", b"")[:200_000])
    return Content(headers, form.text("text"), form.text("html"), form.files)


def _texts(content: Content) -> tuple[str, str]:
    """What the person wrote, and everything. Plain text first; HTML when there is none."""
    if content.plain.strip():
        return strip_reply(content.plain[:_MAX_TEXT]), content.plain.strip()[:_MAX_TEXT]
    full = html_to_text(content.html)[:_MAX_TEXT]
    own = html_to_text(content.html, without_quotes=True)[:_MAX_TEXT]
    return strip_reply(own if len(own) >= 2 else full), full


def _sender(form: InboundForm, headers: dict[str, str]) -> tuple[str | None, str | None]:
    for value in (headers.get("from", ""), form.text("from")):
        for name, address in getaddresses([value[:2000]]):
            if (email := normal_email(address)) is not None:
                return _one_line(decode_words(name)), email
    return None, normal_email(form.envelope_from)


def _references(headers: dict[str, str]) -> tuple[str, ...]:
    """All ids of the thread, oldest first, the directly answered one last; at most twenty."""
    ids = [*_ID.findall(headers.get("references", "")), *_ID.findall(headers.get("in-reply-to", ""))[:1]]
    newest_first = dict.fromkeys(reversed(ids))
    return tuple(reversed(list(newest_first)[:_MAX_REFERENCES]))


def _first_id(value: str) -> str | None:
    found = _ID.search(value)
    return found.group() if found else None


def _one_line(value: str) -> str | None:
    return " ".join(storable(value).split())[:500] or None
