"""What the arms of an experiment may be, and which one a conversation gets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

MOST_ARMS = 5
MOST_WEIGHT = 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
NAME_RULE = "lower-case letters, digits, '.', '_' and '-', at most 40"


@dataclass(frozen=True)
class ArmSpec:
    """One arm as it is stored: its share of the conversations and what answers them. None: the tenant's own choice."""

    name: str
    weight: int = 1
    provider: str | None = None
    model: str | None = None
    policy_version: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The value in `experiments.arms`; what is not said is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def target(self) -> tuple[str | None, str | None, int | None]:
        """What makes it another arm than its neighbours."""
        return self.provider, self.model, self.policy_version

    def what(self) -> str:
        """ "claude/claude-haiku-5-5, policy 3" for a person."""
        who = "/".join(part for part in (self.provider, self.model) if part) or "the configured model"
        return f"{who}, policy {self.policy_version}" if self.policy_version else who


def stored_arms(arms: Sequence[Mapping[str, Any]]) -> tuple[ArmSpec, ...]:
    """The arms of a stored experiment, the control first. Keys that a later version added are ignored."""
    known = ArmSpec.__dataclass_fields__
    return tuple(ArmSpec(**{key: value for key, value in one.items() if key in known}) for one in arms)


def faults_of(
    name: str, arms: Sequence[ArmSpec], *, providers: Collection[str], policies: Collection[int]
) -> list[str]:
    """Everything that is wrong with a planned experiment, a sentence each; none when it may start.

    `providers` are the names the installation can ask, `policies` the versions the tenant has.
    """
    faults = [] if _NAME.fullmatch(name) else [f"{name!r} is no name of an experiment: use {NAME_RULE}"]
    if not 2 <= len(arms) <= MOST_ARMS:
        faults.append(f"an experiment has two to {MOST_ARMS} arms, this one has {len(arms)}")
    names = [arm.name for arm in arms]
    faults += [f"there are two arms {one!r}" for one in sorted({n for n in names if names.count(n) > 1})]
    for arm in arms:
        faults += _faults_of_arm(arm, providers, policies)
    for one, other in combinations(arms, 2):
        if one.target() == other.target():
            faults.append(f"arms {one.name!r} and {other.name!r} do not differ: both are {one.what()}")
    return faults


def _faults_of_arm(arm: ArmSpec, providers: Collection[str], policies: Collection[int]) -> list[str]:
    found = []
    if not _NAME.fullmatch(arm.name):
        found.append(f"{arm.name!r} is no name of an arm: use {NAME_RULE}")
    if not 1 <= arm.weight <= MOST_WEIGHT:
        found.append(f"the weight of arm {arm.name!r} is {arm.weight}; use 1 to {MOST_WEIGHT}")
    if arm.provider is not None and arm.provider not in providers:
        found.append(
            f"arm {arm.name!r} names the unknown provider {arm.provider!r};"
            f" there is {', '.join(sorted(providers))}"
        )
    if arm.model is not None and arm.provider is None:
        found.append(f"arm {arm.name!r} names a model without its provider")
    if arm.model is not None and arm.provider == "playbook":
        found.append(f"arm {arm.name!r}: the playbook has no model to choose")
    if arm.policy_version is not None and arm.policy_version not in policies:
        there = ", ".join(map(str, sorted(policies))) or "none yet"
        found.append(
            f"arm {arm.name!r} names policy version {arm.policy_version}, which does not exist; there is {there}"
        )
    return found


def pick(name: str, session_id: int, arms: Sequence[ArmSpec]) -> ArmSpec:
    """The arm of a conversation, by a hash of the experiment's name and the conversation: the same each time and in
    every process, independent of anything the customer did (LLM facts 4.5)."""
    digest = hashlib.sha256(f"{name}:{session_id}".encode()).digest()
    # 64 bits over a total of at most 5000: the tilt of the remainder is below one in 10^15.
    place = int.from_bytes(digest[:8], "big") % sum(arm.weight for arm in arms)
    for arm in arms:
        if place < arm.weight:
            return arm
        place -= arm.weight
    raise ValueError("an experiment without arms")
