"""A tenant's policy: Markdown that its owner reads and edits, kept in versions.

A version is never changed or deleted, so every turn can name the words it was told. Which one is live stands in
`tenants.settings.policy_version`; none there means the policy that ships.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import PolicyVersion, Tenant, Turn
from crm.tenants import TenantSettings, settings_of
from crm.text import storable


class NoSuchVersion(Exception):
    """There is no such version of the policy. The message is a sentence for the owner."""


class UnchangedPolicy(Exception):
    """The newest version has the same words already. The message is a sentence for the owner."""


@dataclass(frozen=True)
class PolicyLine:
    """One version as `leads policy history` shows it. `turns` is how many answers were written under it."""

    version: int
    created_at: datetime
    author: str
    note: str
    characters: int
    live: bool
    turns: int


def policy_text(s: Session, tenant_id: int, version: int) -> str | None:
    """The text of one version; None when there is no such version."""
    return s.scalar(
        select(PolicyVersion.body).where(
            PolicyVersion.tenant_id == tenant_id, PolicyVersion.version == version
        )
    )


def live_version(s: Session, tenant_id: int) -> int | None:
    """The version that answers are written under now; None is the policy that ships."""
    return settings_of(s.get_one(Tenant, tenant_id)).policy_version


def policy_lines(s: Session, tenant_id: int) -> list[PolicyLine]:
    """All versions, newest first, in two queries and the tenant's row."""
    live = live_version(s, tenant_id)
    counts = select(Turn.policy_version, func.count()).where(Turn.policy_version.is_not(None))
    used = dict(s.execute(counts.group_by(Turn.policy_version)).all())
    rows = s.scalars(
        select(PolicyVersion)
        .where(PolicyVersion.tenant_id == tenant_id)
        .order_by(PolicyVersion.version.desc())
    )
    return [
        PolicyLine(
            row.version,
            row.created_at,
            row.author,
            row.note,
            len(row.body),
            row.version == live,
            used.get(row.version, 0),
        )
        for row in rows
    ]


def add_policy(s: Session, tenant_id: int, body: str, author: str, now: datetime, *, note: str = "") -> int:
    """Keep a new version and return its number; it is not live. Raises UnchangedPolicy for the newest one's words."""
    _locked(s, tenant_id)
    newest = s.scalars(
        select(PolicyVersion)
        .where(PolicyVersion.tenant_id == tenant_id)
        .order_by(PolicyVersion.version.desc())
        .limit(1)
    ).first()
    text = storable(body).strip() + "\n"
    if newest is not None and newest.body == text:
        raise UnchangedPolicy(f"version {newest.version} has these words already; nothing was stored")
    version = newest.version + 1 if newest else 1
    s.add(
        PolicyVersion(
            tenant_id=tenant_id,
            version=version,
            body=text,
            author=storable(author),
            note=storable(note),
            created_at=now,
        )
    )
    s.flush()
    return version


def use_policy(s: Session, tenant_id: int, version: int | None) -> None:
    """Make a version live, or with None the policy that ships. Answers that are being written keep theirs.

    Raises NoSuchVersion.
    """
    if version is not None and policy_text(s, tenant_id, version) is None:
        raise NoSuchVersion(f"there is no version {version} of the policy; see: leads policy history")
    change_settings(s, tenant_id, policy_version=version)


def change_settings(s: Session, tenant_id: int, **values: Any) -> TenantSettings:
    """Change single settings of a tenant and leave the others as they are; None takes one back to its default.

    Raises pydantic.ValidationError for nonsense; then nothing was changed.
    """
    tenant = _locked(s, tenant_id)
    wanted = {**tenant.settings, **values}
    kept = {key: value for key, value in wanted.items() if value is not None}
    settings = TenantSettings.model_validate(kept)
    tenant.settings = kept
    s.flush()
    return settings


def _locked(s: Session, tenant_id: int) -> Tenant:
    """The tenant's row, held: two people changing settings at once must not lose one change."""
    return s.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
