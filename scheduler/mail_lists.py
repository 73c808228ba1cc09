"""Which lists at SendGrid are a business's: those of its own account or subuser, else the installation's."""

from __future__ import annotations

from sqlalchemy.orm import Session

from channels.email.suppressions import ListsFailed, SuppressionLists
from crm.mail_accounts import box_of, credentials_of
from ops.secrets import SecretsError
from ops.settings import secret
from scheduler.runtime import Runtime


def lists_of(session: Session, runtime: Runtime) -> SuppressionLists | None:
    """The lists of the session's tenant; None where nobody has a key. Raises ListsFailed when its key cannot be
    read."""
    try:
        own = credentials_of(session, box_of(runtime.settings))
    except SecretsError as error:
        raise ListsFailed(f"the shop's SendGrid account: {error}") from error
    if own is None:
        return installations_lists(runtime)
    key = own.api_key or secret(runtime.settings.sendgrid_api_key)
    return SuppressionLists(key, runtime.settings.sendgrid_api_base, own.subuser) if key else None


def installations_lists(runtime: Runtime) -> SuppressionLists | None:
    """The lists of the account that businesses without one of their own share."""
    key = secret(runtime.settings.sendgrid_api_key)
    return SuppressionLists(key, runtime.settings.sendgrid_api_base) if key else None
