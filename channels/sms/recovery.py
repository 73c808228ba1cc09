"""Texts that no webhook brought: what Twilio lists for a number, and the same inbox for what is missing here.

Twilio does not come again by itself (messaging facts 0.7), so a message whose webhook and fallback failed exists only
in its list (1.3). The unique message SID makes looking twice, or a webhook that comes after all, harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests
import structlog
from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from channels.inbox import receive
from channels.sms.client import API
from channels.sms.inbound import MOST_MEDIA, NotAText, inbound_of
from channels.sms.quarantine import SOURCE, keep
from channels.sms.sender import as_carrier_error
from crm.db import Database
from crm.leads import NoIdentity
from crm.models import ChatMessage, WebhookEvent
from ops.queue import WakeQueue

log = structlog.get_logger(__name__)

# A webhook may be on its way for so long: two time-outs of 15 s, and the fallback's.
STILL_COMING = timedelta(minutes=2)
# Looked at again each time, because the list may show a message late and clocks differ.
OVERLAP = timedelta(hours=1)
# What is older is not answered as if it had just come: a person of the shop is told.
TOO_OLD = timedelta(hours=12)
PAGE = 100
MOST = 5000


@dataclass(frozen=True)
class Listed:
    """One inbound message as Twilio lists it. `created` is aware UTC; `fields` has the shape of a webhook's form."""

    sid: str
    created: datetime
    media: int
    fields: dict[str, Any]


@dataclass(frozen=True)
class TwilioList:
    """Twilio's list of messages, of one account."""

    client: Client

    def inbound(self, to: str, since: datetime, until: datetime) -> list[Listed]:
        """What came in to a number of ours between two moments, oldest first. Raises CarrierError.

        Without Twilio's filter by date: a text that never reached anybody may have no date that it filters by. The
        list is newest first, so it ends where the time asked for begins.
        """
        found = []
        try:
            for row in self._newest(to):
                made = _utc(row.date_created)
                if made < since:
                    break
                if made <= until and str(row.direction) == "inbound":
                    found.append(_listed(row, made))
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise as_carrier_error(error) from error
        return sorted(found, key=lambda one: one.created)

    def media(self, listed: Listed) -> dict[str, str]:
        """The parameters that name a listed message's pictures, as its webhook would have had them. Raises
        CarrierError."""
        if not listed.media:
            return {}
        try:
            rows = self.client.messages(listed.sid).media.list(limit=MOST_MEDIA)
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise as_carrier_error(error) from error
        named: dict[str, str] = {}
        for place, row in enumerate(rows):
            named[f"MediaUrl{place}"] = f"{API}{str(row.uri).removesuffix('.json')}"
            named[f"MediaContentType{place}"] = str(row.content_type)
        return named

    def _newest(self, to: str) -> Iterator[Any]:
        return iter(self.client.messages.stream(to=to, page_size=PAGE, limit=MOST))


@dataclass(frozen=True)
class Recovery:
    """Puts into the inbox of one location what is listed and not stored."""

    db: Database
    queue: WakeQueue
    tenant_id: int
    location_id: int
    we_confirm_stops: bool

    def recover(self, source: TwilioList, to: str, since: datetime, now: datetime) -> int:
        """Look from `since` on; returns how many messages were stored that no webhook had brought. Raises CarrierError,
        and the database's errors: what was stored until then stays, and looking again is harmless."""
        listed = source.inbound(to, since - OVERLAP, now - STILL_COMING)
        with self.db.tenant(self.tenant_id) as session:
            known = _known(session, [one.sid for one in listed])
        missing = [one for one in listed if one.sid not in known]
        return sum(self._take(one, {**one.fields, **source.media(one)}, now) for one in missing)

    def _take(self, listed: Listed, fields: dict[str, Any], now: datetime) -> bool:
        try:
            message = inbound_of(
                fields,
                tenant_id=self.tenant_id,
                location_id=self.location_id,
                received_at=now,
                sent_at=listed.created,
                fresh=now - listed.created < TOO_OLD,
            )
            receipt = receive(self.db, self.queue, message, we_confirm_stops=self.we_confirm_stops)
        except (NotAText, NoIdentity, DataError) as error:
            # What the database will never take must not keep what comes after it from being stored.
            why = "the database cannot hold it" if isinstance(error, DataError) else str(error)
            body = urlencode(fields).encode()
            keep(self.db, sid=listed.sid, body=body, why=why, now=now, tenant_id=self.tenant_id)
            return False
        if not receipt.duplicate:
            log.warning("text_recovered", sid=listed.sid, late_s=int((now - listed.created).total_seconds()))
        return not receipt.duplicate


def _known(session: Session, sids: list[str]) -> set[str]:
    """Which of these are stored already, in a conversation or kept aside."""
    if not sids:
        return set()
    stored = session.scalars(
        select(ChatMessage.carrier_id).where(ChatMessage.channel == "sms", ChatMessage.carrier_id.in_(sids))
    )
    aside = session.scalars(
        select(WebhookEvent.dedupe_key).where(
            WebhookEvent.source == SOURCE, WebhookEvent.dedupe_key.in_(sids)
        )
    )
    return {sid for sid in (*stored, *aside) if sid}


def _listed(row: Any, created: datetime) -> Listed:
    """A listed message with the names of a webhook's parameters; what only the list tells has names of its own."""
    media = int(row.num_media or 0)
    fields = {
        "MessageSid": str(row.sid),
        "AccountSid": str(row.account_sid or ""),
        "MessagingServiceSid": str(row.messaging_service_sid or ""),
        "From": str(row.from_ or ""),
        "To": str(row.to or ""),
        "Body": str(row.body or ""),
        "NumMedia": str(media),
        "NumSegments": str(row.num_segments or ""),
        "SmsStatus": str(row.status or ""),
        "ApiVersion": str(row.api_version or ""),
        "ListedDateCreated": created.isoformat(),
        "ListedDateSent": _utc(row.date_sent).isoformat() if row.date_sent else "",
    }
    return Listed(str(row.sid), created, media, {name: value for name, value in fields.items() if value})


def _utc(moment: datetime) -> datetime:
    """The SDK's dates are aware; one without a zone would be Twilio's UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
