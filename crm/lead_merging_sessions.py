"""Two conversations become one: messages, turns, what is owed an answer, and who has the conversation.

What is unanswered stays owed and what is answered stays answered. "Answered up to" is one number, so the two can only
go on as one where everything unanswered is newer than everything answered. Where it is not, a newer message of the one
conversation was answered while an older one of the other still waits, and the shop's people are told of the older one:
it is neither lost nor is anything answered twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import String, cast, delete, literal, or_, select, update
from sqlalchemy.orm import Session

from crm.lead_merging_rows import run
from crm.models import (
    ChatMessage,
    ChatSession,
    ConversationSummary,
    ExperimentAssignment,
    Lead,
    Location,
    ToolCallRow,
    Turn,
)
from crm.notices import notify_staff
from crm.sessions import open_session

_NOT_SAID = ("automatic", "notice")
ABANDONED = "the conversation went on in another one: the leads are one person"


@dataclass(frozen=True)
class Joined:
    """The one conversation. `messages`: how many came over."""

    session_id: int | None = None
    messages: int = 0
    answer_due_at: datetime | None = None
    notes: list[str] = field(default_factory=list)


def join_sessions(
    s: Session,
    into: Lead,
    other: Lead,
    mine: ChatSession | None,
    theirs: ChatSession | None,
    now: datetime,
) -> Joined:
    """Take the other lead's conversation over, in the caller's transaction, which holds both and both leads."""
    if theirs is None:
        return Joined(mine.id if mine else None, answer_due_at=mine.answer_due_at if mine else None)
    mine = mine or open_session(s, into)
    owed = {chat.id: unanswered(s, chat) for chat in (mine, theirs)}
    _end_turns(s, mine, theirs, both=bool(owed[theirs.id]))
    late = _settle_debts(s, mine, theirs, owed)
    messages = _move_messages(s, into, mine, theirs)
    if _settle_who(mine, theirs):
        # The person who has one of the two has both now, and knows nothing of what the agent was about to answer.
        late = sorted(owed[mine.id] + owed[theirs.id])
    _close(theirs, mine, into)
    s.flush()
    notes = _tell(s, into, mine, late, now)
    return Joined(mine.id, messages, mine.answer_due_at, notes)


def unanswered(s: Session, chat: ChatSession) -> list[int]:
    """What the agent owes an answer for, oldest first; nothing while a person has the conversation."""
    if chat.answer_due_at is None:
        return []
    return list(
        s.scalars(
            select(ChatMessage.id)
            .where(
                ChatMessage.session_id == chat.id,
                ChatMessage.direction == "in",
                ChatMessage.kind.not_in(_NOT_SAID),
                ChatMessage.id > chat.answered_up_to,
            )
            .order_by(ChatMessage.id)
        )
    )


def abandon_turns(s: Session, chat: ChatSession) -> None:
    """Take the lease away and end the running turn: it may not say or do anything any more."""
    chat.lease_token = chat.lease_until = None
    run(
        s,
        update(Turn)
        .where(Turn.session_id == chat.id, Turn.status == "running")
        .values(status="abandoned", error=ABANDONED),
    )


def _end_turns(s: Session, mine: ChatSession, theirs: ChatSession, *, both: bool) -> None:
    """The other's turn ends; ours too where it would not know of what the other's customer is waiting for."""
    abandon_turns(s, theirs)
    if both:
        abandon_turns(s, mine)


def _settle_debts(
    s: Session, mine: ChatSession, theirs: ChatSession, owed: dict[int, list[int]]
) -> list[int]:
    """Make one debt of two. Returns the messages that only a person can still answer."""
    waiting = sorted(owed[mine.id] + owed[theirs.id])
    answered = max(mine.answered_up_to, theirs.answered_up_to)
    late = [one for one in waiting if one <= answered]
    both = (mine, theirs)
    mine.answered_up_to = answered
    dues = [chat.answer_due_at for chat in both if chat.answer_due_at is not None]
    bursts = [chat.burst_started_at for chat in both if chat.burst_started_at is not None]
    mine.answer_due_at = min(dues, default=None) if len(late) < len(waiting) else None
    mine.burst_started_at = min(bursts, default=None) if mine.answer_due_at is not None else None
    if mine.answer_due_at is None:
        abandon_turns(s, mine)
    mine.answer_tries = 0
    last = max(both, key=lambda chat: chat.last_inbound_id or 0)
    mine.last_inbound_id, mine.last_channel = last.last_inbound_id, last.last_channel or mine.last_channel
    moments = [chat.last_inbound_at for chat in both if chat.last_inbound_at is not None]
    mine.last_inbound_at = max(moments, default=None)
    mine.subject = mine.subject or theirs.subject
    return late


def _settle_who(mine: ChatSession, theirs: ChatSession) -> bool:
    """Where a person has one of the two, they have the one. Returns whether a person has it."""
    if theirs.state == "human" and mine.state != "human":
        mine.state, mine.state_reason = "human", theirs.state_reason
    if mine.state == "human":
        mine.answer_due_at = mine.burst_started_at = mine.lease_token = mine.lease_until = None
    return mine.state == "human"


def _move_messages(s: Session, into: Lead, mine: ChatSession, theirs: ChatSession) -> int:
    taken = select(ChatMessage.dedupe_key).where(ChatMessage.session_id == mine.id)
    twice = ChatMessage.dedupe_key.in_(taken.where(ChatMessage.dedupe_key.is_not(None)))
    mark = literal(":lead:") + cast(ChatMessage.lead_id, String)
    run(
        s,
        update(ChatMessage)
        .where(ChatMessage.session_id == theirs.id, twice)
        .values(dedupe_key=ChatMessage.dedupe_key + mark),
    )
    moved = run(
        s,
        update(ChatMessage)
        .where(ChatMessage.session_id == theirs.id)
        .values(session_id=mine.id, lead_id=into.id),
    )
    for table in (Turn, ToolCallRow):
        run(s, update(table).where(table.session_id == theirs.id).values(session_id=mine.id))
    # A summary speaks of one of the two up to a message; the next turns make a new one.
    gone = or_(ConversationSummary.session_id == mine.id, ConversationSummary.session_id == theirs.id)
    s.execute(delete(ConversationSummary).where(gone))
    _move_arms(s, mine, theirs)
    return moved


def _move_arms(s: Session, mine: ChatSession, theirs: ChatSession) -> None:
    """A conversation is in one arm for good; where both are in one of the same experiment, the surviving one's counts."""
    has = select(ExperimentAssignment.experiment_id).where(ExperimentAssignment.session_id == mine.id)
    own = ExperimentAssignment.session_id == theirs.id
    s.execute(
        delete(ExperimentAssignment)
        .where(own, ExperimentAssignment.experiment_id.in_(has))
        .execution_options(synchronize_session=False)
    )
    run(s, update(ExperimentAssignment).where(own).values(session_id=mine.id))


def _close(theirs: ChatSession, mine: ChatSession, into: Lead) -> None:
    """Its reply token still leads here, so that a mail to it is found; nobody answers in it any more."""
    theirs.merged_into_id = mine.id
    theirs.state, theirs.state_reason = "human", f"merged into lead {into.id}"
    theirs.answer_due_at = theirs.burst_started_at = None


def _tell(s: Session, into: Lead, mine: ChatSession, ids: list[int], now: datetime) -> list[str]:
    """Give what no answer of the agent can cover any more to the shop's people."""
    for message in s.scalars(select(ChatMessage).where(ChatMessage.id.in_(ids)).order_by(ChatMessage.id)):
        notify_staff(
            s,
            session=mine,
            lead=into,
            location=s.get_one(Location, mine.location_id),
            text=f"{into.first_name or message.from_address} wrote what nobody has answered yet, and two leads of theirs"
            f" became one meanwhile, so it is yours to answer: {message.body.strip()[:200] or '(no words)'}",
            dedupe_key=f"merged:{message.id}",
            now=now,
        )
    count = "1 message waits" if len(ids) == 1 else f"{len(ids)} messages wait"
    return [f"{count} for an answer by a person of the shop, who was told"] if ids else []
