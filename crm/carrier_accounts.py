"""Tenants' own accounts at Twilio: tokens encrypted at rest, two of them valid while one is being replaced."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import CarrierAccount
from ops.secrets import SecretBox

ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}")


@dataclass(frozen=True, repr=False)
class Credentials:
    """One account in plain text, for the moment of use. `tokens` may sign webhooks, the present one first; the present
    one alone is for calling Twilio."""

    tenant_id: int
    account_sid: str
    auth_token: str
    previous_token: str | None = None
    shared_key_id: str | None = None
    shared_key: str | None = None
    messaging_service_sid: str | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """Tokens that may sign webhooks now (messaging facts 1.4: the old one goes on signing for a while)."""
        return tuple(token for token in (self.auth_token, self.previous_token) if token)


def credentials_of(session: Session, box: SecretBox) -> Credentials | None:
    """The account of the session's tenant, or None where the installation's is used. Raises ops.secrets.SecretsError
    when ENCRYPTION_KEY does not fit."""
    row = session.scalars(select(CarrierAccount)).first()
    if row is None:
        return None
    return Credentials(
        tenant_id=row.tenant_id,
        account_sid=row.account_sid,
        auth_token=box.decrypt(row.auth_token_encrypted),
        previous_token=_plain(box, row.previous_token_encrypted),
        shared_key_id=row.shared_key_id,
        shared_key=_plain(box, row.shared_key_encrypted),
        messaging_service_sid=row.messaging_service_sid,
    )


def has_account(session: Session) -> bool:
    """Whether the session's tenant has an account of its own."""
    return session.scalar(select(CarrierAccount.id).limit(1)) is not None


def set_account(session: Session, tenant_id: int, box: SecretBox, account_sid: str, token: str) -> str:
    """Give the tenant its account, or a new token for it. Returns what happened: new, moved, rotated or unchanged.

    A new token moves the present one to second place, where it may still sign webhooks but calls nothing any more.
    Another account takes nothing over from the last one.
    """
    row = _locked(session)
    if row is None:
        row = CarrierAccount(tenant_id=tenant_id, account_sid=account_sid)
        row.auth_token_encrypted = box.encrypt(token)
        session.add(row)
        session.flush()
        return "new"
    if row.account_sid != account_sid:
        row.account_sid = account_sid
        row.previous_token_encrypted = row.shared_key_id = row.shared_key_encrypted = None
        row.messaging_service_sid = None
        row.auth_token_encrypted = box.encrypt(token)
        return "moved"
    if box.decrypt(row.auth_token_encrypted) == token:
        return "unchanged"
    row.previous_token_encrypted, row.auth_token_encrypted = row.auth_token_encrypted, box.encrypt(token)
    return "rotated"


def set_shared_key(session: Session, box: SecretBox, key_id: str, key: str) -> bool:
    """Accept webhooks signed with this SharedKey besides the tokens. False when the tenant has no account."""
    row = _locked(session)
    if row is None:
        return False
    row.shared_key_id, row.shared_key_encrypted = key_id, box.encrypt(key)
    return True


def set_service(session: Session, service_sid: str | None) -> bool:
    """Send through this Messaging Service; None: from the location's number. False when there is no account."""
    row = _locked(session)
    if row is None:
        return False
    row.messaging_service_sid = service_sid
    return True


def forget_previous_token(session: Session) -> bool:
    """End a rotation: only the present token signs from now on. False when there was no second one."""
    row = _locked(session)
    if row is None or row.previous_token_encrypted is None:
        return False
    row.previous_token_encrypted = None
    return True


def remove_account(session: Session) -> bool:
    """Back to the installation's account. False when the tenant had none."""
    row = _locked(session)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def _locked(session: Session) -> CarrierAccount | None:
    return session.scalars(select(CarrierAccount).with_for_update()).first()


def _plain(box: SecretBox, stored: bytes | None) -> str | None:
    return None if stored is None else box.decrypt(stored)
