"""What an email of ours looks like: subject, addresses, ids, the HTML next to the plain text."""

from __future__ import annotations

import html
import re
import uuid

_PREFIX = re.compile(r"^(?:\s*(?:re|aw|sv|fw|fwd|wg)\s*(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


def one_line(value: str, limit: int = 900) -> str:
    """A header value that cannot begin another header: no line breaks, no control characters."""
    return _CONTROL.sub(" ", value).strip()[:limit]


def base_subject(subject: str | None) -> str:
    """The subject without any `Re:`, `Fwd:` and the like, in one line; may be empty."""
    return _PREFIX.sub("", one_line(subject or "")).strip()


def reply_subject(subject: str | None, fallback: str) -> str:
    """The subject of an answer: exactly one `Re:`, so that mail programs keep one thread."""
    return f"Re: {base_subject(subject) or one_line(fallback)}"


def reply_address(mailbox: str, token: str) -> str:
    """The mailbox with the session's token in its plus part: `shop+k3v9@north.example`."""
    local, _, domain = mailbox.partition("@")
    return f"{local}+{token}@{domain}"


def split_address(address: str) -> tuple[str, str | None]:
    """An address into the mailbox and the tag in its plus part, if any; both in lower case."""
    local, at, domain = address.strip().lower().rpartition("@")
    name, plus, tag = local.partition("+")
    return f"{name}{at}{domain}", (tag or None) if plus else None


def message_id(outbox_id: uuid.UUID, from_address: str) -> str:
    """Our own Message-ID for an outbound mail, under the domain it comes from."""
    return f"<{outbox_id}@{from_address.rpartition('@')[2]}>"


def html_body(text: str) -> str:
    """The same words as HTML: escaped, paragraphs kept, addresses of web pages made links."""
    paragraphs = re.split(r"\n{2,}", text.replace("\r\n", "\n").strip())
    body = "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in paragraphs)
    return f'<!doctype html><html><body style="font-family:sans-serif">{body}</body></html>'


def _inline(paragraph: str) -> str:
    escaped: list[str] = []
    position = 0
    for match in _LINK.finditer(paragraph):
        url = html.escape(match.group())
        escaped += [html.escape(paragraph[position : match.start()]), f'<a href="{url}">{url}</a>']
        position = match.end()
    return "".join([*escaped, html.escape(paragraph[position:])]).replace("\n", "<br>")
