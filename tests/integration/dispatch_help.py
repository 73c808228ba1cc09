"""Many leads with a touch that is due, made quickly, and what became of them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import Engine, select, text

from crm.db import Database
from crm.models import ChatMessage, TouchPoint
from tests.conftest import Shop

_LEADS = """
with made as (
    insert into leads (tenant_id, location_id, source, first_name, email)
    select :tenant, :location, 'crowd', 'Pat', 'pat' || n || '@example.com' from generate_series(:first, :last) n
    returning id
), chats as (
    insert into chat_sessions (tenant_id, lead_id, location_id, reply_token)
    select :tenant, id, :location, 'crowd' || id from made returning id, lead_id
)
insert into touch_points (tenant_id, lead_id, session_id, plan, cadence_run, step, channel, template, due_at, local_time,
                          created_at)
select :tenant, lead_id, id, 'default', 1, 5, 'email', 'the_job', :due, '', :made from chats
"""


def crowd(owner: Engine, shop: Shop, count: int, due: datetime, first: int = 1) -> None:
    """So many new leads of a shop with an address for mail, each with step 5 of the default plan (a mail) due then."""
    with owner.begin() as connection:
        connection.execute(
            text(_LEADS),
            {
                "tenant": shop.tenant_id,
                "location": shop.location_id,
                "first": first,
                "last": first + count - 1,
                "due": due,
                "made": due - timedelta(days=2),
            },
        )


def states(db: Database, shop: Shop) -> Counter[str]:
    """How many touches of a shop are in which state."""
    with db.tenant(shop.tenant_id) as session:
        return Counter(session.scalars(select(TouchPoint.status)))


def touches(db: Database, shop: Shop) -> list[TouchPoint]:
    """All touches of a shop, oldest first."""
    with db.tenant(shop.tenant_id) as session:
        return list(session.scalars(select(TouchPoint).order_by(TouchPoint.id)))


def written(db: Database, shop: Shop) -> list[ChatMessage]:
    """The messages of a shop that were written for touches, oldest first."""
    with db.tenant(shop.tenant_id) as session:
        found = select(ChatMessage).where(ChatMessage.touch_point_id.is_not(None)).order_by(ChatMessage.id)
        return list(session.scalars(found))
