"""What became of a request where it was made: invoiced, dropped, or agreed to without us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.connectors.records import Ended
from crm.lead_requests import close_request, open_requests, request_of
from crm.lead_states import locked, move, note, try_move
from crm.leads import root_of
from crm.models import Appointment, ChatSession, Lead, LeadRequest
from crm.touches import halt_touches

ENDED = "request ended"
_WHY: dict[Ended, str] = {
    "won": "it was invoiced there",
    "closed": "it was deleted or archived there",
    "booked": "the customer agreed to it there",
}


def end_request(
    s: Session, tenant_id: int, source: str, external_id: str, ended: Ended, now: datetime
) -> Lead | None:
    """Close a request of ours that ended where it was made, in the caller's transaction; returns its lead, None when
    the request is none of ours.

    Invoiced there: the lead is won; dropped there: lost; unless another request of theirs is open. Agreed to there:
    booked, unless an appointment of ours is why. Its cadence ends. Safe to repeat: what was closed before changes
    nothing, because the lead may have moved on since.
    """
    request = request_of(s, tenant_id, source, external_id)
    if request is None or (request.closed_at is not None):
        return None if request is None else root_of(s, s.get_one(Lead, request.lead_id))
    lead_id = root_of(s, s.get_one(Lead, request.lead_id)).id
    # The conversation before the lead, as everybody locks them.
    s.execute(select(ChatSession.id).where(ChatSession.lead_id == lead_id).with_for_update())
    lead = locked(s, lead_id)
    request = request_of(s, tenant_id, source, external_id, lock=True)
    if lead is None or request is None or lead.erased_at is not None:
        return lead
    if ended == "booked":
        _agreed(s, lead, request, source, now)
        return lead
    if not close_request(s, request, now):
        return lead
    s.flush()
    note(s, lead, ENDED, before=None, after=external_id, who=source, why=_WHY[ended], now=now)
    if open_requests(s, lead.id) == 0:
        halt_touches(s, lead.id, "ended", f"the request was closed: {_WHY[ended]}")
        _move(s, lead, "won" if ended == "won" else "lost", source, _WHY[ended], now)
    return lead


def _agreed(s: Session, lead: Lead, request: LeadRequest, source: str, now: datetime) -> None:
    """The shop agreed with the customer there. What we booked ourselves shows there too, and our calendar knows more of
    it: also that it was cancelled."""
    if _ours(s, lead, request.made_at):
        return
    halt_touches(s, lead.id, "ended", f"the cadence is over: {_WHY['booked']}")
    try_move(s, lead, "booked", who=source, why=_WHY["booked"], now=now)


def _ours(s: Session, lead: Lead, made_at: datetime) -> bool:
    """Whether a visit of ours may be why: one made since the request was, or one of before that was still to come then.
    A returning customer's visits of last year say nothing, nor does one that was given up before they asked again."""
    mine = select(Appointment).where(Appointment.lead_id == lead.id, Appointment.source != "crm")
    return any(_may_be_why(one, made_at) for one in s.scalars(mine))


def _may_be_why(visit: Appointment, made_at: datetime) -> bool:
    if _when(visit, "booked", visit.created_at) >= made_at:
        return True
    given_up = visit.status == "cancelled" and _when(visit, "cancelled", made_at) < made_at
    return visit.starts_at >= made_at and not given_up


def _when(visit: Appointment, what: str, otherwise: datetime) -> datetime:
    """When that last happened, as its history says; `otherwise` where it does not."""
    told = [one["when"] for one in visit.history if isinstance(one, dict) and one.get("what") == what]
    return datetime.fromisoformat(told[-1]) if told else otherwise


def _move(s: Session, lead: Lead, to: str, who: str, why: str, now: datetime) -> None:
    if lead.status == "human":
        # Who closed it there is a person of the shop, and so may move what a person has.
        move(s, lead, to, who=who, why=why, now=now, by_person=True)
    else:
        try_move(s, lead, to, who=who, why=why, now=now)
