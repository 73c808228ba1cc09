"""How SendGrid's Event Webhook calls us: batches that mix messages, told again, in any order (messaging facts 4.3)."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import requests

from tests.standins.sendgrid_inbound import Delivery, SendGridInbound
from tests.standins.sendgrid_lists import Lists

if TYPE_CHECKING:
    from tests.standins.sendgrid import Mail

Event = dict[str, Any]

_DETAILS: dict[str, Event] = {
    "delivered": {"response": "250 OK"},
    "deferred": {"response": "450 try later", "attempt": "1"},
    "bounce": {
        "reason": "550 5.1.1 no such user",
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
    },
    "open": {"useragent": "Mozilla/5.0", "sg_machine_open": True},
    "click": {"useragent": "Mozilla/5.0", "url": "https://north.example/", "url_offset": {"index": 0}},
    "group_unsubscribe": {"asm_group_id": 10},
    "group_resubscribe": {"asm_group_id": 10},
}
# Which list an event puts its address on; a bounce that is `blocked` goes on `blocks` instead.
_LISTED = {"bounce": "bounces", "spamreport": "spam_reports", "unsubscribe": "unsubscribes"}


def event_of(mail: Mail, email: str, kind: str, lists: Lists, now: datetime, extra: Event) -> Event:
    """One event object; our custom arguments stand at its top level, and an address may come onto a list."""
    event = {
        "email": email,
        "timestamp": int(now.timestamp()),
        "event": kind,
        "sg_event_id": secrets.token_urlsafe(32),
        "sg_message_id": f"{mail.x_message_id}.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": mail.headers.get("Message-ID", f"<{mail.x_message_id}@ismtpd0039p1iad1.sendgrid.net>"),
        **_DETAILS.get(kind, {}),
        **({"reason": lists.reason_to_drop(email) or "Spam Content"} if kind == "dropped" else {}),
        **mail.custom_args,
        **extra,
    }
    listed = "blocks" if event.get("type") in ("blocked", "expired") else _LISTED.get(kind)
    if listed is not None:
        lists.add(listed, email, now, reason=event.get("reason", ""), status=event.get("status", ""))
    return event


def told_again(events: Sequence[Event], times: int = 1) -> list[Event]:
    """The same events once more as SendGrid may repeat them: with another `sg_event_id` (messaging facts 6.32)."""
    return [{**event, "sg_event_id": secrets.token_urlsafe(32)} for _ in range(times) for event in events]


def mixed_up(events: Sequence[Event], seed: int) -> list[Event]:
    """The events in some other order, always the same one for a seed."""
    shuffled = list(events)
    random.Random(seed).shuffle(shuffled)
    return shuffled


class SendGridEvents(SendGridInbound):
    """Posts batches of events to our webhook."""

    def post_events(
        self, url: str, events: Sequence[Mapping[str, Any]], *, sign: str = "good"
    ) -> requests.Response:
        """Post a batch: a JSON array with CRLF between events and at the end, signed over these very bytes."""
        lines = [json.dumps(event, separators=(",", ":")).encode() for event in events]
        return self.post_event_bytes(url, b"[" + b",\r\n".join(lines) + b"]\r\n", sign=sign)

    def post_event_bytes(
        self, url: str, body: bytes, *, sign: str = "good", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Post any bytes as the event webhook; `headers` replace those of a signed post."""
        sent = {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": "SendGrid Event API",
            **self.signer.headers(body, sign, self.clock()),
            **(headers or {}),
        }
        return requests.post(url, data=body, headers=sent, timeout=10, allow_redirects=False)

    def deliver_events(
        self,
        url: str,
        events: Sequence[Mapping[str, Any]],
        *,
        batch: int = 1000,
        attempts: int = 4,
        sign: str = "good",
        between: Callable[[int], None] | None = None,
    ) -> list[Delivery]:
        """post_events in batches with SendGrid's retry rule: 2xx done, anything else again, for a day in reality.

        `between(attempt)` is called before each repetition, for a test to mend what was broken. A repetition is signed
        afresh, over the same bytes.
        """
        return [
            self._until_taken(url, events[start : start + batch], attempts, sign, between)
            for start in range(0, len(events), batch)
        ]

    def _until_taken(
        self,
        url: str,
        events: Sequence[Mapping[str, Any]],
        attempts: int,
        sign: str,
        between: Callable[[int], None] | None,
    ) -> Delivery:
        delivery = Delivery("gave_up")
        for attempt in range(attempts):
            if attempt and between:
                between(attempt)
            try:
                response: requests.Response | None = self.post_events(url, events, sign=sign)
            except requests.RequestException:
                response = None
            delivery.responses.append(response)
            if response is not None and 200 <= response.status_code < 300:
                delivery.outcome = "delivered"
                break
        return delivery
