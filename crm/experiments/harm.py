"""When an arm does harm: a rule that may be looked at after every message without crying wolf.

An arm is chosen by hash, so if the arms do not differ, whoever says stop was in this arm rather than in the control
with the probability of the weights, whatever else is true. The evidence against that is how much better "this arm
makes it R times as likely" explains the counts, averaged over a few R fixed beforehand. It is a bet at fair odds: if
the arms do not differ, the chance that it ever reaches a limit L, however often one looks, is at most 1 / L (Ville
1939; the conditional form of Grünwald, ter Schure and others' safe tests). No plan of how many looks is needed, and an
outcome that comes days later counts when it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log

from crm.experiments.arms import ArmSpec
from crm.experiments.outcomes import Conversation

# The chance to stop an experiment whose arms do not differ, over all arms, all harms and all looks together.
FALSE_STOPS = 0.05


@dataclass(frozen=True)
class Harm:
    """One way to do harm: what happened to a conversation, and how many times as likely a bad arm makes it."""

    name: str
    happened: Callable[[Conversation], bool]
    ratios: tuple[float, ...]
    words: str


HARMS = (
    Harm("stops", lambda one: one.opted_out or one.complained, (1.5, 2.0, 3.0, 5.0),
         "ended in a stop or a complaint"),
    Harm("bookings", lambda one: one.ever_booked, (1 / 5, 1 / 3, 1 / 2, 2 / 3), "were booked"),
    Harm("unanswered", lambda one: one.unanswered, (1.5, 2.0, 3.0, 5.0),
         "got a fixed line because no answer of the model could be sent"),
)  # fmt: skip


@dataclass(frozen=True)
class Watch:
    """One harm of one arm now: counts of conversations, the evidence, and the limit at which the experiment stops."""

    arm: str
    harm: str
    count: int
    of: int
    control_count: int
    control_of: int
    evidence: float
    limit: float
    words: str

    @property
    def stops(self) -> bool:
        """Whether this is reason enough to stop."""
        return self.evidence >= self.limit

    def sentence(self) -> str:
        """Why the experiment was stopped, for its owner."""
        return (
            f"arm {self.arm} did harm: {self.count} of {self.of} conversations {self.words},"
            f" {self.control_count} of {self.control_of} in the control;"
            f" chance alone does this in fewer than 1 of {self.limit:.0f} experiments"
        )


def evidence(count: int, control_count: int, chance: float, ratios: Sequence[float]) -> float:
    """How many times better the counts are explained by a harmful arm than by none (1: no evidence).

    `chance` is the arm's share of the weights of the two. Never above 10^300, which is evidence enough.
    """
    total = 0.0
    for ratio in ratios:
        odds = ratio * chance + 1 - chance
        total += exp(min(690.0, count * log(ratio / odds) - control_count * log(odds)))
    return min(1e300, total / len(ratios))


def limit_for(arms: int) -> float:
    """The evidence at which an experiment with so many arms stops: the false stops are shared out evenly."""
    return (arms - 1) * len(HARMS) / FALSE_STOPS


def watch(arms: Sequence[ArmSpec], conversations: Sequence[Conversation]) -> list[Watch]:
    """Every harm of every arm against the control, which is the first."""
    by_arm = {arm.name: [one for one in conversations if one.arm == arm.name] for arm in arms}
    control, limit = arms[0], limit_for(len(arms))
    found = []
    for arm in arms[1:]:
        mine, theirs = by_arm[arm.name], by_arm[control.name]
        chance = arm.weight / (arm.weight + control.weight)
        for harm in HARMS:
            count, control_count = sum(map(harm.happened, mine)), sum(map(harm.happened, theirs))
            strength = evidence(count, control_count, chance, harm.ratios)
            found.append(
                Watch(arm.name, harm.name, count, len(mine), control_count, len(theirs), strength, limit, harm.words)
            )  # fmt: skip
    return found
