"""The job `media`: fetch one picture of a text and store it. The text itself never waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import update

from channels.sms.media import Fetched, MediaAway, MediaFetcher, MediaRefused
from crm.carrier_accounts import credentials_of, has_account
from crm.models import ChatMessage, MessageMedia
from ops.settings import secret
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=2)
# Right after the webhook a file can be missing for some seconds (messaging facts 1.5); after that something is wrong
# for longer. The last try is about a day after the first.
WAITS = (
    timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5),
    timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6), timedelta(hours=16),
)  # fmt: skip


@dataclass(frozen=True)
class _Wanted:
    """One claimed file."""

    media_id: int
    claimed_until: datetime
    tries: int
    url: str
    message_sid: str


def fetch_media(runtime: Runtime, tenant_id: int, media_id: int) -> str:
    """Fetch one file if it is owed, due and nobody has it. Returns its status, or why nothing was done."""
    wanted = _claim(runtime, tenant_id, media_id)
    if wanted is None:
        return "not due"
    result: Fetched | MediaRefused | MediaAway
    try:
        fetcher = fetcher_of(runtime, tenant_id)
        result = (
            MediaAway("no Twilio account is configured")
            if fetcher is None
            else fetcher.fetch(wanted.url, wanted.message_sid)
        )
    except (MediaRefused, MediaAway) as error:
        result = error
    return _settle(runtime, tenant_id, wanted, result)


def fetcher_of(runtime: Runtime, tenant_id: int) -> MediaFetcher | None:
    """What fetches for a tenant: with its own account, else with the installation's; None where there is neither."""
    settings = runtime.settings
    with runtime.db.tenant(tenant_id) as session:
        account = credentials_of(session, runtime.box) if has_account(session) else None
    if account is not None:
        return MediaFetcher(account.account_sid, account.auth_token, settings.twilio_api_base)
    token = secret(settings.twilio_auth_token)
    if not settings.twilio_account_sid or not token:
        return None
    return MediaFetcher(settings.twilio_account_sid, token, settings.twilio_api_base)


def _claim(runtime: Runtime, tenant_id: int, media_id: int) -> _Wanted | None:
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        claimed = session.execute(
            update(MessageMedia)
            .where(
                MessageMedia.id == media_id,
                MessageMedia.status == "owed",
                MessageMedia.next_try_at <= now,
                (MessageMedia.claimed_until.is_(None)) | (MessageMedia.claimed_until < now),
            )
            .values(claimed_until=now + CLAIM, tries=MessageMedia.tries + 1)
            .returning(MessageMedia.id)
        ).scalar_one_or_none()
        if claimed is None:
            return None
        row = session.get_one(MessageMedia, claimed, populate_existing=True)
        message = session.get_one(ChatMessage, row.message_id)
        return _Wanted(row.id, now + CLAIM, row.tries, row.url, message.carrier_id or "")


def _settle(
    runtime: Runtime, tenant_id: int, wanted: _Wanted, result: Fetched | MediaRefused | MediaAway
) -> str:
    now = runtime.clock.now()
    wait = WAITS[wanted.tries - 1] if wanted.tries <= len(WAITS) else None
    with runtime.db.tenant(tenant_id) as session:
        row = session.get_one(MessageMedia, wanted.media_id, with_for_update=True)
        if row.status != "owed" or row.claimed_until != wanted.claimed_until:
            return "settled meanwhile"
        row.claimed_until = None
        if isinstance(result, Fetched):
            row.status, row.error = "stored", None
            row.body, row.size, row.sha256 = result.body, len(result.body), result.sha256
        elif isinstance(result, MediaAway) and wait is not None:
            row.error, row.next_try_at = str(result), now + wait
        else:
            row.status = "refused" if isinstance(result, MediaRefused) else "failed"
            row.error = str(result)
        status = row.status
    if status == "owed" and wait is not None and wait <= timedelta(minutes=5):
        runtime.queue.wake("media", tenant_id, wanted.media_id, now + wait)
    log.info("media_settled", media_id=wanted.media_id, status=status, tries=wanted.tries)
    return status
