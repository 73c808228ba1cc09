"""What stands behind an answer: who was asked, what the tools returned, which fact rests on what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm.experiments.arms import ArmSpec, stored_arms
from crm.experiments.outcomes import Answer, failed_over
from crm.models import ChatMessage, Experiment, ModelAttempt, PolicyVersion, ToolCallRow, Turn
from crm.transcripts import ToolLine


@dataclass(frozen=True)
class FactLine:
    """One statement of the reply and the record it rests on."""

    kind: str
    text: str
    source: str


@dataclass(frozen=True)
class AttemptWhy:
    """One request to one model. Cost in millionths of a dollar, None: unknown. `error` None: it answered."""

    provider: str
    model: str
    requested_model: str
    error: str | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost_microusd: int | None
    ms: int
    request_id: str | None


@dataclass(frozen=True)
class ArmWhy:
    """The arm of an experiment the turn was in. `failed_over`: another model than the arm's was asked."""

    experiment: str
    arm: str
    what: str
    failed_over: bool


@dataclass(frozen=True)
class TurnWhy:
    """One run of the agent. `findings`: why the check refused drafts; `hand_off`: why it gave up; `limits`: which
    limit of the turn was reached. `policy` is in words; `choice`: what was unusual about the choice of models.
    `facts` None: the turn kept none (it did not end, or is old)."""

    id: int
    status: str
    error: str | None
    started_at: datetime
    seconds: float | None
    rounds: int
    provider: str | None
    model: str | None
    cost_microusd: int | None
    policy: str
    arm: ArmWhy | None
    facts: list[FactLine] | None
    findings: list[str]
    hand_off: str | None
    limits: str | None
    choice: list[str]
    tools: list[ToolLine]
    attempts: list[AttemptWhy]


def turns_behind(s: Session, message: ChatMessage) -> list[TurnWhy]:
    """The turn that wrote a message, after those that tried the same before it; of an inbound message, all turns it
    caused. Oldest first."""
    trigger = message.id
    if message.direction == "out":
        if message.turn_id is None:
            return []
        trigger = s.get_one(Turn, message.turn_id).trigger_message_id
    wanted = or_(Turn.trigger_message_id == trigger, Turn.id == message.turn_id)
    rows = s.scalars(
        select(Turn).where(Turn.session_id == message.session_id, wanted).order_by(Turn.id)
    ).all()
    ids = [row.id for row in rows]
    tools, attempts = _tools(s, ids), _attempts(s, ids)
    policies, experiments = _policies(s, rows), _experiments(s, rows)
    return [_turn(row, tools[row.id], attempts[row.id], policies, experiments) for row in rows]


def _turn(
    row: Turn,
    tools: list[ToolLine],
    attempts: list[ModelAttempt],
    policies: dict[int, PolicyVersion],
    experiments: dict[int, Experiment],
) -> TurnWhy:
    trace = row.trace or {}
    return TurnWhy(
        id=row.id,
        status=row.status,
        error=row.error,
        started_at=row.started_at,
        seconds=(row.finished_at - row.started_at).total_seconds() if row.finished_at else None,
        rounds=row.rounds,
        provider=row.provider,
        model=row.model,
        cost_microusd=row.cost_microusd,
        policy=_policy(row.policy_version, policies),
        arm=_arm(row, attempts, experiments),
        facts=_facts(trace),
        findings=[str(one) for one in trace.get("findings") or []],
        hand_off=trace.get("hand_off"),
        limits=trace.get("limits"),
        choice=[str(one) for one in trace.get("choice") or []],
        tools=tools,
        attempts=[_attempt(one) for one in attempts],
    )


def _facts(trace: dict[str, Any]) -> list[FactLine] | None:
    if trace.get("facts") is None:
        return None
    found = [one for one in trace["facts"] if isinstance(one, dict)]
    return [FactLine(*(str(one.get(key, "")) for key in ("kind", "text", "source"))) for one in found]


def _policy(version: int | None, policies: dict[int, PolicyVersion]) -> str:
    if version is None:
        return "the policy that ships"
    row = policies.get(version)
    note = f": {row.note}" if row and row.note else ""
    return f"version {version}, by {row.author}{note}" if row else f"version {version}"


def _arm(row: Turn, attempts: list[ModelAttempt], experiments: dict[int, Experiment]) -> ArmWhy | None:
    experiment = experiments.get(row.experiment_id) if row.experiment_id else None
    if experiment is None or row.arm is None:
        return None
    spec = next((arm for arm in stored_arms(experiment.arms) if arm.name == row.arm), ArmSpec(row.arm))
    asked = tuple((one.provider, one.requested_model, one.ok) for one in attempts)
    return ArmWhy(
        experiment.name,
        row.arm,
        spec.what(),
        failed_over(spec, Answer(row.session_id, row.arm, None, 0.0, asked)),
    )


def _attempt(row: ModelAttempt) -> AttemptWhy:
    return AttemptWhy(
        provider=row.provider,
        model=row.model,
        requested_model=row.requested_model,
        error=None if row.ok else row.error or row.error_kind or "failed",
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        cost_microusd=row.cost_microusd,
        ms=row.ms,
        request_id=row.request_id,
    )


def _tools(s: Session, ids: Sequence[int]) -> dict[int, list[ToolLine]]:
    found: dict[int, list[ToolLine]] = defaultdict(list)
    for row in s.scalars(select(ToolCallRow).where(ToolCallRow.turn_id.in_(ids)).order_by(ToolCallRow.id)):
        found[row.turn_id].append(
            ToolLine(row.tool, row.arguments, row.result, row.is_error, row.duration_ms)
        )
    return found


def _attempts(s: Session, ids: Sequence[int]) -> dict[int, list[ModelAttempt]]:
    found: dict[int, list[ModelAttempt]] = defaultdict(list)
    rows = select(ModelAttempt).where(ModelAttempt.turn_id.in_(ids), ModelAttempt.purpose == "turn")
    for row in s.scalars(rows.order_by(ModelAttempt.id)):
        if row.turn_id is not None:
            found[row.turn_id].append(row)
    return found


def _policies(s: Session, rows: Sequence[Turn]) -> dict[int, PolicyVersion]:
    versions = {row.policy_version for row in rows if row.policy_version is not None}
    if not versions:
        return {}
    found = select(PolicyVersion).where(
        PolicyVersion.tenant_id == rows[0].tenant_id, PolicyVersion.version.in_(versions)
    )
    return {one.version: one for one in s.scalars(found)}


def _experiments(s: Session, rows: Sequence[Turn]) -> dict[int, Experiment]:
    ids = {row.experiment_id for row in rows if row.experiment_id is not None}
    return {one.id: one for one in s.scalars(select(Experiment).where(Experiment.id.in_(ids)))} if ids else {}
