"""Small steps the tests of the tools share: what was recorded, what the customer was shown, what they say next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select

from agent.tools.base import ToolContext
from crm.models import Appointment, ChatSession, Offer, ToolCallRow
from tests.conftest import World
from tests.integration.calendar_help import add_message, call, dana


def rows(ctx: ToolContext) -> list[ToolCallRow]:
    """Everything recorded for this customer, in order."""
    with ctx.db.tenant(ctx.tenant_id) as s:
        return list(s.scalars(select(ToolCallRow).order_by(ToolCallRow.id)))


def appointments(ctx: ToolContext) -> list[Appointment]:
    """The tenant's appointments."""
    with ctx.db.tenant(ctx.tenant_id) as s:
        return list(s.scalars(select(Appointment).order_by(Appointment.id)))


def show(ctx: ToolContext, world: World, body: str = "Which one works for you?") -> None:
    """A reply with the offers of this turn reached the customer."""
    message_id = add_message(ctx.db, dana(world.north), body=body)
    with ctx.db.tenant(ctx.tenant_id) as s:
        for offer in s.scalars(select(Offer).where(Offer.message_id.is_(None))):
            offer.message_id = message_id


def hear(ctx: ToolContext, world: World, *bodies: str) -> ToolContext:
    """The customer writes again, and what they wrote before is answered; the context of the next turn."""
    with ctx.db.tenant(ctx.tenant_id) as s:
        s.get_one(ChatSession, ctx.session_id).answered_up_to = ctx.trigger_message_id
    for body in bodies:
        trigger = add_message(ctx.db, dana(world.north), direction="in", status="received", body=body)
        ctx = replace(ctx, trigger_message_id=trigger)
    return ctx


def times(
    ctx: ToolContext, world: World, code: str = "tint-full-sedan-carbon", **wishes: Any
) -> dict[str, Any]:
    """What find_times gives for one service."""
    answer, result = call(ctx, "find_times", service_ids=[world.north.service_ids[code]], **wishes)
    assert not result.is_error, result.text
    return answer
