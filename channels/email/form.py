"""The multipart form SendGrid posts, split as bytes: each field in the mail's own charset."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from channels.email.charset import decode

_MAX_PARTS = 1000


class BadForm(ValueError):
    """The body is no multipart form, or is cut off before its first field."""


@dataclass(frozen=True)
class InboundForm:
    """The fields of one post. `files` counts attachments."""

    fields: dict[str, bytes]
    files: int

    def text(self, name: str) -> str:
        """A field as text, in the charset `charsets` names for it; empty when it is absent."""
        return decode(self.fields.get(name, b""), self._charsets().get(name))

    def json_object(self, name: str) -> dict[str, Any]:
        """A field holding a JSON object; empty when it is absent or something else."""
        try:
            value = json.loads(decode(self.fields.get(name, b""), None))
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def recipients(self) -> list[str]:
        """The envelope's recipients in lower case: whom the mail was really for (messaging facts 4.1)."""
        to = self.json_object("envelope").get("to")
        given = to if isinstance(to, list) else [to]
        return [address.strip().lower() for address in given if isinstance(address, str)]

    @property
    def envelope_from(self) -> str | None:
        """The envelope's sender; empty for a bounce, None when the envelope is missing."""
        sender = self.json_object("envelope").get("from")
        return sender.strip().lower() if isinstance(sender, str) else None

    def _charsets(self) -> dict[str, str]:
        return {k: v for k, v in self.json_object("charsets").items() if isinstance(v, str)}


def parse_form(raw: bytes, content_type: str) -> InboundForm:
    """Split a multipart/form-data body. Raises BadForm when there is not even one field.

    Werkzeug's form parser is not used on purpose: it answers 413 to a field over 500 kB and decodes as UTF-8,
    and SendGrid drops mail for good on any 4xx (messaging facts 0).
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise BadForm(BadForm.__doc__)
    try:
        fields, files = _split(raw, boundary.encode("latin-1", "replace"))
    except UnicodeError as error:
        raise BadForm(BadForm.__doc__) from error
    if not fields:
        raise BadForm(BadForm.__doc__)
    return InboundForm(fields, files)


def _split(raw: bytes, boundary: bytes) -> tuple[dict[str, bytes], int]:
    decoder = MultipartDecoder(boundary, max_form_memory_size=None)
    decoder.receive_data(raw)
    decoder.receive_data(None)
    fields: dict[str, bytes] = {}
    files, current = 0, None
    for _ in range(_MAX_PARTS * 4):
        try:
            event = decoder.next_event()
        except ValueError:
            # Cut off: what came before is worth keeping.
            break
        if isinstance(event, File):
            files, current = files + 1, None
        elif isinstance(event, Field):
            current = event.name
        elif isinstance(event, Data) and current is not None:
            fields[current] = fields.get(current, b"") + event.data
        elif isinstance(event, (Epilogue, NeedData)):
            break
    return fields, files
