"""The job `carrier_check`: compare a location's messages with what the carrier lists.

One row of `carrier_checks` per location and kind. `inbound` looks every few minutes for texts that no webhook brought,
`statuses` once a day for callbacks that never came.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog
from sqlalchemy import update

from channels.carrier import CarrierError
from channels.sms.client import make_client
from channels.sms.recovery import STILL_COMING, Recovery, TwilioList
from channels.sms.signers import carrier_answers_keywords
from channels.sms.statuses import StatusSource, check_statuses
from crm.carrier_accounts import credentials_of, has_account
from crm.models import CarrierCheck, Location
from ops.secrets import SecretsError
from ops.settings import secret
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

INBOUND = "inbound"
EVERY = timedelta(minutes=5)
# Nothing to ask, or nobody to ask it of.
IDLE = timedelta(hours=1)
AFTER_ERROR = timedelta(minutes=5)
CLAIM = timedelta(minutes=5)


@dataclass(frozen=True)
class _Claimed:
    """One look that is ours to do. `phone` None: the location has no number (any more)."""

    check_id: int
    token: uuid.UUID
    location_id: int
    phone: str | None
    since: datetime


def run_check(runtime: Runtime, tenant_id: int, check_id: int) -> str:
    """Do one look if it is due and nobody else does; says what came of it. Safe to repeat."""
    with runtime.db.tenant(tenant_id) as session:
        check = session.get(CarrierCheck, check_id)
    if check is None:
        return "gone"
    if check.kind == INBOUND:
        return recover_inbound(runtime, tenant_id, check_id)
    source = cast(StatusSource, runtime.outbox.senders["sms"])
    return check_statuses(runtime.db, runtime.clock, source, tenant_id, check_id)


def recover_inbound(runtime: Runtime, tenant_id: int, check_id: int) -> str:
    """One look for lost texts. What could not be asked is asked again in some minutes, from where it was left, and the
    row says why."""
    now = runtime.clock.now()
    claimed = _claim(runtime, tenant_id, check_id, now)
    if claimed is None:
        return "not due"
    source: TwilioList | None = None
    error: str | None = None
    found = 0
    try:
        source = _source(runtime, tenant_id)
        if source is not None and claimed.phone:
            own = source.client.username != runtime.settings.twilio_account_sid
            we_confirm = not carrier_answers_keywords(runtime.settings, own_account=own)
            recovery = Recovery(runtime.db, runtime.queue, tenant_id, claimed.location_id, we_confirm)
            found = recovery.recover(source, claimed.phone, claimed.since, now)
    except (CarrierError, SecretsError) as caught:
        error = str(caught)
    _done(runtime, tenant_id, claimed, now, error, idle=source is None or not claimed.phone)
    log.info("lost_texts_looked_for", check_id=check_id, found=found, error=error)
    return error or f"{found} recovered"


def _source(runtime: Runtime, tenant_id: int) -> TwilioList | None:
    """The list of the tenant's own account, else of the installation's; None where there is neither."""
    settings = runtime.settings
    with runtime.db.tenant(tenant_id) as session:
        account = credentials_of(session, runtime.box) if has_account(session) else None
    if account is not None:
        return TwilioList(make_client(account.account_sid, account.auth_token, settings.twilio_api_base))
    token = secret(settings.twilio_auth_token)
    if not settings.twilio_account_sid or not token:
        return None
    return TwilioList(make_client(settings.twilio_account_sid, token, settings.twilio_api_base))


def _claim(runtime: Runtime, tenant_id: int, check_id: int, now: datetime) -> _Claimed | None:
    token = uuid.uuid4()
    with runtime.db.tenant(tenant_id) as session:
        row = session.execute(
            update(CarrierCheck)
            .where(
                CarrierCheck.id == check_id,
                CarrierCheck.kind == INBOUND,
                CarrierCheck.next_at <= now,
                (CarrierCheck.claimed_until.is_(None)) | (CarrierCheck.claimed_until < now),
            )
            .values(claim_token=token, claimed_until=now + CLAIM)
            .returning(CarrierCheck.location_id, CarrierCheck.checked_until)
        ).first()
        if row is None:
            return None
        phone = session.get_one(Location, row.location_id).phone
        return _Claimed(check_id, token, row.location_id, phone, row.checked_until)


def _done(
    runtime: Runtime, tenant_id: int, claimed: _Claimed, began: datetime, error: str | None, *, idle: bool
) -> None:
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        check = session.get_one(CarrierCheck, claimed.check_id, with_for_update=True)
        if check.claim_token != claimed.token:
            return
        check.claim_token = check.claimed_until = None
        check.error = error
        if error is not None:
            check.next_at = now + AFTER_ERROR
            return
        check.checked_until = max(check.checked_until, began - STILL_COMING)
        check.next_at = now + (IDLE if idle else EVERY)
