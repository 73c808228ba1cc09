"""What the gate answers, and what the installation tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Verdict = Literal["allow", "hold", "withhold", "drop"]


@dataclass(frozen=True)
class GateRules:
    """What the installation adds to the law: in demo mode only the allow-listed addresses are really written to."""

    demo_mode: bool = False
    demo_allow_list: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The verdict with every reason that led to it, in words an owner understands.

    `hold_until` of a hold: when to ask again. `good_until` of an allowed message: when it may no longer arrive, because
    the lawful window closes or what it says expires; None: at any time. Both aware UTC.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    hold_until: datetime | None = None
    good_until: datetime | None = None


def withhold(reason: str) -> Decision:
    """It never goes."""
    return Decision("withhold", (reason,))


def drop(reason: str) -> Decision:
    """Something newer made it pointless."""
    return Decision("drop", (reason,))


def hold(reason: str, until: datetime) -> Decision:
    """Not now; ask again at `until`."""
    return Decision("hold", (reason,), until)
