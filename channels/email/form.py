"""The multipart form SendGrid posts, split as bytes: each field in the mail's own charset."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from channels.email.charset import decode
from channels.email.headers import parameters, parse_headers, split_head
from crm.text import storable

MOST_FIELDS = 1000
MOST_RECIPIENTS = 100
LONGEST_JSON = 1_000_000
# What SendGrid calls the fields of a post (messaging facts 4.1): they are fields, whatever a part says it is.
_FIELDS = frozenset(
    {"headers", "email", "text", "html", "subject", "from", "to", "cc", "envelope", "charsets", "attachments",
     "attachment-info", "content-ids", "dkim", "SPF", "spam_score", "spam_report", "sender_ip"}
)  # fmt: skip
_TEXTS = ("text", "html")
_FILE = re.compile(r"attachment\d{1,6}")


class BadForm(ValueError):
    """The body is no multipart form, or is cut off before its first field."""


@dataclass(frozen=True)
class FormFile:
    """A file part of a post in parsed mode; `field` like `attachment1`, the name is the part's own, often mangled."""

    field: str
    filename: str | None
    content_type: str
    content: bytes


@dataclass(frozen=True)
class InboundForm:
    """The fields and files of one post."""

    fields: dict[str, bytes]
    files: tuple[FormFile, ...] = ()

    def text(self, name: str) -> str:
        """A field as text, in the charset `charsets` names for it; empty when it is absent."""
        return decode(self.fields.get(name, b""), self._charsets().get(name))

    def json_object(self, name: str) -> dict[str, Any]:
        """A field holding a JSON object; empty when it is absent or something else."""
        try:
            value = json.loads(decode(self.fields.get(name, b"")[:LONGEST_JSON], None))
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def recipients(self) -> list[str]:
        """The envelope's recipients in lower case: whom the mail was really for (messaging facts 4.1). JSON can write
        characters that no database holds, so they are taken out here."""
        to = self.json_object("envelope").get("to")
        given = to if isinstance(to, list) else [to]
        addresses = [storable(one).strip().lower() for one in given if isinstance(one, str)]
        return addresses[:MOST_RECIPIENTS]

    @property
    def envelope_from(self) -> str | None:
        """The envelope's sender; empty for a bounce, None when the envelope is missing."""
        sender = self.json_object("envelope").get("from")
        return storable(sender).strip().lower() if isinstance(sender, str) else None

    def _charsets(self) -> dict[str, str]:
        return {k: v for k, v in self.json_object("charsets").items() if isinstance(v, str)}


def parse_form(raw: bytes, content_type: str) -> InboundForm:
    """Split a multipart/form-data body. Raises BadForm when there is not even one field.

    Werkzeug's form parser is not used on purpose: it answers 413 to a field over 500 kB, 400 to a part without a name,
    and decodes as UTF-8, while SendGrid drops mail for good on any 4xx (messaging facts 0). What is cut off keeps what
    came before.
    """
    kind, options = parameters(content_type)
    boundary = options.get("boundary", "").encode("utf-8", "replace")
    if kind != "multipart/form-data" or not boundary:
        raise BadForm(BadForm.__doc__)
    fields: dict[str, bytes] = {}
    files: list[FormFile] = []
    for start, end in _spans(raw, boundary):
        head_end, body = split_head(raw, start, end)
        _take(parse_headers(raw[start:head_end]), raw[body:end], fields, files)
    if not fields and not files:
        raise BadForm(BadForm.__doc__)
    return InboundForm(fields, tuple(files))


def _spans(raw: bytes, boundary: bytes) -> list[tuple[int, int]]:
    """Where each part begins and ends. The first boundary may have anything in front of it, the last one be missing."""
    line = rb"--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)"
    edge = re.compile(rb"\n" + line)
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    if (first := re.match(line, raw)) is not None:
        begin = None if first.group(1) else raw.find(b"\n", first.end()) + 1 or len(raw)
    for match in edge.finditer(raw):
        if begin is not None:
            end = match.start() - (raw[match.start() - 1 : match.start()] == b"\r")
            spans.append((begin, max(begin, end)))
        begin = None if match.group(1) else raw.find(b"\n", match.end()) + 1 or len(raw)
        if match.group(1) or len(spans) >= MOST_FIELDS:
            break
    if begin is not None and len(spans) < MOST_FIELDS and begin < len(raw):
        spans.append((begin, len(raw)))
    return spans


def _take(headers: dict[str, str], content: bytes, fields: dict[str, bytes], files: list[FormFile]) -> None:
    disposition, named = parameters(headers.get("content-disposition", ""))
    name = named.get("name", "")
    if disposition != "form-data" or not name:
        return
    if name not in _FIELDS and ("filename" in named or _FILE.fullmatch(name)):
        kind = parameters(headers.get("content-type", ""))[0]
        files.append(
            FormFile(name, named.get("filename") or None, kind or "application/octet-stream", content)
        )
    elif name not in fields:
        fields[name] = content
    elif name in _TEXTS:
        # Nothing that somebody wrote is lost because it came in two pieces.
        fields[name] += b"\n" + content
