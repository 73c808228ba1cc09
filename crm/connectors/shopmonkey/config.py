"""A tenant's connection to Shopmonkey: stored once, secrets encrypted."""

from __future__ import annotations

import secrets

from sqlalchemy.orm import Session

from crm.connectors.shopmonkey.mapping import SOURCE
from crm.models import TenantCrmConfig
from ops.secrets import SecretBox

PRODUCTION = "https://api.shopmonkey.cloud"


def create_crm_config(
    s: Session,
    tenant_id: int,
    api_key: str,
    base_url: str,
    box: SecretBox,
    *,
    webhook_secret: str | None = None,
) -> TenantCrmConfig:
    """Store the connection. Its `hook_token` is the secret end of the webhook's path.

    Raises IntegrityError when the tenant has one already.
    """
    config = TenantCrmConfig(
        tenant_id=tenant_id,
        connector=SOURCE,
        base_url=base_url.rstrip("/"),
        api_key_encrypted=box.encrypt(api_key.strip()),
        webhook_secret_encrypted=box.encrypt(webhook_secret) if webhook_secret else None,
        hook_token=secrets.token_urlsafe(32),
    )
    s.add(config)
    s.flush()
    return config
