"""The carriers' outbound sides, made from settings and from what tenants have of their own."""

from __future__ import annotations

import redis
from sqlalchemy.exc import SQLAlchemyError

from channels.carrier import CarrierError, Sender
from channels.email import accounts as mail_accounts
from channels.email.errors import INSTALLATION
from channels.email.sender import LocalEmailSender, SendGridSender
from channels.sms.accounts import Account, TenantSenders, TextSender
from channels.sms.pace import Pace
from channels.sms.sender import LocalSender, TwilioSender
from crm import mail_accounts as mail_keys
from crm.carrier_accounts import credentials_of, has_account
from crm.db import Database
from ops.secrets import SecretBox, SecretsError
from ops.settings import Settings, secret


def senders_of(settings: Settings, db: Database) -> dict[str, Sender]:
    """The sender of each channel."""
    return {"sms": text_sender(settings, db), "email": email_sender(settings, db)}


def text_sender(settings: Settings, db: Database) -> TenantSenders:
    """Each tenant's own Twilio account, else the installation's, else the local stand-in that sends nothing."""

    def own_account(tenant_id: int) -> Account | None:
        try:
            with db.tenant(tenant_id) as session:
                # The box first needs a key when there is something in it.
                if not has_account(session):
                    return None
                own = credentials_of(session, SecretBox(secret(settings.encryption_key)))
        except SecretsError as error:
            raise CarrierError(f"the shop's Twilio account: {error}", kind="misconfigured") from error
        except SQLAlchemyError as error:
            # Asked right before sending, so nothing was sent.
            raise CarrierError("the database is away", kind="transient") from error
        return None if own is None else Account(own.account_sid, own.auth_token, own.messaging_service_sid)

    def make(account: Account) -> TextSender:
        return TwilioSender(
            account.account_sid,
            account.auth_token,
            api_base=settings.twilio_api_base,
            callback_base=settings.public_base_url,
            service_sid=account.service_sid,
        )

    token = secret(settings.twilio_auth_token)
    default: TextSender = LocalSender()
    if settings.twilio_account_sid and token:
        default = make(Account(settings.twilio_account_sid, token, settings.twilio_messaging_service_sid))
    return TenantSenders(default, own_account, make)


def pace_of(settings: Settings, client: redis.Redis) -> Pace | None:
    """How fast texts leave; None where the local stand-in takes them."""
    return Pace(settings.twilio_segments_per_second, client) if settings.twilio_account_sid else None


def email_sender(settings: Settings, db: Database) -> mail_accounts.TenantMailSenders:
    """Each tenant's own SendGrid account, else the installation's, else the local stand-in that sends nothing."""
    ours = secret(settings.sendgrid_api_key)
    reported = bool(settings.sendgrid_event_keys)

    def own_account(tenant_id: int) -> mail_accounts.Account | None:
        try:
            own = mail_keys.own_credentials(db, settings, tenant_id)
        except SecretsError as error:
            raise CarrierError(f"the shop's SendGrid account: {error}", kind="misconfigured") from error
        except SQLAlchemyError as error:
            # Asked right before sending, so nothing was sent.
            raise CarrierError("the database is away", kind="transient") from error
        if own is None:
            return None
        events = own.has_event_keys or (reported and own.api_key is None)
        return mail_accounts.Account(own.api_key, own.subuser, own.sender_domain, events)

    def make(account: mail_accounts.Account) -> mail_accounts.MailSender:
        key = account.api_key or ours
        if key is None:
            # Nobody has a key: the stand-in for all, but mail that was meant for a subuser goes nowhere unnoticed.
            if account.subuser is None:
                return LocalEmailSender()
            raise mail_accounts.no_key()
        return SendGridSender(
            key,
            settings.sendgrid_api_base,
            subuser=account.subuser,
            sender_domain=account.sender_domain,
            events=account.events,
            whose=INSTALLATION if account.api_key is None else "the shop's own SendGrid key",
        )

    default: mail_accounts.MailSender = LocalEmailSender()
    if ours:
        default = SendGridSender(ours, settings.sendgrid_api_base, events=reported)
    return mail_accounts.TenantMailSenders(default, own_account, make)
