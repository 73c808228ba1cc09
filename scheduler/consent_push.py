"""Telling Twilio and SendGrid about consent events they cannot know of: claim, look at the ledger again, call, settle.

What is pushed is what stands now, not what stood when the event was written: a START meanwhile makes an opt-out
pointless, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from channels.email.suppressions import ListsFailed
from channels.sms.consent_api import ConsentApi, ConsentItem, ConsentPushFailed, Source, accounts_base
from crm.carrier_accounts import credentials_of, has_account
from crm.consents import standing
from crm.mail_accounts import has_account as has_own_mail
from crm.models import ConsentEvent, ConsentPush, Location
from ops.settings import Settings, secret
from scheduler.mail_lists import lists_of
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

CLAIM = timedelta(seconds=60)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
# With these waits about three days; the opt-out itself holds here all the time.
MOST_TRIES = 20
NO_ACCOUNT = "no Twilio account is configured, so there is nobody to tell"
NO_MAIL_ACCOUNT = "no SendGrid key is configured, so there is nobody to tell"
SHARED = "the account at SendGrid is shared with other businesses, so this is held here only"
SUPERSEDED = "something newer stands for this address, so this was not told"

Failure = ConsentPushFailed | ListsFailed


@dataclass(frozen=True)
class Account:
    """Whose Twilio account it goes to."""

    sid: str
    token: str
    service_sid: str | None


@dataclass(frozen=True)
class Told:
    """One claimed push: how to say it, or why there is nothing to say. `tell` raises ConsentPushFailed or
    ListsFailed."""

    push_id: int
    tries: int
    tell: Callable[[], None] | None
    nothing: str | None = None


def push_consent(runtime: Runtime, tenant_id: int, push_id: int) -> str:
    """Push one consent event if it is due and nobody else does. Returns what happened, in a word. Safe to repeat."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        told = _claim(session, runtime, push_id, now)
    if told is None:
        return "not due"
    error: Failure | None = None
    if told.tell is not None:
        try:
            told.tell()
        except (ConsentPushFailed, ListsFailed) as failed:
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
    stands = standing(session, event.tenant_id, event.channel, event.address)
    if (stands.stop is not None) is not (event.action == "revoke"):
        return Told(push_id, row.tries, None, SUPERSEDED)
    tell = (
        _by_mail(session, runtime, event) if event.channel == "email" else _by_text(session, runtime, event)
    )
    return Told(push_id, row.tries, None, tell) if isinstance(tell, str) else Told(push_id, row.tries, tell)


def _by_text(session: Session, runtime: Runtime, event: ConsentEvent) -> Callable[[], None] | str:
    """How to tell Twilio, or why there is nothing to tell."""
    account = _account(session, runtime)
    if account is None:
        return NO_ACCOUNT
    items = [_item(event, sender) for sender in _senders(session, account)]
    if not items:
        return "no number of the business sends texts"
    settings = runtime.settings
    base = accounts_base(settings.twilio_api_base, settings.twilio_accounts_base)
    return partial(ConsentApi(account.sid, account.token, base).push, items)


def _by_mail(session: Session, runtime: Runtime, event: ConsentEvent) -> Callable[[], None] | str:
    """How to tell SendGrid, or why there is nothing to tell. Only an account or subuser of the business's own: on a
    shared one it would end all other businesses' mail to this person (messaging facts 4.3)."""
    if not has_own_mail(session):
        return SHARED
    try:
        lists = lists_of(session, runtime)
    except ListsFailed as error:
        return partial(_raise, error)
    if lists is None:
        return NO_MAIL_ACCOUNT
    return partial(lists.stop if event.action == "revoke" else lists.start, event.address)


def _raise(error: ListsFailed) -> None:
    raise error


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


def _settle(session: Session, told: Told, error: Failure | None, now: datetime) -> str:
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
    asked_for = (
        timedelta(seconds=error.retry_after_s or 0) if isinstance(error, ListsFailed) else timedelta(0)
    )
    push.next_try_at = now + max(wait_after(push.tries), asked_for)
    return push.status


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries that failed: twice as long each time, six hours at most."""
    doubled: timedelta = FIRST_WAIT * (1 << min(tries - 1, 12))
    return min(doubled, LONGEST_WAIT)
