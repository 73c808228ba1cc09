"""A touch whose words or plan cannot be used: the shop is told once for each step, so that a cadence does not end in silence."""

from __future__ import annotations

from datetime import datetime

from crm.db import Database
from crm.models import ChatSession, Lead, Location, TouchPoint
from crm.notices import notify_staff
from crm.routing import Route


def tell_unwritable(db: Database, route: Route, why: str, now: datetime) -> None:
    """Tell the location's people, once for each version of a plan's step. In a transaction of its own, after the touch was
    settled; the notice leaves with the next look of the clock."""
    with db.tenant(route.tenant_id) as session:
        touch = session.get_one(TouchPoint, route.row_id)
        chat = session.get_one(ChatSession, touch.session_id, with_for_update=True)
        location = session.get_one(Location, chat.location_id)
        notify_staff(
            session,
            session=chat,
            lead=session.get_one(Lead, touch.lead_id),
            location=location,
            text=f"Step {touch.step} of the plan {touch.plan} cannot be written and is left out: {why}."
            f" See: leads plans show {touch.plan}, leads templates check {touch.template}",
            dedupe_key=f"unwritable:{location.id}:{touch.plan}:{touch.plan_version}:{touch.step}",
            now=now,
            kind="system",
        )
