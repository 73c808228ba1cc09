"""How the arms of an experiment compare, with the uncertainty of every number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from crm.experiments.arms import ArmSpec, stored_arms
from crm.experiments.harm import Watch, watch
from crm.experiments.intervals import Cluster, Estimate, Mean, mean, share, share_difference
from crm.experiments.outcomes import Answer, Conversation, answers_of, conversations_of, failed_over
from crm.models import Experiment

RATES: dict[str, Callable[[Conversation], bool]] = {
    "booked": lambda one: one.booked,
    "replied": lambda one: one.replied,
    "opted_out": lambda one: one.opted_out,
    "complained": lambda one: one.complained,
    "handed_off": lambda one: one.to_a_person,
    "unanswered": lambda one: one.unanswered,
}
# Costs in millionths of a dollar, times in seconds.
MEANS = ("cost_per_answer", "cost_per_conversation", "seconds_per_answer")


@dataclass(frozen=True)
class Rate:
    """How many conversations of an arm, their share, and how far the share is from the control's. None: no
    conversations to say it of; the control has no difference."""

    count: int
    share: Estimate | None
    difference: Estimate | None = None


@dataclass(frozen=True)
class Average:
    """A mean of an arm and how far it is from the control's. None: fewer than two conversations to say it of."""

    mean: Estimate | None
    difference: Estimate | None = None


@dataclass(frozen=True)
class ArmReport:
    """One arm. `failed_over` of its `answers` came from another model and are in no cost or time; `cost_unknown` of
    the rest have no known price and are in no cost."""

    name: str
    weight: int
    what: str
    conversations: int
    answers: int
    failed_over: int
    cost_unknown: int
    rates: dict[str, Rate]
    averages: dict[str, Average]


@dataclass(frozen=True)
class Report:
    """An experiment so far, or up to its end; the first arm is the control."""

    id: int
    name: str
    status: str
    started_by: str
    started_at: datetime
    stopped_at: datetime | None
    stopped_because: str | None
    arms: list[ArmReport]
    watches: list[Watch]


def report_on(s: Session, experiment: Experiment, now: datetime) -> Report:
    """Read and compute the report of one experiment."""
    arms = stored_arms(experiment.arms)
    talks = conversations_of(s, experiment, experiment.stopped_at or now)
    answers = answers_of(s, experiment)
    sums = [_Sums.of(f"{experiment.id}", arm, talks, answers) for arm in arms]
    return Report(
        id=experiment.id,
        name=experiment.name,
        status=experiment.status,
        started_by=experiment.started_by,
        started_at=experiment.started_at,
        stopped_at=experiment.stopped_at,
        stopped_because=experiment.stopped_because,
        arms=[one.report(None if place == 0 else sums[0]) for place, one in enumerate(sums)],
        watches=watch(arms, talks),
    )


@dataclass(frozen=True)
class _Sums:
    """An arm's numbers before they are compared."""

    arm: ArmSpec
    conversations: int
    answers: int
    failed_over: int
    cost_unknown: int
    counts: dict[str, int]
    means: dict[str, Mean | None]

    @classmethod
    def of(cls, seed: str, arm: ArmSpec, talks: Sequence[Conversation], answers: Sequence[Answer]) -> _Sums:
        """Count one arm."""
        mine = [one for one in talks if one.arm == arm.name]
        given = [one for one in answers if one.arm == arm.name]
        elsewhere = [one for one in given if failed_over(arm, one)]
        # An answer no model was asked for (a fixed truthful line) is the same in every arm.
        own = [one for one in given if one.attempts and not failed_over(arm, one)]
        clusters = _clusters(own, {one.session_id for one in elsewhere})
        return cls(
            arm=arm,
            conversations=len(mine),
            answers=len(given),
            failed_over=len(elsewhere),
            cost_unknown=sum(one.cost_microusd is None for one in own),
            counts={name: sum(map(happened, mine)) for name, happened in RATES.items()},
            means={name: mean(clusters[name], f"{seed}:{arm.name}:{name}") for name in MEANS},
        )

    def report(self, control: _Sums | None) -> ArmReport:
        """The arm beside the control; the control itself has nothing to be compared with."""
        return ArmReport(
            name=self.arm.name,
            weight=self.arm.weight,
            what=self.arm.what(),
            conversations=self.conversations,
            answers=self.answers,
            failed_over=self.failed_over,
            cost_unknown=self.cost_unknown,
            rates={name: self._rate(name, control) for name in RATES},
            averages={name: self._average(name, control) for name in MEANS},
        )

    def _share(self, name: str) -> Estimate | None:
        return share(self.counts[name], self.conversations)

    def _rate(self, name: str, control: _Sums | None) -> Rate:
        mine = self._share(name)
        return Rate(
            self.counts[name], mine, share_difference(mine, control._share(name)) if control else None
        )

    def _average(self, name: str, control: _Sums | None) -> Average:
        mine = self.means[name]
        theirs = control.means[name] if control else None
        return Average(mine.estimate() if mine else None, mine.minus(theirs) if mine and theirs else None)


def _clusters(own: Sequence[Answer], mixed: set[int]) -> dict[str, list[Cluster]]:
    """The answers by conversation: sums and counts for each mean. A conversation of which somebody else answered a
    part is in no cost per conversation, nor is one with an unknown price."""
    by_session: dict[int, list[Answer]] = defaultdict(list)
    for one in own:
        by_session[one.session_id].append(one)
    found: dict[str, list[Cluster]] = {name: [] for name in MEANS}
    for session_id, answers in by_session.items():
        known = [one.cost_microusd for one in answers if one.cost_microusd is not None]
        found["cost_per_answer"].append((float(sum(known)), len(known)))
        found["seconds_per_answer"].append((sum(one.seconds for one in answers), len(answers)))
        if session_id not in mixed and len(known) == len(answers):
            found["cost_per_conversation"].append((float(sum(known)), 1))
    return found
