"""What carriers bring and owe besides the messages: pictures, accounts, blocked templates, pushes and daily checks."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class MessageMedia(OfTenant, Base):
    """One picture or file of an inbound message. `owed` until the worker has fetched it; the text never waits for it."""

    __tablename__ = "message_media"
    __table_args__ = (
        UniqueConstraint("message_id", "place"),
        CheckConstraint("status in ('owed', 'stored', 'refused', 'failed')", name="status"),
        Index("ix_message_media_owed", "next_try_at", postgresql_where=text("status = 'owed'")),
    )

    message_id: Mapped[int] = mapped_column(ForeignKey("chat_messages.id"))
    place: Mapped[int]
    # Of a file that came with a mail: `mail:` and the stored webhook it is in.
    url: Mapped[str]
    content_type: Mapped[str]
    filename: Mapped[str | None]
    content_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="owed", server_default="owed")
    size: Mapped[int | None]
    sha256: Mapped[str | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]
    error: Mapped[str | None]


class CarrierAccount(OfTenant, Base):
    """A tenant's own account or sub-account at Twilio. Without one, the installation's account is used.

    Webhooks are signed with the account's own token; two are valid during a rotation, and a SharedKey where one is
    set (messaging facts 1.1, 1.4).
    """

    __tablename__ = "carrier_accounts"
    __table_args__ = (UniqueConstraint("account_sid"), UniqueConstraint("tenant_id"))

    account_sid: Mapped[str]
    auth_token_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    previous_token_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    shared_key_id: Mapped[str | None]
    shared_key_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    messaging_service_sid: Mapped[str | None]


class TemplateBlock(OfTenant, Base):
    """A template that a carrier filtered (30007): it is not sent any more until a person lifts the block."""

    __tablename__ = "template_blocks"
    __table_args__ = (
        Index(
            "uq_template_blocks_standing", "tenant_id", "channel", "template",
            unique=True, postgresql_where=text("lifted_at is null"),
        ),
    )  # fmt: skip

    channel: Mapped[str]
    template: Mapped[str]
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str]
    since: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]


class ConsentPush(OfTenant, Base):
    """A consent event that the carrier has to be told about, because it cannot have noticed it (messaging facts 2.8)."""

    __tablename__ = "consent_pushes"
    __table_args__ = (
        UniqueConstraint("consent_event_id"),
        CheckConstraint("status in ('owed', 'done', 'failed')", name="status"),
        Index("ix_consent_pushes_owed", "next_try_at", postgresql_where=text("status = 'owed'")),
    )

    consent_event_id: Mapped[int] = mapped_column(ForeignKey("consent_events.id"))
    status: Mapped[str] = mapped_column(default="owed", server_default="owed")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]
    error: Mapped[str | None]


class CarrierCheck(OfTenant, Base):
    """How far a location's messages were compared with what the carrier lists: texts no webhook brought (`inbound`),
    and statuses no callback brought (`statuses`)."""

    __tablename__ = "carrier_checks"
    __table_args__ = (
        UniqueConstraint("location_id", "kind"),
        CheckConstraint("kind in ('inbound', 'statuses')", name="kind"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    kind: Mapped[str]
    checked_until: Mapped[datetime]
    next_at: Mapped[datetime]
    claim_token: Mapped[uuid.UUID | None]
    claimed_until: Mapped[datetime | None]
    error: Mapped[str | None]
