"""Posts of inbound mail as SendGrid makes them, for the tests of reading mail."""

from __future__ import annotations

import json

from channels.email.parse import ParsedEmail, parse_email
from tests.standins.sendgrid import compose

CONTENT_TYPE = "multipart/form-data; boundary=xYzZY"
REPLY = "Tuesday at 9 works for me."


def form(**fields: str | bytes) -> bytes:
    """A post as SendGrid sends it; bytes go out as they are."""
    given = {"envelope": json.dumps({"to": ["shop@north.example"], "from": "dana@example.com"}), **fields}
    parts = []
    for name, value in given.items():
        data = value.encode() if isinstance(value, str) else value
        parts.append(
            f'--xYzZY\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        )
    return b"".join(parts) + b"--xYzZY--\r\n"


def parsed(**fields: str | bytes) -> ParsedEmail:
    """Such a post, read."""
    return parse_email(form(**fields), CONTENT_TYPE)


def raw_mail(text: str = REPLY, **extra: str | None) -> ParsedEmail:
    """A whole mail posted in raw mode, read."""
    mail = compose("Dana Reyes <Dana@Example.com>", "shop@north.example", "Re: Tint", text, **extra)  # type: ignore[arg-type]
    return parsed(email=mail)
