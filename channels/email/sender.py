"""Outbound email: SendGrid, and a local stand-in for a laptop without a key."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from channels.carrier import UNREPORTED, Accepted, CarrierError, Outgoing
from channels.email.build import build_mail
from channels.email.errors import INSTALLATION, from_http, from_network

_TIMEOUT_S = 10
API_HOST = "https://api.sendgrid.com"

# At DEBUG the SDK's transport logs the Authorization header and the whole mail (messaging facts 4.2).
logging.getLogger("python_http_client").setLevel(logging.WARNING)


@dataclass
class SendGridSender:
    """Sends through SendGrid's mail/send with the official SDK. Safe to share between threads.

    `subuser`: on whose behalf, with a key of the account above it. `sender_domain`: what mail comes from instead of the
    mailbox's own domain; answers go to the mailbox all the same. `events`: SendGrid reports what becomes of a mail.
    `whose`: how an owner knows the key.
    """

    api_key: str = field(repr=False)
    host: str = API_HOST
    subuser: str | None = None
    sender_domain: str | None = None
    events: bool = False
    whose: str = INSTALLATION
    carrier: str = field(default="sendgrid", init=False)
    _local: threading.local = field(default_factory=threading.local, init=False, repr=False, compare=False)

    def send(self, message: Outgoing) -> Accepted:
        """Hand over one mail. Raises CarrierError; SendGrid knows no idempotency key, so a time-out, a
        reset or a 5xx is uncertain (messaging facts 4.2)."""
        body = build_mail(message, self.sender_domain).get()
        try:
            response = self._client().client.mail.send.post(request_body=body)
        except HTTPError as error:
            raise from_http(error.status_code, error.body, error.headers, whose=self.whose) from error
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
        """Always raises CarrierError: SendGrid cannot be asked what it has. With its event webhook it tells by itself
        within minutes (`transient`: look again, a few times), without it never does (`permanent`).

        None would say that it was asked and has no sign of the mail, and the outbox would send it once more.
        """
        if self.events:
            raise CarrierError(
                "SendGrid has not reported what became of this mail yet", kind="transient", code=UNREPORTED
            )
        raise CarrierError(
            "SendGrid cannot be asked what became of a mail", kind="permanent", code="cannot_ask"
        )

    def _client(self) -> Any:
        # The SDK shares and mutates its request headers, hence one client per thread; its default is no time-out.
        client = getattr(self._local, "client", None)
        if client is None:
            client = SendGridAPIClient(self.api_key.strip(), host=self.host, impersonate_subuser=self.subuser)
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
