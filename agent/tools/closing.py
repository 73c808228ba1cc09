"""Ending the enquiry of a customer who found another shop or does not want the work any more.

It is no stop: nothing is written to the consent ledger, and whoever writes again is answered and can book.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.models.base import Json
from agent.tools.agreement import words_of
from agent.tools.closing_words import Reading, Why, read_closing
from agent.tools.declare import ToolRefusal, ToolRun, tool
from agent.tools.guards import require_proof
from crm.calendar.booking import upcoming
from crm.calendar.labels import visit_label
from crm.lead_requests import close_request
from crm.lead_states import locked, note, try_move
from crm.models import ChatSession, Lead, LeadRequest
from crm.request_endings import ENDED
from crm.touches import halt_touches

# Where nobody but us knows what became of a request. One of a CRM ends where it was made (crm/request_endings.py): closed
# here, it would hide from us that it was invoiced after all.
_OURS = frozenset({"csv", "web_form", "api"})
_NOTHING = "Nothing was closed."
_WHY_NOT: dict[Reading, str] = {
    "no": f"{_NOTHING} The customer has not plainly said that they found another shop or do not want the work any more."
    " Answer what they wrote.",
    "more": f"{_NOTHING} The customer's words say more than that: a question, a wish or a condition. Answer that; their"
    " enquiry stays open.",
    "stop": f"{_NOTHING} The customer wants no more messages at all: that is `opt_out`.",
}
_STATES = {
    "booked": "The shop's records say that this customer has booked. If they do not want that any more, `hand_off`.",
    "opted_out": "This customer said stop, so nothing is written to them anyway.",
    "human": "A person of the shop has this conversation and decides.",
}


@tool(write=True)
def close_enquiry(
    run: ToolRun,
    reason: Annotated[Why, Field(description="What the customer said; other when they gave no reason.")],
) -> Json:
    """The customer plainly says that they found another shop or no longer want the work: nobody follows up on it.

    Then thank them and ask nothing. Not for an appointment (`cancel`), "not now" (`follow_up`), one part of the work, or
    a wish for no messages at all (`opt_out`).
    """
    require_proof(run)
    heard = read_closing(words_of(run)).reading
    if heard != "yes":
        raise ToolRefusal(_WHY_NOT[heard])
    # The conversation before the lead, as everybody locks them.
    run.s.get_one(ChatSession, run.ctx.session_id, with_for_update=True, populate_existing=True)
    lead = locked(run.s, run.ctx.lead_id)
    if lead is None:
        raise ToolRefusal(f"{_NOTHING} This customer is not in the records any more.")
    _require_open(run, lead)
    why = f"the customer closed the enquiry: {reason}"
    halt_touches(run.s, lead.id, "ended", why, now=run.now)
    _close_requests(run, lead, why)
    # Who was won stays so: what ends is what would still be written to them.
    try_move(run.s, lead, "lost", who="agent", why=why, now=run.now, message_id=run.ctx.trigger_message_id)
    run.s.flush()
    return {"closed": True, "reason": reason}


def _require_open(run: ToolRun, lead: Lead) -> None:
    """Raises ToolRefusal where an appointment is ahead, or somebody else has said where this customer stands."""
    if ahead := upcoming(run.s, lead.id, run.now):
        label = visit_label(ahead[0], run.location().timezone)
        raise ToolRefusal(
            f"{_NOTHING} This customer has an appointment: {label}. Ask whether you should cancel it; `cancel` does that.",
            label=label,
        )
    chat = run.s.get_one(ChatSession, run.ctx.session_id)
    state = "human" if chat.state == "human" else lead.status
    if state in _STATES:
        raise ToolRefusal(f"{_NOTHING} {_STATES[state]}")


def _close_requests(run: ToolRun, lead: Lead, why: str) -> None:
    for request in _open_ones(run.s, lead):
        if close_request(run.s, request, run.now):
            note(
                run.s, lead, ENDED, before=None, after=request.external_id, who="agent", why=why, now=run.now
            )


def _open_ones(s: Session, lead: Lead) -> list[LeadRequest]:
    statement = select(LeadRequest).where(
        LeadRequest.lead_id == lead.id, LeadRequest.closed_at.is_(None), LeadRequest.source.in_(_OURS)
    )
    return list(s.scalars(statement.order_by(LeadRequest.id).with_for_update()))
