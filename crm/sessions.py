"""The one conversation of a lead."""

from __future__ import annotations

import secrets
import string

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import ChatSession, Lead

# Lower case letters and digits only: the token is part of an address, whose case mail servers may change.
_ALPHABET = string.ascii_lowercase + string.digits
_TOKEN_LENGTH = 16


def new_reply_token() -> str:
    """An unguessable token (82 bits) for the plus part of a reply address."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))


def open_session(s: Session, lead: Lead) -> ChatSession:
    """The lead's chat session, made if there is none. Two workers at once get the same one."""
    s.execute(
        insert(ChatSession)
        .values(
            tenant_id=lead.tenant_id,
            lead_id=lead.id,
            location_id=lead.location_id,
            reply_token=new_reply_token(),
        )
        .on_conflict_do_nothing(index_elements=[ChatSession.lead_id])
    )
    return s.scalars(select(ChatSession).where(ChatSession.lead_id == lead.id)).one()
