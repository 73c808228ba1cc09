"""The carriers' outbound sides, made from settings and from what tenants have of their own."""

from __future__ import annotations

import redis
from sqlalchemy.exc import SQLAlchemyError

from channels.carrier import CarrierError, Sender
from channels.email.sender import LocalEmailSender, SendGridSender
from channels.sms.accounts import Account, TenantSenders, TextSender
from channels.sms.pace import Pace
from channels.sms.sender import LocalSender, TwilioSender
from crm.carrier_accounts import credentials_of, has_account
from crm.db import Database
from ops.secrets import SecretBox, SecretsError
from ops.settings import Settings, secret


def senders_of(settings: Settings, db: Database) -> dict[str, Sender]:
    """The sender of each channel."""
    return {"sms": text_sender(settings, db), "email": email_sender(settings)}


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


def email_sender(settings: Settings) -> Sender:
    """SendGrid where a key is configured, else the local stand-in."""
    key = secret(settings.sendgrid_api_key)
    return SendGridSender(key, settings.sendgrid_api_base) if key else LocalEmailSender()
