"""A raw MIME mail, read with the standard library; broken ones give what can be had of them."""

from __future__ import annotations

from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from typing import TypeAlias

from channels.email.charset import decode
from crm.text import storable

# compat32 leaves headers as they are; the modern policy raises on some malformed ones.
_POLICY = policy.compat32
_MAX_PARTS = 200
_MAX_BOUNDARIES = 100
_MAX_HEADER = 20_000

Mail: TypeAlias = "Message[str, str]"


@dataclass(frozen=True)
class Content:
    """Headers by lower-case name (the first of each), the texts, and how many attachments there were."""

    headers: dict[str, str]
    plain: str
    html: str
    attachments: int


def parse_headers(block: bytes) -> dict[str, str]:
    """The header block of a mail, by lower-case name; never raises."""
    return _header_map(BytesHeaderParser(policy=_POLICY).parsebytes(block))


def parse_mime(raw: bytes) -> Content:
    """A whole mail. A hostile nesting gives its headers and its source as text."""
    if raw.count(b"oundary=") > _MAX_BOUNDARIES:
        # The parser looks at every line once for every level of nesting.
        return _source(raw)
    try:
        mail = BytesParser(policy=_POLICY).parsebytes(raw)
        parts = _leaves(mail)
    except RecursionError:
        return _source(raw)
    plain: list[str] = []
    html: list[str] = []
    attachments = 0
    for part in parts:
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html"):
            attachments += 1
        else:
            (plain if kind == "text/plain" else html).append(_text(part))
    return Content(_header_map(mail), "\n".join(plain), "\n".join(html), attachments)


def decode_words(value: str) -> str:
    """A header's RFC 2047 words as text; what cannot be decoded stays as it is."""
    try:
        parts = decode_header(value)
    except (MessageError, ValueError):
        return storable(value)
    return storable(
        "".join(part if isinstance(part, str) else decode(part, charset) for part, charset in parts)
    )


def _source(raw: bytes) -> Content:
    head, _, body = raw[:200_000].replace(b"\r\n", b"\n").partition(b"\n\n")
    return Content(parse_headers(head), decode(body[:50_000], None), "", 0)


def _leaves(mail: Mail) -> list[Mail]:
    """The parts that hold content, in order.

    A mail attached as a whole stays closed: its text is not this person's.
    """
    found: list[Mail] = []
    waiting = [mail]
    while waiting and len(found) < _MAX_PARTS:
        part = waiting.pop(0)
        children = part.get_payload() if part.is_multipart() else None
        if isinstance(children, list) and part.get_content_maintype() == "multipart":
            waiting = [child for child in children if isinstance(child, Message)] + waiting
        else:
            found.append(part)
    return found


def _text(part: Mail) -> str:
    payload = part.get_payload(decode=True)
    try:
        charset = part.get_content_charset()
    except (LookupError, ValueError):
        charset = None
    return decode(payload, charset) if isinstance(payload, bytes) else ""


def _header_map(mail: Mail) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in mail.raw_items():
        # Bytes that are no ASCII come as surrogates; mail programs send UTF-8 there, or the local charset.
        text = decode(str(value)[:_MAX_HEADER].encode("utf-8", "surrogateescape"), None)
        headers.setdefault(name.lower(), " ".join(text.split()))
    return headers
