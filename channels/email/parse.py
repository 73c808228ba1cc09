"""One inbound mail, from SendGrid's post in raw or parsed mode to what the inbox needs to know."""

from __future__ import annotations

import hashlib
import re
from email.utils import getaddresses

from channels.email.automatic import classify
from channels.email.form import BadForm, InboundForm, parse_form
from channels.email.form_files import parts_of_form
from channels.email.headers import decode_words, parse_headers
from channels.email.mail import Content, ParsedEmail, Words
from channels.email.mime import parse_mime
from channels.email.plainly import parse_email_plainly
from channels.email.words import read_words
from crm.emails import normal_email
from crm.text import storable

__all__ = ["BadForm", "ParsedEmail", "dedupe_key", "parse_email", "parse_email_plainly"]

_MAX_REFERENCES = 20
_HEAD = 200_000
_ID = re.compile(r"<[^<>\s]{1,900}>")
_CONTENT_FIELDS = ("email", "text", "html", "subject", "from")
_CHECKS = ("SPF", "dkim", "sender_ip")


def parse_email(raw: bytes, content_type: str) -> ParsedEmail:
    """Read a post of SendGrid's Inbound Parse (messaging facts 4.1). Raises BadForm when it is no form at all.

    Which mode it is the fields tell: `email` holds a whole mail, else the text and the headers stand in fields of
    their own. A mail with only a subject says its subject.
    """
    form = parse_form(raw, content_type)
    content = _content(form)
    return _parsed(form, content, read_words(content.plain, content.html))


def _parsed(form: InboundForm, content: Content, words: Words) -> ParsedEmail:
    """The mail of a form, taken apart and read."""
    headers = content.headers
    sender_name, sender = _sender(form, headers)
    subject = _one_line(decode_words(headers.get("subject", "")[:2000]) or form.text("subject"))
    words = _with_subject(words, subject)
    return ParsedEmail(
        recipients=tuple(form.recipients),
        envelope_from=form.envelope_from,
        sender=sender,
        sender_name=sender_name,
        subject=subject,
        words=words,
        message_id=first_id(headers.get("message-id", "")),
        references=_references(headers),
        automatic=classify(
            content, sender=sender, envelope_from=form.envelope_from, subject=subject, words=words
        ),
        files=content.files,
        date=headers.get("date"),
        headers=headers,
        checks={name: value for name in _CHECKS if (value := form.text(name)[:500])},
    )


def dedupe_key(raw: bytes, form: InboundForm | None) -> str:
    """What makes a post the same mail to the same address: recipient, Message-ID and content.

    The recipient, because one mail to two of our addresses comes as two posts. The content, because some web forms
    send every mail with the same Message-ID; without one the whole header block, so that "ok" said twice is two mails.
    A post that cannot be read is known by its bytes.
    """
    digest = hashlib.sha256()
    if form is None:
        digest.update(raw)
        return digest.hexdigest()
    block = (form.fields.get("headers") or form.fields.get("email", b""))[:_HEAD]
    message_id = first_id(parse_headers(block).get("message-id", ""))
    for value in (",".join(form.recipients), message_id or ""):
        digest.update(value.encode("utf-8", "surrogatepass") + b"\0")
    for name in _CONTENT_FIELDS:
        digest.update(hashlib.sha256(form.fields.get(name, b"")).digest())
    for file in form.files:
        digest.update(hashlib.sha256(file.content).digest())
    if message_id is None:
        digest.update(hashlib.sha256(form.fields.get("headers", b"")).digest())
    return digest.hexdigest()


def first_id(value: str) -> str | None:
    """The first id in angle brackets."""
    found = _ID.search(value)
    return found.group() if found else None


def _content(form: InboundForm) -> Content:
    if mail := form.fields.get("email"):
        content = parse_mime(mail)
        if content.plain or content.html or "text" not in form.fields:
            return content
    headers = parse_headers(form.fields.get("headers", b""))
    files, reports = parts_of_form(form)
    return Content(headers, form.text("text"), form.text("html"), files, reports)


def _with_subject(words: Words, subject: str | None) -> Words:
    if words.text.strip() or not subject:
        return words
    return Words(subject, words.full or subject, words.inline, words.forwarded)


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


def _one_line(value: str) -> str | None:
    return " ".join(storable(value).split())[:500] or None
