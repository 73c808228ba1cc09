"""Giving the conversation to a person of the shop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent.models.base import Json
from agent.tools.declare import ToolRun, tool
from crm.lead_states import try_move
from crm.models import ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.touches import halt_touches

Reason = Literal[
    "asked_for_person",
    "complaint",
    "price_question",
    "out_of_scope",
    "damage_or_claim",
    "cannot_answer",
]


@tool(write=True)
def hand_off(
    run: ToolRun,
    reason: Annotated[Reason, Field(description="Why a person is needed.")],
    note: Annotated[
        str, Field(max_length=500, description="One or two sentences that tell the person what is wanted.")
    ],
) -> Json:
    """Give the conversation to a person of the shop and tell them.

    Use it when the customer asks for a person, complains, reports damage, or needs what the tools cannot
    give. Promise no time by which the person answers.
    """
    session = run.s.get_one(ChatSession, run.ctx.session_id)
    lead, location = run.lead(), run.location()
    session.state = "human"
    session.state_reason = reason
    try_move(
        run.s, lead, "human", who="agent", why=reason, now=run.now, message_id=run.ctx.trigger_message_id
    )
    halt_touches(run.s, lead.id, "paused", "human")
    run.s.flush()
    notify_staff(
        run.s,
        session=session,
        lead=lead,
        location=location,
        text=_notice(lead, location, reason, note),
        dedupe_key=f"handoff:{run.ctx.trigger_message_id}",
        now=run.now,
    )
    return {"handed_off": True}


def _notice(lead: Lead, location: Location, reason: str, note: str) -> str:
    who = " ".join(part for part in (lead.first_name, lead.last_name) if part) or "A customer"
    address = lead.phone or lead.email or "no address"
    why = reason.replace("_", " ")
    words = " ".join(note.split())
    return f"{location.name}: {who} ({address}) needs a person: {why}. {words} Lead {lead.id}."
