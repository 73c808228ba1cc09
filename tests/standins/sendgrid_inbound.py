"""How the SendGrid stand-in calls us: Inbound Parse (messaging facts 4.1); events are in `sendgrid_events`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

import requests

from tests.standins.base import StandIn, system_clock
from tests.standins.sendgrid_signing import EventSigner

BOUNDARY = "xYzZY"  # The constant in SendGrid's posts; lengthened when a mail happens to contain it.


@dataclass(frozen=True)
class Attachment:
    """A file of a parsed-mode post."""

    filename: str
    content: bytes
    type: str = "application/octet-stream"
    content_id: str | None = None


@dataclass
class Delivery:
    """Fate of an inbound mail: delivered, dropped (for good) or gave_up (really 72 h later)."""

    outcome: str
    responses: list[requests.Response | None] = field(default_factory=list)

    @property
    def statuses(self) -> list[int | None]:
        """Our answers; None for a failed connection."""
        return [None if response is None else response.status_code for response in self.responses]


def compose(
    from_: str,
    to: str,
    subject: str,
    text: str,
    html: str | None = None,
    message_id: str | None = None,
    in_reply_to: str | None = None,
    references: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A whole MIME mail as bytes with CRLF; `message_id=""` leaves the Message-ID out."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = from_, to, subject
    mail["Date"] = format_datetime(system_clock())
    if message_id != "":
        mail["Message-ID"] = message_id or make_msgid(domain="mail.example.com")
    for name, value in (("In-Reply-To", in_reply_to), ("References", references)):
        if value:
            mail[name] = value
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class SendGridInbound(StandIn):
    """Posts to our webhooks; `signer` holds the key, `public_key` is what we configure on our side."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signer = EventSigner()

    @property
    def public_key(self) -> str:
        """Base64 SPKI DER without PEM armour, as SendGrid shows it."""
        return self.signer.public_key

    def post_inbound(
        self,
        url: str,
        *,
        raw: bytes | None = None,
        fields: Mapping[str, str | bytes] | None = None,
        envelope_to: str | Sequence[str] = "shop@in.example.com",
        envelope_from: str = "",
        attachments: Sequence[Attachment] = (),
        charsets: Mapping[str, str] | None = None,
        sign: str = "good",
    ) -> requests.Response:
        """Post one mail in raw mode (raw given) or parsed mode (fields given) and return our answer.

        Text fields are encoded in the charset that `charsets` names for them; bytes go out as they are.
        sign: good, wrong, none. `envelope_from` stays empty for bounces.
        """
        parts = inbound_parts(raw, fields or {}, envelope_to, envelope_from, attachments, charsets)
        boundary = BOUNDARY
        while any(boundary.encode() in part for part in parts):
            boundary += "1"
        edge = f"--{boundary}".encode()
        body = b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "User-Agent": "SendGrid",
            **self.signer.headers(body, sign, self.clock()),
        }
        return requests.post(url, data=body, headers=headers, timeout=10, allow_redirects=False)

    def deliver_inbound(
        self, url: str, *, attempts: int = 4, between: Callable[[int], None] | None = None, **mail: Any
    ) -> Delivery:
        """post_inbound with SendGrid's retry rule: 2xx done, 5xx or no connection again, all else dropped.

        `between(attempt)` is called before each repetition, for a test to mend what was broken.
        """
        delivery = Delivery("gave_up")
        for attempt in range(attempts):
            if attempt and between:
                between(attempt)
            try:
                response: requests.Response | None = self.post_inbound(url, **mail)
            except requests.RequestException:
                response = None
            delivery.responses.append(response)
            if response is not None and response.status_code < 500:
                delivery.outcome = "delivered" if response.ok and response.status_code < 300 else "dropped"
                break
        return delivery


def inbound_parts(
    raw: bytes | None,
    fields: Mapping[str, str | bytes],
    envelope_to: str | Sequence[str],
    envelope_from: str,
    attachments: Sequence[Attachment],
    charsets: Mapping[str, str] | None,
) -> list[bytes]:
    """The parts of the form with the documented field names (messaging facts 4.1)."""
    to = [envelope_to] if isinstance(envelope_to, str) else list(envelope_to)
    common: dict[str, str | bytes] = {
        "dkim": "none",
        "SPF": "pass",
        "sender_ip": "192.0.2.10",
        "envelope": json.dumps({"to": to, "from": envelope_from}),
        "from": envelope_from,
        "to": ", ".join(to),
        "subject": "",
    }
    declared = dict(charsets or {})
    if raw is not None:
        common["email"] = raw
    else:
        common["attachments"] = str(len(attachments))
        common |= _attachment_fields(attachments)
    merged = {**common, **fields}
    names = [name for name in ("to", "html", "subject", "from", "text", "cc") if name in merged]
    declared = {**dict.fromkeys(names, "UTF-8"), **declared}
    merged["charsets"] = json.dumps(declared)
    parts = [_part(name, value, declared.get(name, "UTF-8")) for name, value in merged.items()]
    parts += [_file_part(number, each) for number, each in enumerate(attachments, 1) if raw is None]
    return parts


def _attachment_fields(attachments: Sequence[Attachment]) -> dict[str, str | bytes]:
    if not attachments:
        return {}
    info: dict[str, dict[str, str]] = {}
    ids = {}
    for number, each in enumerate(attachments, 1):
        key = f"attachment{number}"
        info[key] = {"filename": each.filename, "name": each.filename, "type": each.type}
        if each.content_id:
            info[key]["content-id"] = each.content_id
            ids[each.content_id] = key
    found: dict[str, str | bytes] = {"attachment-info": json.dumps(info)}
    return {**found, "content-ids": json.dumps(ids)} if ids else found


def _part(name: str, value: str | bytes, charset: str) -> bytes:
    data = value if isinstance(value, bytes) else value.encode(charset, "replace")
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data


def _file_part(number: int, each: Attachment) -> bytes:
    # The part's own file name is the unreliable one; the real name is in attachment-info.
    mangled = each.filename.encode("ascii", "replace").decode().replace('"', "_")
    head = (
        f'Content-Disposition: form-data; name="attachment{number}"; filename="{mangled}"\r\n'
        f"Content-Type: {each.type}\r\n\r\n"
    )
    return head.encode() + each.content
