"""Email: a business's own account at SendGrid, what SendGrid reports, and how far its lists were compared with ours."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, HasId, OfTenant


class MailAccount(OfTenant, Base):
    """A tenant's own key or subuser at SendGrid, and the secret end of the addresses its webhooks come to.

    With `subuser` and no key of its own the installation's key is used on that subuser's behalf. `sender_domain` is
    the authenticated domain mail comes from, where it is another one than the mailbox's. Several keys are valid while
    one is being replaced (messaging facts 4.1, 4.3).
    """

    __tablename__ = "mail_accounts"
    __table_args__ = (UniqueConstraint("hook_token"), UniqueConstraint("tenant_id"))

    api_key_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    subuser: Mapped[str | None]
    sender_domain: Mapped[str | None]
    hook_token: Mapped[str]
    inbound_keys: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")
    event_keys: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")


class MailEvent(OfTenant, Base):
    """One event SendGrid reported. Two keys make it the same event again, because `sg_event_id` may change between
    repetitions (messaging facts 0.10)."""

    __tablename__ = "mail_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "sg_event_id"),
        UniqueConstraint("tenant_id", "soft_key"),
        Index("ix_mail_events_message_id", "message_id"),
        Index("ix_mail_events_address", "tenant_id", "address", "occurred_at"),
    )

    message_id: Mapped[int | None] = mapped_column(ForeignKey("chat_messages.id"))
    address: Mapped[str]
    event: Mapped[str]
    sg_event_id: Mapped[str | None]
    soft_key: Mapped[str]
    # Text of a strange server: shown to the owner, never to a model.
    reason: Mapped[str | None]
    raw: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]


class SuppressionCheck(HasId, Base):
    """How far the lists of one account were compared. `tenant_id` None: the installation's own account."""

    __tablename__ = "suppression_checks"
    __table_args__ = (UniqueConstraint("tenant_id", postgresql_nulls_not_distinct=True),)

    tenant_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("tenants.id"))
    checked_until: Mapped[datetime | None]
    next_at: Mapped[datetime]
    claim_token: Mapped[uuid.UUID | None]
    claimed_until: Mapped[datetime | None]
    error: Mapped[str | None]
