"""A tenant's policy: Markdown that its owner reads and edits, kept in versions."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import PolicyVersion


def policy_text(s: Session, tenant_id: int, version: int) -> str | None:
    """The text of one version; None when there is no such version."""
    return s.scalar(
        select(PolicyVersion.body).where(
            PolicyVersion.tenant_id == tenant_id, PolicyVersion.version == version
        )
    )
