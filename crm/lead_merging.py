"""Two leads are one person: everything of the one becomes the other's, in one transaction.

Locks in the house's order: the conversations, then the leads, each by their numbers; then rows of theirs. Nobody who
holds a conversation asks for one with a smaller number, so no two merges can wait for each other. Sends under way hold
rows that only change hands here; a turn under way loses its lease, so it says nothing, and begins anew in the one
conversation. Stops hold by address and are carried to every address of the person: the stricter wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import lead_merging_rows as rows
from crm.consents import Channel
from crm.customer_ids import GIVEN_BY, with_giver
from crm.lead_merging_sessions import join_sessions
from crm.lead_merging_stops import carry_stops, is_closed
from crm.lead_states import STATE, IllegalMove, move, note
from crm.mailroom import SOURCE as MAILROOM
from crm.models import ChatSession, Lead
from crm.models.people import LEAD_STATUSES

WHAT, WHAT_MERGED = "merge", "merged"
_ADDRESSES: tuple[tuple[Channel, str], ...] = (("sms", "phone"), ("email", "email"))
# What counts of two states, first the one that counts most: what binds us, then what is ahead, then how far it got.
_RANK = {
    name: place
    for place, name in enumerate(
        ("opted_out", "human", "booked", "won", "quoted", "engaged", "new", "unreachable", "lost")
    )
}
assert set(_RANK) == set(LEAD_STATUSES)


class MergeRefused(ValueError):
    """Why these two cannot become one. Fit to be shown to an owner."""


@dataclass(frozen=True)
class Merged:
    """What became of it. `moved`: how many rows of each kind; `notes`: what the owner should know, in sentences.
    `again`: it had been done before, and nothing was changed. `session_id`, `answer_due_at`: the conversation, and
    when an answer is owed in it."""

    into_id: int
    other_id: int
    moved: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    again: bool = False
    session_id: int | None = None
    answer_due_at: datetime | None = None


def merge_leads(
    s: Session, into_id: int, other_id: int, *, who: str, why: str | None, now: datetime
) -> Merged:
    """Make lead `other_id` the lead `into_id`, in the caller's transaction. Safe to repeat. `who` is a person's name.

    Raises MergeRefused: unknown, the same, at different locations, forgotten, or merged elsewhere already, which also
    is what a circle would be.
    """
    chats = _lock_sessions(s, into_id, other_id)
    into, other = _lock_leads(s, into_id, other_id)
    if other.merged_into_id == into.id:
        return Merged(into.id, other.id, again=True)
    _refuse(into, other)
    notes: list[str] = []
    carry_stops(s, into, other, now)
    notes += _take_addresses(s, into, other)
    _take_facts(into, other)
    joined = join_sessions(s, into, other, chats.get(into.id), chats.get(other.id), now)
    moved = {**rows.move_rows(s, into, other, joined.session_id), "messages": joined.messages}
    notes += joined.notes
    notes += rows.join_touches(s, into, other, joined.session_id, now)
    other.merged_into_id = into.id
    s.flush()
    _settle_status(s, into, other, who, now)
    note(s, into, WHAT, before=None, after=f"lead {other.id}", who=who, why=why, now=now)
    note(s, other, WHAT_MERGED, before=None, after=f"lead {into.id}", who=who, why=why, now=now)
    s.flush()
    return Merged(into.id, other.id, moved, tuple(notes), False, joined.session_id, joined.answer_due_at)


def family_of(s: Session, lead_id: int) -> list[int]:
    """The numbers of the leads that were merged into this one, over any number of steps, and its own first."""
    found, fresh = [lead_id], [lead_id]
    while fresh:
        fresh = list(s.scalars(select(Lead.id).where(Lead.merged_into_id.in_(fresh)).order_by(Lead.id)))
        found += fresh
    return found


def _lock_sessions(s: Session, *lead_ids: int) -> dict[int, ChatSession]:
    found = s.scalars(
        select(ChatSession)
        .where(ChatSession.lead_id.in_(lead_ids))
        .order_by(ChatSession.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {chat.lead_id: chat for chat in found}


def _lock_leads(s: Session, into_id: int, other_id: int) -> tuple[Lead, Lead]:
    if into_id == other_id:
        raise MergeRefused(f"lead {into_id} cannot be merged with itself")
    found = {
        lead.id: lead
        for lead in s.scalars(
            select(Lead)
            .where(Lead.id.in_((into_id, other_id)))
            .order_by(Lead.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    }
    for lead_id in (into_id, other_id):
        if lead_id not in found:
            raise MergeRefused(f"there is no lead {lead_id}")
    return found[into_id], found[other_id]


def _refuse(into: Lead, other: Lead) -> None:
    for lead in (into, other):
        if lead.erased_at is not None:
            raise MergeRefused(f"lead {lead.id} was forgotten")
        if lead.source == MAILROOM:
            raise MergeRefused(f"lead {lead.id} is no person: it is where mail of no customer is kept")
    if into.merged_into_id is not None:
        raise MergeRefused(
            f"lead {into.id} was merged into lead {into.merged_into_id} already; name that one"
        )
    if other.merged_into_id is not None:
        raise MergeRefused(f"lead {other.id} was merged into lead {other.merged_into_id} already")
    if into.location_id != other.location_id:
        raise MergeRefused(
            f"leads {into.id} and {other.id} are at different locations: one person is one lead at each of them"
        )


def _take_addresses(s: Session, into: Lead, other: Lead) -> list[str]:
    """Addresses go over where there is room, or where the one that is there does not work. What has no room stays as a
    signpost on the merged lead."""
    notes = []
    for _, name in _ADDRESSES:
        bad = f"{name}_bad_since"
        mine, theirs = getattr(into, name), getattr(other, name)
        if theirs is None:
            continue
        better = getattr(into, bad) is not None and getattr(other, bad) is None
        if mine is not None and not better:
            notes.append(f"{theirs} still finds this person, who is written to at {mine}")
            continue
        mine_bad, theirs_bad = getattr(into, bad), getattr(other, bad)
        # Unique at a location: it leaves the one row before it comes into the other.
        setattr(other, name, None)
        s.flush()
        setattr(into, name, theirs)
        setattr(into, bad, theirs_bad)
        s.flush()
        setattr(other, name, mine)
        setattr(other, bad, mine_bad)
        if mine is not None:
            notes.append(f"{mine} does not work, so this person is written to at {theirs} now")
    s.flush()
    return notes


def _take_facts(into: Lead, other: Lead) -> None:
    givers = {one: one.facts.get(GIVEN_BY, one.source) for one in (into, other)}
    given = other if into.external_customer_id is None else into
    for name in ("first_name", "last_name", "postal_code", "state", "wish", "external_customer_id"):
        if getattr(into, name) is None:
            setattr(into, name, getattr(other, name))
    if into.language == "en" and other.language != "en":
        into.language = other.language
    into.facts = rows.join_facts(into.facts, other.facts)
    if given is other or GIVEN_BY in into.facts:
        into.facts = with_giver(into.facts, givers[given])


def _settle_status(s: Session, into: Lead, other: Lead, who: str, now: datetime) -> None:
    """The state that counts more; one that says stop only while the ledger says so for the person as a whole."""
    wanted = min(into.status, other.status, key=lambda name: _RANK[name])
    if wanted == "opted_out" and not is_closed(s, into):
        wanted = min((one.status for one in (into, other) if one.status != "opted_out"), default=into.status)
    if wanted == into.status:
        return
    why = f"lead {other.id}, which was {other.status}, is the same person"
    try:
        move(s, into, wanted, who=who, why=why, now=now, by_person=True)
    except IllegalMove:
        note(s, into, STATE, before=into.status, after=into.status, who=who, why=f"{why}; it stays", now=now)
