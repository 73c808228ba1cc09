"""Telling the carrier about consent events it cannot know of: claim, look at the ledger again, call, settle.

What is pushed is what stands now, not what stood when the event was written: a START meanwhile makes an opt-out
pointless, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from channels.sms.consent_api import ConsentApi, ConsentItem, ConsentPushFailed, Source, accounts_base
from crm.carrier_accounts import credentials_of, has_account
from crm.consents import standing
from crm.models import ConsentEvent, ConsentPush, Location
from ops.settings import Settings, secret
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

CLAIM = timedelta(seconds=60)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
# With these waits about three days; the opt-out itself holds here all the time.
MOST_TRIES = 20
NO_ACCOUNT = "no Twilio account is configured, so there is nobody to tell"
SUPERSEDED = "something newer stands for this number, so this was not told"


@dataclass(frozen=True)
class Account:
    """Whose Twilio account it goes to."""

    sid: str
    token: str
    service_sid: str | None


@dataclass(frozen=True)
class Told:
    """One claimed push: what to say, to which account; or why there is nothing to say."""

    push_id: int
    tries: int
    items: list[ConsentItem]
    account: Account | None
    nothing: str | None = None


def push_consent(runtime: Runtime, tenant_id: int, push_id: int) -> str:
    """Push one consent event if it is due and nobody else does. Returns what happened, in a word. Safe to repeat."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        told = _claim(session, runtime, push_id, now)
    if told is None:
        return "not due"
    error: ConsentPushFailed | None = None
    if told.nothing is None and told.account is not None:
        base = accounts_base(runtime.settings.twilio_api_base, runtime.settings.twilio_accounts_base)
        try:
            ConsentApi(told.account.sid, told.account.token, base).push(told.items)
        except ConsentPushFailed as failed:
            error = failed
    with runtime.db.tenant(tenant_id) as session:
        status = _settle(session, told, error, runtime.clock.now())
    log.info("consent_pushed", push_id=push_id, status=status, tries=told.tries, nothing=told.nothing)
    return status


def _claim(session: Session, runtime: Runtime, push_id: int, now: datetime) -> Told | None:
    row = session.execute(
        update(ConsentPush)
        .where(
            ConsentPush.id == push_id,
            ConsentPush.status == "owed",
            ConsentPush.next_try_at <= now,
            (ConsentPush.claimed_until.is_(None)) | (ConsentPush.claimed_until < now),
        )
        .values(claimed_until=now + CLAIM, tries=ConsentPush.tries + 1)
        .returning(ConsentPush.consent_event_id, ConsentPush.tries)
    ).first()
    if row is None:
        return None
    event = session.get_one(ConsentEvent, row.consent_event_id)
    account = _account(session, runtime)
    if account is None:
        return Told(push_id, row.tries, [], None, NO_ACCOUNT)
    stands = standing(session, event.tenant_id, "sms", event.address)
    if (stands.stop is not None) is not (event.action == "revoke"):
        return Told(push_id, row.tries, [], account, SUPERSEDED)
    items = [_item(event, sender) for sender in _senders(session, account)]
    return Told(
        push_id, row.tries, items, account, None if items else "no number of the business sends texts"
    )


def _account(session: Session, runtime: Runtime) -> Account | None:
    settings: Settings = runtime.settings
    own = credentials_of(session, runtime.box) if has_account(session) else None
    if own is not None:
        return Account(own.account_sid, own.auth_token, own.messaging_service_sid)
    token = secret(settings.twilio_auth_token)
    if not settings.twilio_account_sid or not token:
        return None
    return Account(settings.twilio_account_sid, token, settings.twilio_messaging_service_sid)


def _senders(session: Session, account: Account) -> list[str]:
    """A Messaging Service covers its whole pool; without one every number of the business is told of by itself."""
    if account.service_sid:
        return [account.service_sid]
    phones = session.scalars(select(Location.phone).where(Location.phone.is_not(None)).order_by(Location.id))
    return [phone for phone in phones if phone]


def _item(event: ConsentEvent, sender: str) -> ConsentItem:
    stops = event.action == "revoke"
    source: Source = "others"
    if event.actor == "customer" and "sms" in event.source:
        source = "opt-out-message" if stops else "opt-in-message"
    elif event.actor == "shop" or event.source.startswith("told "):
        source = "offline"
    return ConsentItem(
        contact=event.address,
        sender=sender,
        status="opt-out" if stops else "opt-in",
        source=source,
        since=event.effective_at,
        event_id=event.id,
    )


def _settle(session: Session, told: Told, error: ConsentPushFailed | None, now: datetime) -> str:
    push = session.get_one(ConsentPush, told.push_id, with_for_update=True)
    push.claimed_until = None
    if error is None:
        push.status, push.error = "done", told.nothing
        return push.status
    push.error = str(error)
    if error.lasting or push.tries >= MOST_TRIES:
        push.status = "failed"
        log.error("consent_push_failed", push_id=push.id, error=str(error))
        return push.status
    push.next_try_at = now + wait_after(push.tries)
    return push.status


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries that failed: twice as long each time, six hours at most."""
    doubled: timedelta = FIRST_WAIT * (1 << min(tries - 1, 12))
    return min(doubled, LONGEST_WAIT)
