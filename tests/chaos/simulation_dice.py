"""Chance that comes from a seed: the same question always has the same answer, whoever asks in whatever order."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar
from unittest.mock import patch

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Dice:
    """`seed` and the words of a question decide; nothing is used up by asking."""

    seed: int

    def roll(self, *question: object) -> float:
        """A number from 0 up to 1."""
        digest = blake2b(repr((self.seed, *question)).encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    def happens(self, probability: float, *question: object) -> bool:
        """True so often."""
        return self.roll(*question) < probability

    def between(self, low: float, high: float, *question: object) -> float:
        """A number in the range."""
        return low + (high - low) * self.roll(*question)

    def one_of(self, weights: Mapping[Thing, float], *question: object) -> Thing:
        """One of the keys, as often as its weight says."""
        left = self.roll(*question) * sum(weights.values())
        for thing, weight in weights.items():
            left -= weight
            if left < 0:
                return thing
        return list(weights)[-1]


@contextmanager
def numbered_uuids(seed: int) -> Iterator[None]:
    """Ids that are random in life come from the seed meanwhile, so that a run can be repeated to the letter."""
    source = random.Random(seed)

    def made() -> uuid.UUID:
        return uuid.UUID(int=source.getrandbits(128), version=4)

    with patch.object(uuid, "uuid4", made):
        yield
