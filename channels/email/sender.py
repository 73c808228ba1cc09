"""Outbound email: SendGrid, and a local stand-in for a laptop without a key."""

from __future__ import annotations

import base64
import logging
import threading
from http.client import HTTPException
from typing import Any

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Attachment as MailAttachment
from sendgrid.helpers.mail import (
    ClickTracking,
    Content,
    CustomArg,
    Disposition,
    Email,
    FileContent,
    FileName,
    FileType,
    Header,
    Mail,
    OpenTracking,
    To,
    TrackingSettings,
)

from channels.carrier import Accepted, Attachment, CarrierError, Outgoing
from channels.email.errors import from_http, from_network
from channels.email.text import html_body, message_id, one_line

_TIMEOUT_S = 10
_MAX_REFERENCES = 20
# Answers to a person; all other mail of ours is generated (RFC 3834, messaging facts 4.5).
_ANSWERS = frozenset({"reply", "consent"})

# At DEBUG the SDK's transport logs the Authorization header and the whole mail (messaging facts 4.2).
logging.getLogger("python_http_client").setLevel(logging.WARNING)


class SendGridSender:
    """Sends through SendGrid's mail/send with the official SDK. Safe to share between threads."""

    carrier = "sendgrid"

    def __init__(self, api_key: str, host: str = "https://api.sendgrid.com") -> None:
        self._api_key, self._host = api_key.strip(), host
        self._local = threading.local()

    def send(self, message: Outgoing) -> Accepted:
        """Hand over one mail. Raises CarrierError; SendGrid knows no idempotency key, so a time-out, a
        reset or a 5xx is uncertain (messaging facts 4.2)."""
        body = build_mail(message).get()
        try:
            response = self._client().client.mail.send.post(request_body=body)
        except HTTPError as error:
            raise from_http(error.status_code, error.body, error.headers) from error
        except (OSError, HTTPException) as error:
            raise from_network(error) from error
        carrier_id = response.headers.get("X-Message-Id") if response.headers else None
        if response.status_code != 202 or not carrier_id:
            # A proxy's own page, for one. Who knows what lies behind it.
            raise CarrierError(
                f"the answer ({response.status_code}) was not SendGrid's",
                kind="uncertain",
                code=str(response.status_code),
            )
        return Accepted(self.carrier, str(carrier_id), "accepted")

    def find(self, message: Outgoing) -> Accepted | None:
        """Always raises CarrierError (permanent): without its event webhook SendGrid cannot be asked.

        None would say that it was asked and has no sign of the mail, and the outbox would send it once more.
        """
        raise CarrierError(
            "SendGrid cannot be asked what became of a mail", kind="permanent", code="cannot_ask"
        )

    def _client(self) -> Any:
        # The SDK shares and mutates its request headers, hence one client per thread; its default is no time-out.
        client = getattr(self._local, "client", None)
        if client is None:
            client = SendGridAPIClient(self._api_key, host=self._host)
            client.client.timeout = _TIMEOUT_S
            self._local.client = client
        return client


class LocalEmailSender:
    """Accepts mail and sends it nowhere: what runs when SENDGRID_API_KEY is not set."""

    carrier = "local"

    def send(self, message: Outgoing) -> Accepted:
        """Accept the mail."""
        return Accepted(self.carrier, str(message.outbox_id), "accepted")

    def find(self, message: Outgoing) -> Accepted | None:
        """Nothing can get lost on the way, so it is always there."""
        return self.send(message)


def build_mail(message: Outgoing) -> Mail:
    """One mail to one person: plain text, the same words in HTML, thread headers, no tracking."""
    mail = Mail(
        from_email=Email(one_line(message.from_address), one_line(message.from_name or "") or None),
        to_emails=To(one_line(message.to_address)),
        subject=one_line(message.subject or "") or "Your request",
    )
    mail.add_content(Content("text/plain", message.body))
    mail.add_content(Content("text/html", html_body(message.body)))
    if message.reply_to:
        mail.reply_to = Email(one_line(message.reply_to))
    for attachment in message.attachments:
        mail.add_attachment(_attached(attachment))
    for name, value in _headers(message).items():
        mail.add_header(Header(name, value))
    # The only trace of ours that comes back in events; opaque, because SendGrid keeps it (messaging facts 4.2).
    mail.add_custom_arg(CustomArg("outbox_id", str(message.outbox_id)))
    tracking = TrackingSettings()
    tracking.click_tracking = ClickTracking(False, False)
    tracking.open_tracking = OpenTracking(False)
    mail.tracking_settings = tracking
    return mail


def _attached(attachment: Attachment) -> MailAttachment:
    # The API wants Base64 and refuses parameters in the media type.
    return MailAttachment(
        FileContent(base64.b64encode(attachment.content).decode("ascii")),
        FileName(attachment.name),
        FileType(attachment.kind),
        Disposition("attachment"),
    )


def _headers(message: Outgoing) -> dict[str, str]:
    answer = message.kind in _ANSWERS
    headers = {
        "Message-ID": message.rfc_message_id or message_id(message.outbox_id, message.from_address),
        "Auto-Submitted": "auto-replied" if answer else "auto-generated",
    }
    references = (message.rfc_references or "").split()[-_MAX_REFERENCES:]
    if references:
        headers["References"] = " ".join(references)
    if in_reply_to := message.in_reply_to or (references[-1] if references else None):
        headers["In-Reply-To"] = in_reply_to
    if message.kind == "touch":
        headers["X-Auto-Response-Suppress"] = "All"
        if message.reply_to:
            headers["List-Unsubscribe"] = f"<mailto:{message.reply_to}?subject=unsubscribe>"
    return {name: one_line(value, 8000) for name, value in headers.items()}
