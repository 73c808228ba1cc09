"""Where a shop's mail is kept that belongs to no customer: an entry of the location's own, without any address.

It has a conversation like every lead, so that such mail is kept, shown (`leads transcript`) and told of in the same
rows as everything else; nobody can be written to there.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from crm.lead_states import move
from crm.leads import LeadData, upsert_lead
from crm.models import ChatSession, Lead, Location
from crm.sessions import open_session

SOURCE = "mailroom"


def mailroom(session: Session, location: Location) -> tuple[ChatSession, Lead]:
    """The location's entry for mail of no customer, made at its first use."""
    data = LeadData(
        source=SOURCE,
        external_id=f"mailroom:{location.id}",
        first_name="Mail",
        last_name="of no customer",
    )
    lead, is_new = upsert_lead(session, location.tenant_id, location.id, data)
    if is_new:
        # Not one of the enquiries that are open.
        move(session, lead, "lost", who=SOURCE, why="it holds the mail of no customer", now=lead.created_at)
    return open_session(session, lead), lead
