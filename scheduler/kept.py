"""Taking up again what was kept aside: whose is it now, and is it believed now? The worker does the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from channels.email.aside import SOURCE as MAIL
from channels.email.aside import UNPROVEN
from channels.email.form import BadForm, parse_form
from channels.email.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, BadKey, verify
from channels.email.text import split_address
from channels.sms.quarantine import SOURCE as TEXT
from crm.consents import normal_address
from crm.db import Database
from crm.mail_accounts import hook_keys, hook_token
from crm.models import CarrierAccount, WebhookEvent
from crm.routing import route_mailbox, route_phone
from crm.webhooks import ASIDE, take_up
from ops.settings import Settings
from scheduler.kept_texts import fields_of


class NotNow(Exception):
    """It cannot be taken up (yet); says why, fit for whoever asked for it."""


@dataclass(frozen=True)
class Kept:
    """One stored webhook with its bytes. `tenant_id`: in whose sight it is kept; None: nobody's."""

    event: WebhookEvent

    @property
    def tenant_id(self) -> int | None:
        """In whose sight it is kept."""
        return self.event.tenant_id

    @property
    def body(self) -> bytes:
        """The bytes as they came."""
        return bytes(self.event.body)


def replay(db: Database, settings: Settings, kept: Kept, now: datetime, *, trust: bool = False) -> int:
    """Give a kept webhook to whom it belongs now, for the worker to process as if it had just come, once. Returns the
    tenant's id. `trust`: a person vouches for what nothing proves. Raises NotNow."""
    find = _FINDERS.get(kept.event.source, _as_it_is)
    tenant_id = find(db, settings, kept, trust)
    if kept.tenant_id not in (None, tenant_id):
        raise NotNow("it came through one business's own address, and belongs to another one")
    if not take_up(db, kept.event.id, kept.tenant_id, tenant_id, kept.event.source, now):
        raise NotNow("it is not waiting any more")
    return tenant_id


def _mail(db: Database, settings: Settings, kept: Kept, trust: bool) -> int:
    if kept.event.headers.get(ASIDE) in UNPROVEN and not trust:
        _refuse_unproven(db, settings, kept)
    try:
        recipients = parse_form(kept.body, kept.event.content_type).recipients
    except BadForm as error:
        raise NotNow("it is no form as SendGrid posts it") from error
    with db.system() as session:
        for address in recipients:
            route = route_mailbox(session, split_address(address)[0])
            if route is not None and kept.tenant_id in (None, route.tenant_id):
                return route.tenant_id
    raise NotNow(
        f"no location owns {', '.join(recipients[:5]) or 'an address of it'}; `leads connect` gives one"
    )


def _refuse_unproven(db: Database, settings: Settings, kept: Kept) -> None:
    """Is its signature right by the keys of today? Raises NotNow when it is not."""
    token = None
    if kept.tenant_id is not None:
        with db.tenant(kept.tenant_id) as session:
            token = hook_token(session)
        if token is None:
            raise NotNow("the business has no account at SendGrid any more; --trust takes it up all the same")
    account = hook_keys(db, settings, token)
    signed = {name: kept.event.headers.get(name.lower(), "") for name in (SIGNATURE_HEADER, TIMESTAMP_HEADER)}
    try:
        verdict = verify(signed, kept.body, account.inbound_keys if account else ())
    except BadKey as error:
        raise NotNow("a configured key is no key; see `leads config check`") from error
    if verdict != "good":
        raise NotNow(
            "nothing proves that it is SendGrid's: mend the key, or say --trust once you have looked at it"
        )


def _text(db: Database, settings: Settings, kept: Kept, trust: bool) -> int:
    fields = fields_of(kept.body)
    with db.system() as session:
        route = route_phone(session, normal_address("sms", fields.get("To", "")))
    if route is None:
        raise NotNow(f"no location owns {fields.get('To', 'its number')}; `leads connect` gives it to one")
    with db.tenant(route.tenant_id) as session:
        own = session.scalar(select(CarrierAccount.account_sid).limit(1))
    if not trust and fields.get("AccountSid") != (own or settings.twilio_account_sid):
        raise NotNow("another account than the number's signed it; say --trust once you have looked at it")
    return route.tenant_id


def _as_it_is(db: Database, settings: Settings, kept: Kept, trust: bool) -> int:
    if kept.tenant_id is None:
        raise NotNow("it is nobody's, and nothing in it says whose it is")
    if kept.event.status == "quarantined" and not trust:
        raise NotNow("it was not believed; say --trust once you have looked at it")
    return kept.tenant_id


_FINDERS: dict[str, Callable[[Database, Settings, Kept, bool], int]] = {MAIL: _mail, TEXT: _text}
