"""What became of the conversations of an experiment, and what their answers cost.

Several plain queries instead of one with everything: each has one obvious plan, whereas the planner, when it took the
first part for one row, ran into the statement time-out with four hundred conversations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm.experiments.arms import ArmSpec
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    ConsentEvent,
    Experiment,
    ExperimentAssignment,
    ModelAttempt,
    ToolCallRow,
    Turn,
)

Moments = Mapping[int, datetime]


@dataclass(frozen=True)
class Conversation:
    """One conversation of an experiment and what happened in it. `booked`: an appointment that still stands;
    `unanswered`: a turn ended in a fixed line because no answer of the model could be sent."""

    session_id: int
    arm: str
    assigned_at: datetime
    ever_booked: bool = False
    booked: bool = False
    replied: bool = False
    opted_out: bool = False
    complained: bool = False
    handed_off: bool = False
    unanswered: bool = False

    @property
    def to_a_person(self) -> bool:
        """Handed off by the agent, or given up by it."""
        return self.handed_off or self.unanswered


@dataclass(frozen=True)
class Answer:
    """One finished turn. Cost in millionths of a dollar, None: unknown; `attempts` are (provider, model asked for,
    whether it answered), in order."""

    session_id: int
    arm: str
    cost_microusd: int | None
    seconds: float
    attempts: tuple[tuple[str, str, bool], ...]


def conversations_of(s: Session, experiment: Experiment, until: datetime) -> list[Conversation]:
    """All conversations that joined by then, with what happened to each between its joining and then."""
    joined = s.execute(
        select(ExperimentAssignment, ChatSession.lead_id)
        .join(ChatSession, ChatSession.id == ExperimentAssignment.session_id)
        .where(ExperimentAssignment.experiment_id == experiment.id, ExperimentAssignment.assigned_at <= until)
        .order_by(ExperimentAssignment.session_id)
    ).all()
    began = {lead_id: row.assigned_at for row, lead_id in joined}
    sessions = [row.session_id for row, _ in joined]
    booked, standing = _booked(s, began, until)
    stopped = _stopped(s, began, until)
    turns = _turns(s, experiment, sessions)
    handed, complained = _handed_off(s, turns)
    replied = _replied(s, turns, sessions, until)
    gave_up = {turn.session_id for turn in turns.values() if (turn.trace or {}).get("hand_off") is not None}
    return [
        Conversation(
            session_id=row.session_id,
            arm=row.arm,
            assigned_at=row.assigned_at,
            ever_booked=lead_id in booked,
            booked=lead_id in standing,
            replied=row.session_id in replied,
            opted_out=lead_id in stopped,
            complained=row.session_id in complained,
            handed_off=row.session_id in handed,
            unanswered=row.session_id in gave_up,
        )
        for row, lead_id in joined
    ]


def _one_of(
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None], ids: Collection[int]
) -> ColumnElement[bool]:
    """One array instead of a parameter for each of thousands of ids."""
    return column == any_(literal(list(ids), ARRAY(BigInteger)))


def _turns(s: Session, experiment: Experiment, sessions: Collection[int]) -> dict[int, Turn]:
    found = select(Turn).where(_one_of(Turn.session_id, sessions), Turn.experiment_id == experiment.id)
    return {turn.id: turn for turn in s.scalars(found.order_by(Turn.id))}


def _booked(s: Session, began: Moments, until: datetime) -> tuple[set[int], set[int]]:
    """The leads with an appointment made in time, and those of them with one that still stands.

    When it was made stands in its history; created_at is the database's own clock and only a last resort.
    """
    rows = s.execute(
        select(Appointment.lead_id, Appointment.status, Appointment.history, Appointment.created_at).where(
            _one_of(Appointment.lead_id, began)
        )
    )
    ever, standing = set(), set()
    for lead_id, status, history, created_at in rows:
        when = history[0].get("when") if history else None
        made_at = datetime.fromisoformat(when) if when else created_at
        if lead_id is not None and began[lead_id] <= made_at <= until:
            ever.add(lead_id)
            if status != "cancelled":
                standing.add(lead_id)
    return ever, standing


def _stopped(s: Session, began: Moments, until: datetime) -> set[int]:
    rows = s.execute(
        select(ConsentEvent.lead_id, ConsentEvent.effective_at).where(
            _one_of(ConsentEvent.lead_id, began),
            ConsentEvent.action == "revoke",
            ConsentEvent.actor.in_(("customer", "carrier")),
        )
    )
    return {lead_id for lead_id, at in rows if lead_id is not None and began[lead_id] <= at <= until}


def _handed_off(s: Session, turns: Mapping[int, Turn]) -> tuple[set[int], set[int]]:
    """The sessions the agent gave to a person, and those of them with a complaint."""
    rows = s.execute(
        select(ToolCallRow.session_id, ToolCallRow.arguments).where(
            _one_of(ToolCallRow.turn_id, turns), ToolCallRow.tool == "hand_off", ~ToolCallRow.is_error
        )
    ).all()
    complained = {session_id for session_id, arguments in rows if arguments.get("reason") == "complaint"}
    return {session_id for session_id, _ in rows}, complained


def _replied(s: Session, turns: Mapping[int, Turn], sessions: Collection[int], until: datetime) -> set[int]:
    """The sessions whose customer wrote again after the first answer of the experiment."""
    answers = s.execute(
        select(ChatMessage.session_id, ChatMessage.turn_id, ChatMessage.id)
        .where(_one_of(ChatMessage.session_id, sessions), ChatMessage.direction == "out")
        .order_by(ChatMessage.id.desc())
    )
    first = {session_id: message_id for session_id, turn_id, message_id in answers if turn_id in turns}
    last_words = s.execute(
        select(ChatMessage.session_id, func.max(ChatMessage.id))
        .where(
            _one_of(ChatMessage.session_id, sessions),
            ChatMessage.direction == "in",
            ChatMessage.received_at <= until,
        )
        .group_by(ChatMessage.session_id)
    )
    return {session_id for session_id, last in last_words if session_id in first and last > first[session_id]}


def answers_of(s: Session, experiment: Experiment) -> list[Answer]:
    """All finished turns of the experiment, oldest first."""
    sessions = s.scalars(
        select(ExperimentAssignment.session_id).where(ExperimentAssignment.experiment_id == experiment.id)
    ).all()
    turns = {key: turn for key, turn in _turns(s, experiment, sessions).items() if turn.status == "done"}
    attempts: dict[int | None, list[tuple[str, str, bool]]] = defaultdict(list)
    rows = s.execute(
        select(ModelAttempt.turn_id, ModelAttempt.provider, ModelAttempt.requested_model, ModelAttempt.ok)
        .where(_one_of(ModelAttempt.turn_id, turns))
        .where(ModelAttempt.purpose == "turn")
        .order_by(ModelAttempt.id)
    )
    for turn_id, provider, model, ok in rows:
        attempts[turn_id].append((provider, model, ok))
    return [_answer(turn, tuple(attempts[turn.id])) for turn in turns.values()]


def _answer(turn: Turn, attempts: tuple[tuple[str, str, bool], ...]) -> Answer:
    seconds = (turn.finished_at - turn.started_at).total_seconds() if turn.finished_at else 0.0
    return Answer(turn.session_id, turn.arm or "", turn.cost_microusd, seconds, attempts)


def failed_over(arm: ArmSpec, answer: Answer) -> bool:
    """Whether somebody else than this arm's model was asked for this answer: a failure, an open breaker, a missing
    key or a budget that stepped down. Such an answer says nothing about what the arm costs (LLM facts 4.5)."""
    if not answer.attempts:
        return False
    asked = [(_provider(provider), model) for provider, model, _ in answer.attempts]
    own = (arm.provider or asked[0][0], arm.model or asked[0][1])
    return any(one != own for one in asked)


def _provider(recorded: str) -> str:
    """A server that only speaks a provider's language is recorded under a name of its own, but chosen by that
    provider's."""
    return recorded.removesuffix("-compatible")
