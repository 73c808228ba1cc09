"""What the looks for orders at one location remember from one to the next: which changes were taken, and which could not
be yet. Kept as jsonb in `crm_checks.notes`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from crm.connectors.base import Change

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=20), timedelta(minutes=30)
# Whoever has not been found in a week is written to by nobody: by then it would be no answer any more.
GIVEN_UP = timedelta(days=8)
# More than that is no misfortune of single orders: then the look stops instead, and begins there again.
MOST_FAILED = 300


@dataclass
class Failed:
    """A change whose lead could not be fetched, since when, how often, and when it is tried again."""

    change: Change
    since: datetime
    tries: int
    next_at: datetime


@dataclass
class OrderNotes:
    """`changed_until`: up to when changed orders, too, were looked through. `taken`: changes by fingerprint with the
    second of the change. Lists show a change again and again for as long as looks overlap; without this memory each
    time would cost four requests."""

    taken: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Failed] = field(default_factory=dict)
    changed_until: datetime | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> OrderNotes:
        """The notes in a row."""
        failed = {key: _failed(value) for key, value in stored.get("failed", {}).items()}
        until = stored.get("changed_until")
        return cls(dict(stored.get("taken", {})), failed, _moment(until) if until is not None else None)

    def as_json(self) -> dict[str, Any]:
        """The same for the row."""
        failed = {key: _stored(one) for key, one in self.failed.items()}
        return {"taken": self.taken, "failed": failed, "changed_until": _second(self.changed_until)}

    def knows(self, change: Change) -> bool:
        """Whether this change was taken, or is noted to be tried again."""
        key = fingerprint(change)
        return key in self.taken or key in self.failed

    def take(self, change: Change, now: datetime) -> None:
        """It was taken, or is known from elsewhere."""
        key = fingerprint(change)
        self.failed.pop(key, None)
        self.taken[key] = int((change.at or now).timestamp())

    def fail(self, change: Change, now: datetime) -> bool:
        """It could not be taken; False when so many could not that this one cannot be noted."""
        key = fingerprint(change)
        known = self.failed.get(key)
        if known is None and len(self.failed) >= MOST_FAILED:
            return False
        tries = known.tries + 1 if known else 1
        wait = min(FIRST_RETRY * 2 ** min(tries - 1, 10), LONGEST_RETRY)
        self.failed[key] = Failed(change, known.since if known else now, tries, now + wait)
        return True

    def due(self, now: datetime) -> list[Change]:
        """What is to be tried again, the longest waiting first."""
        ready = [one for one in self.failed.values() if one.next_at <= now]
        return [one.change for one in sorted(ready, key=lambda one: one.next_at)]

    def forget(self, before: datetime, now: datetime) -> list[Change]:
        """Drop what no list from `before` on shows any more; returns what is given up after all."""
        oldest = int(before.timestamp())
        self.taken = {key: second for key, second in self.taken.items() if second >= oldest}
        lost = {key: one for key, one in self.failed.items() if now - one.since > GIVEN_UP}
        self.failed = {key: one for key, one in self.failed.items() if key not in lost}
        return [one.change for one in lost.values()]


def begun_anew(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Notes for a look that does not reach back to the ones before it."""
    return {key: value for key, value in stored.items() if key != "changed_until"}


def fingerprint(change: Change) -> str:
    """One change of one record."""
    version = change.version or (change.at.isoformat() if change.at is not None else "")
    parts = "\0".join((change.table, change.record_id, version, change.operation))
    return hashlib.blake2s(parts.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


def _stored(one: Failed) -> dict[str, Any]:
    change = one.change
    return {
        "change": [change.table, change.operation, change.record_id, change.version, _second(change.at)],
        "since": _second(one.since),
        "tries": one.tries,
        "next_at": _second(one.next_at),
    }


def _failed(value: Mapping[str, Any]) -> Failed:
    table, operation, record_id, version, at = value["change"]
    change = Change(table, operation, record_id, version, _moment(at) if at is not None else None)
    return Failed(change, _moment(value["since"]), value["tries"], _moment(value["next_at"]))


def _second(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None


def _moment(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)
