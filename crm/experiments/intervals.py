"""Intervals that hold 95 times in 100: of a share, of the difference of two shares, of a mean, of two means."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Z = 1.959963984540054
DRAWS = 1000
# From here on the mean of the conversations follows the normal law closely enough, and redrawing them is only slow.
ENOUGH_FOR_NORMAL = 500
# The sum over one conversation and how many things it is the sum of.
Cluster = tuple[float, int]


@dataclass(frozen=True)
class Estimate:
    """A value and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def share(count: int, of: int) -> Estimate | None:
    """A share with Wilson's interval (Wilson 1927), which is right for few and for none too; None of nothing."""
    if of == 0:
        return None
    p = count / of
    middle = (p + Z * Z / (2 * of)) / (1 + Z * Z / of)
    half = Z / (1 + Z * Z / of) * sqrt(p * (1 - p) / of + Z * Z / (4 * of * of))
    # At the ends the bound is the share itself; rounding must not put it on the other side.
    return Estimate(p, 0.0 if count == 0 else max(0.0, middle - half), 1.0 if count == of else middle + half)


def share_difference(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    """One share minus another with Newcombe's interval (Newcombe 1998, method 10), out of both Wilson intervals."""
    if one is None or other is None:
        return None
    low = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    difference = one.value - other.value
    return Estimate(difference, difference - low, difference + high)


@dataclass(frozen=True)
class Mean:
    """A mean over conversations, and what it might as well have been: `draws`."""

    value: float
    draws: tuple[float, ...]

    def estimate(self) -> Estimate:
        """The mean between the percentiles 2.5 and 97.5 of its draws."""
        return _between(self.value, self.draws)

    def minus(self, other: Mean) -> Estimate:
        """This mean minus another, of other conversations."""
        apart = [mine - theirs for mine, theirs in zip(self.draws, other.draws, strict=True)]
        return _between(self.value - other.value, apart)


def mean(clusters: Sequence[Cluster], seed: str) -> Mean | None:
    """The mean per thing (an answer) where things come in clusters (conversations); None below two clusters.

    Clusters are redrawn whole, because answers of one conversation resemble each other: the bootstrap for ratios.
    The same seed gives the same interval.
    """
    used = [cluster for cluster in clusters if cluster[1] > 0]
    if len(used) < 2:
        return None
    value = sum(total for total, _ in used) / sum(count for _, count in used)
    # Not secret, only the same each time the report is read.
    rng = random.Random(seed)
    if len(used) <= ENOUGH_FOR_NORMAL:
        draws = [_redrawn(used, rng) for _ in range(DRAWS)]
    else:
        error = _standard_error(used, value)
        draws = [rng.gauss(value, error) for _ in range(DRAWS)]
    return Mean(value, tuple(draws))


def _redrawn(clusters: Sequence[Cluster], rng: random.Random) -> float:
    drawn = rng.choices(clusters, k=len(clusters))
    return sum(total for total, _ in drawn) / sum(count for _, count in drawn)


def _standard_error(clusters: Sequence[Cluster], value: float) -> float:
    """Of a ratio of two sums over clusters, to first order."""
    size = len(clusters)
    spread = sum((total - value * count) ** 2 for total, count in clusters) / (size - 1)
    return sqrt(spread / size) / (sum(count for _, count in clusters) / size)


def _between(value: float, draws: Sequence[float]) -> Estimate:
    ordered = sorted(draws)
    last = len(ordered) - 1
    return Estimate(value, ordered[round(0.025 * last)], ordered[round(0.975 * last)])
