"""A second lead of the same customer, and merging it: what the tests of merging, splitting and forgetting share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

from crm.db import Database
from crm.lead_merging import Merged, merge_leads
from crm.leads import LeadData, upsert_lead
from crm.models import ChatSession, Lead
from crm.sessions import open_session
from scheduler.runtime import Runtime
from tests.conftest import Shop
from tests.integration.talking import hear

OTHER_PHONE = "+13125550155"
OTHER_EMAIL = "dana.work@example.com"


def another_lead(db: Database, shop: Shop, **given: Any) -> Shop:
    """The shop as seen with another lead of it: by phone unless something else is given."""
    values = {"source": "sample", "first_name": "Dana", "phone": OTHER_PHONE, **given}
    with db.tenant(shop.tenant_id) as session:
        lead, created = upsert_lead(session, shop.tenant_id, shop.location_id, LeadData(**values))
        assert created
        return replace(shop, lead_id=lead.id, session_id=open_session(session, lead).id)


def merge(db: Database, into: Shop, other: Shop, now: datetime) -> Merged:
    """Merge them, as the command does."""
    with db.tenant(into.tenant_id) as session:
        return merge_leads(session, into.lead_id, other.lead_id, who="Sam", why="same voice", now=now)


def lead(db: Database, shop: Shop, lead_id: int) -> Lead:
    """One lead, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(Lead, lead_id)


def chat(db: Database, shop: Shop, session_id: int) -> ChatSession:
    """One conversation, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(ChatSession, session_id)


def hear_other(runtime: Runtime, shop: Shop, body: str, **more: Any) -> Any:
    """The customer writes from the other number."""
    return hear(runtime, shop, body, **{"from_address": OTHER_PHONE, **more})


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run all of them at the same time; the results, exceptions too."""

    def safely(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(safely, calls))
