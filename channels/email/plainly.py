"""The plainest reading of a mail there is, for one whose careful reading failed: it must not be lost.

It shares as little as can be with the careful way, so that one mistake does not break both: it looks for text in the
bytes, decodes it, strips tags and stops at the first sign of a quote. Files stay in the stored mail.
"""

from __future__ import annotations

import binascii
import json
import re

from channels.email.mail import Automatic, ParsedEmail, Words
from crm.text import storable

_MOST = 400_000
_LONGEST = 20_000
_TAG = re.compile(r"<[^<>]{0,2000}>")
_ADDRESS = re.compile(r"[^\s<>,;:\"'\\()\[\]@]{1,64}@[^\s<>,;:\"'\\()\[\]@]{1,190}\.[A-Za-z0-9-]{2,60}")
_QUOTE = re.compile(
    r"^(?:>|On\b.{0,300}\bwrote:|El\b.{0,300}\bescribi.:|-{3,} ?(?:Original|Forwarded)|_{10,}|From: )"
)
_MACHINE = re.compile(
    r"^(?:auto-submitted:(?!\s*no\s*$)|precedence:\s*(?:bulk|list|junk|auto)|list-id:|list-unsubscribe:|x-auto"
    r"|x-failed-recipients:|feedback-id:|return-path:\s*<>|content-type:\s*multipart/report)",
    re.IGNORECASE | re.MULTILINE,
)


def parse_email_plainly(raw: bytes, content_type: str) -> ParsedEmail:
    """What can be had of a post without understanding it. Raises nothing but what the machine itself raises.

    `words.text` may hold less than the person wrote only where it looks like a quote; `words.full` has everything.
    The mail counts as a machine's on the slightest sign, because nobody may be answered for ever.
    """
    fields = _fields(raw[: _MOST * 20])
    envelope = _envelope(fields.get("envelope", b""))
    source = fields.get("email", b"") or fields.get("headers", b"")
    head = _text(source.partition(b"\r\n\r\n" if b"\r\n\r\n" in source else b"\n\n")[0][:_MOST])
    full = _body(fields)
    subject = _header(head, "subject") or _text(fields.get("subject", b"")[:2000])
    subject = " ".join(subject.split())[:500]
    sender = _ADDRESS.search(_header(head, "from") or _text(fields.get("from", b"")[:2000]))
    ids = re.findall(r"<[^<>\s]{1,900}>", _header(head, "message-id"))
    thread = f"{_header(head, 'references')} {_header(head, 'in-reply-to')}"
    return ParsedEmail(
        recipients=tuple(one.lower() for one in envelope[0]),
        envelope_from=envelope[1],
        sender=sender.group().lower() if sender else None,
        sender_name=None,
        subject=subject or None,
        words=Words(_own(full) or subject, full or subject),
        message_id=ids[0] if ids else None,
        references=tuple(re.findall(r"<[^<>\s]{1,900}>", thread)[-20:]),
        automatic=Automatic("auto_reply", "it looks like a machine's")
        if _is_machine(head, envelope[1])
        else None,
        files=(),
        date=_header(head, "date") or None,
        checks={name: _text(fields[name][:500]) for name in ("SPF", "dkim", "sender_ip") if name in fields},
    )


def _fields(raw: bytes) -> dict[str, bytes]:
    """The fields of the form by name; the first line says what stands between them."""
    edge = raw.lstrip(b"\r\n").partition(b"\n")[0].strip()
    found: dict[str, bytes] = {}
    for piece in raw.split(b"\n" + edge) if edge else [raw]:
        named = re.search(rb'name="?([\w-]{1,40})', piece[:1000])
        head, gap, content = piece.partition(b"\r\n\r\n" if b"\r\n\r\n" in piece[:2000] else b"\n\n")
        if named and gap and len(head) < 2000:
            found.setdefault(named.group(1).decode("ascii", "replace"), content.removesuffix(b"\r"))
    return found or {"text": raw}


def _envelope(raw: bytes) -> tuple[list[str], str | None]:
    try:
        value = json.loads(raw.decode("utf-8", "replace"))
        to = value.get("to")
        sender = value.get("from")
    except (ValueError, RecursionError, AttributeError):
        return [found.lower() for found in _ADDRESS.findall(_text(raw[:2000]))[:1]], None
    given = to if isinstance(to, list) else [to]
    recipients = [storable(one.strip()) for one in given if isinstance(one, str)]
    return recipients, storable(sender.strip().lower()) if isinstance(sender, str) else None


def _body(fields: dict[str, bytes]) -> str:
    for name in ("text", "html"):
        if found := _plain(_text(fields.get(name, b"")[:_MOST])):
            return found
    mail = fields.get("email", b"")
    for kind in (b"text/plain", b"text/html"):
        if found := "\n".join(_pieces(mail, kind)).strip():
            return found[:_LONGEST]
    return _plain(_text(mail[:_MOST]))


def _pieces(mail: bytes, kind: bytes) -> list[str]:
    """The texts of one kind in a mail: what follows a heading that names it, up to a line that begins with two dashes
    and says something."""
    found = []
    for piece in re.split(rb"\r?\n--(?=\S)[^\r\n]{1,200}\r?\n", b"\n" + mail)[:200]:
        head, _, body = piece.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        told = head[:20_000].lower()
        if kind in told and b"attachment" not in told:
            found.append(_plain(_text(_decoded(body[:_MOST], told))))
    return found


def _decoded(body: bytes, head: bytes) -> bytes:
    if b"quoted-printable" in head:
        return binascii.a2b_qp(body)
    if b"base64" in head:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        try:
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            return body
    return body


def _text(raw: bytes) -> str:
    try:
        return storable(raw.decode("utf-8"))
    except UnicodeError:
        return storable(raw.decode("latin-1"))


def _plain(text: str) -> str:
    if "<" in text and ">" in text:
        for tag in ("head", "style", "script"):
            text = _without(text, tag)
        text = _TAG.sub(" ", re.sub(r"<br\b[^<>]{0,200}>|</(?:p|div|tr|li)>", "\n", text))
    return "\n".join(" ".join(line.split()) for line in text.splitlines()).strip()[:_LONGEST]


def _without(text: str, tag: str) -> str:
    """The text without what stands between a tag and its end; a tag that never ends takes nothing away."""
    kept, place, lower = [], 0, text.lower()
    while len(lower) == len(text) and (start := lower.find(f"<{tag}", place)) >= 0:
        end = lower.find(f"</{tag}", start)
        if end < 0:
            break
        kept.append(text[place:start])
        place = end
    return "".join([*kept, text[place:]])


def _own(full: str) -> str:
    """The lines above the first one that looks like a quote; everything where that would be nothing."""
    own: list[str] = []
    for line in full.splitlines():
        if _QUOTE.match(line):
            break
        own.append(line)
    return "\n".join(own).strip() or full


def _header(head: str, name: str) -> str:
    found = re.search(
        rf"^{name}:(.{{0,5000}}(?:\n[ \t].{{0,2000}}){{0,50}})", head.replace("\r", ""), re.I | re.M
    )
    return found.group(1).strip() if found else ""


def _is_machine(head: str, envelope_from: str | None) -> bool:
    return envelope_from == "" or _MACHINE.search(head.replace("\r", "")) is not None
