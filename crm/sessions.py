"""The one conversation of a lead."""

from __future__ import annotations

import secrets
import string
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.lead_states import move
from crm.models import ChatSession, Lead
from crm.touches import let_resume

# Lower case letters and digits only: the token is part of an address, whose case mail servers may change.
_ALPHABET = string.ascii_lowercase + string.digits
_TOKEN_LENGTH = 16


def new_reply_token() -> str:
    """An unguessable token (82 bits) for the plus part of a reply address."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))


def open_session(s: Session, lead: Lead) -> ChatSession:
    """The lead's chat session, made if there is none. Two workers at once get the same one."""
    made = s.scalars(
        insert(ChatSession)
        .values(
            tenant_id=lead.tenant_id,
            lead_id=lead.id,
            location_id=lead.location_id,
            reply_token=new_reply_token(),
        )
        .on_conflict_do_nothing(index_elements=[ChatSession.lead_id])
        .returning(ChatSession)
    ).first()
    return made or s.scalars(select(ChatSession).where(ChatSession.lead_id == lead.id)).one()


def hand_back(s: Session, session_id: int, *, who: str, now: datetime) -> bool:
    """Give a conversation back from a person to the agent; False when no person has it.

    Everything received so far counts as answered: the person dealt with it, and an agent that answers it again would
    talk over them. The customer's next message is the agent's, and a paused cadence is taken up after silence.
    """
    chat = s.execute(
        update(ChatSession)
        .where(ChatSession.id == session_id, ChatSession.state == "human")
        .values(
            state="agent",
            state_reason=None,
            answered_up_to=func.greatest(
                ChatSession.answered_up_to, func.coalesce(ChatSession.last_inbound_id, 0)
            ),
            answer_due_at=None,
            burst_started_at=None,
            answer_tries=0,
            lease_token=None,
            lease_until=None,
        )
        .returning(ChatSession.lead_id)
    ).first()
    if chat is None:
        return False
    lead = s.get_one(Lead, chat.lead_id, with_for_update=True)
    if lead.status == "human":
        move(s, lead, "engaged", who=who, why="the conversation was given back", now=now)
    let_resume(s, lead.id, now)
    return True
