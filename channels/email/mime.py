"""A raw MIME mail as words, files and reports; broken ones give what can be had of them, and nothing raises."""

from __future__ import annotations

import html as html_entities
import re
from collections.abc import Iterable, Sequence

from channels.email.charset import decode
from channels.email.files import Found, keep_files
from channels.email.headers import decode_words, parse_headers, split_head
from channels.email.html_text import html_to_text
from channels.email.mail import Content, MailFile, Report
from channels.email.parts import Part, take_apart

__all__ = ["decode_words", "parse_headers", "parse_mime", "report_of"]

MOST_TEXT = 2_000_000
LONGEST_REPORT = 20_000
MOST_REPORTS = 20
_WORDS = ("text/plain", "text/html")
# Parts for machines, which say what became of a mail (RFC 3464, 3798, 5965).
_REPORTS = frozenset(
    {
        "message/delivery-status", "message/global-delivery-status", "message/disposition-notification",
        "message/global-disposition-notification", "message/feedback-report", "text/rfc822-headers",
        "message/global-headers", "text/calendar",
    }
)  # fmt: skip
_MAILS = ("message/rfc822", "message/global")
# Signatures of mail programs, and the half of a Macintosh file that only a Macintosh needs.
_NOBODYS = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "application/applefile",
     "text/x-amp-html"}
)  # fmt: skip
_ABOUT_MIME = re.compile(r"\bMIME\b|multi-?part", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)


def parse_mime(raw: bytes) -> Content:
    """A whole mail. What nobody can read as words is a file; a mail that is attached as a whole stays closed."""
    mail = take_apart(raw)
    parts = mail.parts
    words = [part for part in parts if _is_words(part)] or _words_by_another_name(parts)
    plain, html = _texts(words)
    if not plain and not html:
        plain = "\n".join(filter(None, (_margin(part) for part in mail.margins)))
    others = [part for part in parts if not any(part is one for one in words)]
    reports = [report_of(part.kind, part.content(200_000), part.charset) for part in others]
    files = list(keep_files(_found(part, html) for part in others if _is_file(part)))
    if mail.more:
        files.append(
            MailFile("more", "application/octet-stream", None, 0, refused="the mail has too many parts")
        )
    return Content(
        mail.headers,
        plain,
        html,
        tuple(files),
        tuple(one for one in reports if one is not None)[:MOST_REPORTS],
    )


def report_of(kind: str, content: bytes, charset: str | None = None) -> Report | None:
    """What a part tells machines, None when it is not for them. Of an attached mail, its headers."""
    if kind in _MAILS:
        return Report("message/rfc822", decode(content[: split_head(content)[0]], charset)[:LONGEST_REPORT])
    return Report(kind, decode(content, charset)[:LONGEST_REPORT]) if kind in _REPORTS else None


def _is_words(part: Part) -> bool:
    return part.kind in _WORDS and part.disposition != "attachment" and part.filename is None


def _words_by_another_name(parts: Sequence[Part]) -> list[Part]:
    """A mail without plain words: its text has a file's name, as the gateways of telephone companies write it, or is
    of a kind of text that few programs know."""
    texts = [part for part in parts if part.kind in _WORDS and part.size <= 200_000]
    if texts:
        inline = [part for part in texts if part.disposition != "attachment"]
        return (inline or texts)[:1]
    others = [part for part in parts if part.kind.startswith("text/") and not _is_machine(part)]
    return [part for part in others if part.disposition != "attachment" and part.filename is None][:1]


def _is_machine(part: Part) -> bool:
    return part.kind in _REPORTS or part.kind in _NOBODYS


def _is_file(part: Part) -> bool:
    if part.kind == "text/calendar":
        return part.filename is not None or part.disposition == "attachment"
    # Without a name and without content there is nothing to keep.
    return not _is_machine(part) and (part.end > part.start or part.filename is not None)


def _texts(parts: Iterable[Part]) -> tuple[str, str]:
    """(plain, HTML) of the words. Where only some stand in one of the forms, the others are put into it, so that each
    form that is not empty says everything."""
    units: dict[int, tuple[list[str], list[str]]] = {}
    for place, part in enumerate(parts):
        plain, html = units.setdefault(part.group or -1 - place, ([], []))
        (html if part.kind == "text/html" else plain).append(_text(part))
    joined = [("\n".join(plain), "\n".join(html)) for plain, html in units.values()]
    joined = [(plain, html) for plain, html in joined if plain.strip() or html.strip()]
    has_plain = any(plain.strip() for plain, _ in joined)
    has_html = any(html.strip() for _, html in joined)
    return (
        "\n".join(plain if plain.strip() else html_to_text(html) for plain, html in joined)
        if has_plain
        else "",
        "\n".join(html if html.strip() else _as_html(plain) for plain, html in joined) if has_html else "",
    )


def _margin(part: Part) -> str:
    """What stands outside all parts, where it is more than the sentence that tells old programs what MIME is. Such words
    come from a boundary that somebody broke."""
    lines = decode(part.content(50_000), None).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--")).strip()
    return "" if _ABOUT_MIME.search(text[:500]) else text


def _as_html(plain: str) -> str:
    return f"<div>{html_entities.escape(plain).replace(chr(10), '<br>')}</div>"


def _text(part: Part) -> str:
    content = part.content(MOST_TEXT)
    charset = part.charset
    if charset is None and part.kind == "text/html" and (found := _META_CHARSET.search(content[:4000])):
        charset = found.group(1).decode("ascii", "replace")
    return decode(content, charset)


def _found(part: Part, html: str) -> Found:
    name = part.filename
    if part.kind in _MAILS:
        subject = decode_words(parse_headers(part.content(20_000)).get("subject", ""))[:80]
        stem = name or subject or "forwarded mail"
        name = stem if stem.lower().endswith(".eml") else f"{stem}.eml".replace("/", "-")
    elif name is None and part.kind == "text/calendar":
        name = "invitation.ics"
    shown = part.content_id is not None and f"cid:{part.content_id}" in html
    return Found(
        name=name,
        content_type="message/rfc822" if part.kind in _MAILS else part.kind,
        size=part.size,
        read=part.content,
        content_id=part.content_id,
        inline=shown or part.disposition == "inline",
    )
