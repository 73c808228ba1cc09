"""Tenants' own accounts at SendGrid: an encrypted key or a subuser, the domain mail comes from, and the public keys
that sign its webhooks, several of which are valid while one is being replaced."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.db import Database
from crm.models import MailAccount
from crm.routing import route_mail_account
from ops.secrets import SecretBox, SecretsError
from ops.settings import Settings, secret

# As SendGrid accepts a subuser's name in a header; nothing that could begin another header.
SUBUSER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
# The present key and the one it replaces.
MOST_KEYS = 2
_TOKEN_BYTES = 32

Webhook = Literal["inbound", "event"]


@dataclass(frozen=True)
class HookAccount:
    """Whose webhook a path belongs to (None: the installation's) and the public keys that may sign it. No keys: only
    the secret end of the path protects it."""

    tenant_id: int | None
    inbound_keys: tuple[str, ...]
    event_keys: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class MailCredentials:
    """One tenant's way to SendGrid in plain text, for the moment of use. `api_key` None: the installation's key, on
    behalf of `subuser` where there is one. `sender_domain` None: mail comes from the mailbox's own domain.
    `has_event_keys`: its own event webhook is set up."""

    tenant_id: int
    api_key: str | None
    subuser: str | None
    sender_domain: str | None
    has_event_keys: bool = False


def hook_keys(db: Database, settings: Settings, token: str | None) -> HookAccount | None:
    """Who is behind the secret end of a webhook's path; None for an unknown one. `token` None: the events' path
    without one, which is the installation's.

    Keys of the installation count for a tenant's path only while the tenant neither has keys nor a key to the API of
    its own. Raises SQLAlchemyError when the database is away; the installation's own path needs no database.
    """
    if token is None or _is_ours(token, settings):
        return _installation(settings)
    with db.system() as session:
        route = route_mail_account(session, token)
    if route is None:
        return None
    with db.tenant(route.tenant_id) as session:
        row = session.scalars(select(MailAccount)).first()
        # The other half of the look-up: the account may have been given up between the two.
        if row is None or row.hook_token != token:
            return None
        ours = _installation(settings) if row.api_key_encrypted is None else HookAccount(None, (), ())
        return HookAccount(
            tenant_id=row.tenant_id,
            inbound_keys=tuple(row.inbound_keys) or ours.inbound_keys,
            event_keys=tuple(row.event_keys) or ours.event_keys,
        )


def own_credentials(db: Database, settings: Settings, tenant_id: int) -> MailCredentials | None:
    """`credentials_of` in a transaction of its own. Raises SecretsError and SQLAlchemyError."""
    with db.tenant(tenant_id) as session:
        return credentials_of(session, box_of(settings))


def box_of(settings: Settings) -> SecretBox | None:
    """The box of ENCRYPTION_KEY, or None without one: a subuser or a domain alone needs no key. Raises SecretsError
    for a key that is none."""
    keys = secret(settings.encryption_key)
    return SecretBox(keys) if keys else None


def credentials_of(session: Session, box: SecretBox | None) -> MailCredentials | None:
    """The account of the session's tenant, or None where the installation's is used as it is. Raises
    ops.secrets.SecretsError when ENCRYPTION_KEY is missing or does not fit."""
    row = session.scalars(select(MailAccount)).first()
    if row is None:
        return None
    return MailCredentials(
        tenant_id=row.tenant_id,
        api_key=_plain(box, row.api_key_encrypted),
        subuser=row.subuser,
        sender_domain=row.sender_domain,
        has_event_keys=bool(row.event_keys),
    )


def has_account(session: Session) -> bool:
    """Whether the session's tenant has a key or a subuser of its own at SendGrid, so that its lists and events are
    its own too. A sender domain alone is none."""
    row = session.scalars(select(MailAccount)).first()
    return row is not None and (row.api_key_encrypted is not None or row.subuser is not None)


def set_account(
    session: Session,
    tenant_id: int,
    box: SecretBox | None,
    *,
    api_key: str | None = None,
    subuser: str | None = None,
    sender_domain: str | None = None,
) -> str:
    """Give the tenant a key, a subuser or a sender domain; what is None stays as it is, an empty subuser or domain is
    taken away. Returns what happened: new, changed or unchanged. The secret end of its webhooks' paths stays the same.
    Raises SecretsError when a key is to be stored without ENCRYPTION_KEY."""
    row = _locked(session)
    happened = "unchanged" if row is not None else "new"
    if row is None:
        row = MailAccount(tenant_id=tenant_id, hook_token=secrets.token_urlsafe(_TOKEN_BYTES))
        row.inbound_keys, row.event_keys = [], []
        session.add(row)
    if api_key is not None and _replace_key(row, _needed(box), api_key):
        happened = "new" if happened == "new" else "changed"
    for name, value in (("subuser", subuser), ("sender_domain", sender_domain)):
        if value is not None and (getattr(row, name) or "") != value:
            setattr(row, name, value or None)
            happened = "new" if happened == "new" else "changed"
    session.flush()
    return happened


def add_hook_key(session: Session, webhook: Webhook, key: str) -> bool | None:
    """Accept webhooks signed with this public key from now on, besides the one before it. False when it was the
    present one already, None when the tenant has no account."""
    row = _locked(session)
    if row is None:
        return None
    known = _keys(row, webhook)
    if known[:1] == [key]:
        return False
    _set_keys(row, webhook, [key, *(one for one in known if one != key)][:MOST_KEYS])
    return True


def forget_old_keys(session: Session) -> bool:
    """End a replacement: only the newest key of each webhook counts. False when there was none besides."""
    row = _locked(session)
    if row is None or max(len(row.inbound_keys), len(row.event_keys)) < MOST_KEYS:
        return False
    _set_keys(row, "inbound", row.inbound_keys[:1])
    _set_keys(row, "event", row.event_keys[:1])
    return True


def sender_domain(session: Session) -> str | None:
    """The domain the tenant's mail comes from, where it is another one than the mailbox's."""
    return session.scalar(select(MailAccount.sender_domain).limit(1))


def hook_token(session: Session) -> str | None:
    """The secret end of the paths of the tenant's webhooks; None when it has no account."""
    return session.scalar(select(MailAccount.hook_token).limit(1))


def remove_account(session: Session) -> bool:
    """Back to the installation's account. False when the tenant had none."""
    row = _locked(session)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def _is_ours(token: str, settings: Settings) -> bool:
    ours = (secret(settings.sendgrid_inbound_token), secret(settings.sendgrid_inbound_token_previous))
    # All of them are compared, so that the time it takes says nothing.
    fits = [hmac.compare_digest(token.encode("utf-8", "replace"), one.encode()) for one in ours if one]
    return any(fits)


def _installation(settings: Settings) -> HookAccount:
    return HookAccount(None, tuple(settings.sendgrid_inbound_keys), tuple(settings.sendgrid_event_keys))


def _keys(row: MailAccount, webhook: Webhook) -> list[str]:
    return list(row.inbound_keys if webhook == "inbound" else row.event_keys)


def _set_keys(row: MailAccount, webhook: Webhook, keys: Sequence[str]) -> None:
    if webhook == "inbound":
        row.inbound_keys = list(keys)
    else:
        row.event_keys = list(keys)


def _replace_key(row: MailAccount, box: SecretBox, api_key: str) -> bool:
    if row.api_key_encrypted is not None and box.decrypt(row.api_key_encrypted) == api_key:
        return False
    row.api_key_encrypted = box.encrypt(api_key)
    return True


def _needed(box: SecretBox | None) -> SecretBox:
    if box is None:
        raise SecretsError("ENCRYPTION_KEY is not set; `leads config new-key` prints one")
    return box


def _plain(box: SecretBox | None, stored: bytes | None) -> str | None:
    return None if stored is None else _needed(box).decrypt(stored)


def _locked(session: Session) -> MailAccount | None:
    return session.scalars(select(MailAccount).with_for_update()).first()
