"""What the orders became: every one a lead, none twice, no other, and how long each took to be found."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from tests.bench.harness import percentile
from tests.chaos.orders_shop import Place


@dataclass(frozen=True)
class Order:
    """One order that was made. `key` is (location id, phone or mail) of the lead it must become; None for no lead.
    `listed_at`: from when on lists show it."""

    number: int
    key: tuple[int, str] | None
    at: datetime
    listed_at: datetime


@dataclass
class Found:
    """One lead that appeared: when, and which job brought it."""

    at: datetime
    by: str


@dataclass(frozen=True)
class Result:
    """What a run found. `digest` is the same for two runs of one seed."""

    seed: int
    orders: int
    leads: int
    violations: list[str]
    seconds_to_find: dict[str, list[float]]
    counts: dict[str, int]
    digest: str
    took_s: float

    def lines(self) -> list[str]:
        """The figures, as printed."""
        told = [f"{count:>9}  {name}" for name, count in sorted(self.counts.items())]
        for name, values in sorted(self.seconds_to_find.items()):
            p50, p95, most = percentile(values, 0.5), percentile(values, 0.95), max(values)
            told.append(f"found by {name}: {len(values)}; p50 {p50:.1f} s, p95 {p95:.1f} s, max {most:.1f} s")
        told += [f"VIOLATION {one}" for one in self.violations[:50]]
        told.append(
            f"{self.orders} orders became {self.leads} leads, {len(self.violations)} violations, "
            f"seed {self.seed}, told as {self.digest}, {self.took_s:.0f} s"
        )
        return told


@dataclass
class Judge:
    """Watches leads appear, and judges at the end."""

    place: Place
    orders: list[Order] = field(default_factory=list)
    found: dict[tuple[int, str], Found] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    _last: int = 0

    def look(self, job: str) -> None:
        """Take note of the leads that `job` brought."""
        statement = text("select id, location_id, phone, email from leads where id > :last order by id")
        for row in self._rows(statement, last=self._last):
            self._last = row["id"]
            key = (int(row["location_id"]), str(row["phone"] or row["email"]))
            if key in self.found:
                self.violations.append(f"a second lead of {key}")
            self.found.setdefault(key, Found(self.place.clock.now(), job))

    def verdict(self, seed: int, took_s: float) -> Result:
        """Compare with what was made."""
        wanted = {order.key: order for order in self.orders if order.key is not None}
        self.violations += [
            f"order {order.number} became no lead" for key, order in wanted.items() if key not in self.found
        ]
        self.violations += [f"nobody ordered for {key}" for key in self.found if key not in wanted]
        self._judge_rows(wanted)
        times: dict[str, list[float]] = {"anything": [], "anything, since lists show it": []}
        for key, found in self.found.items():
            if (order := wanted.get(key)) is None:
                continue
            since_listed = max(timedelta(0), found.at - order.listed_at)
            times["anything"].append((found.at - order.at).total_seconds())
            times["anything, since lists show it"].append(since_listed.total_seconds())
            times.setdefault(found.by, []).append((found.at - order.at).total_seconds())
        story = [(key, found.at.isoformat(), found.by) for key, found in sorted(self.found.items())]
        digest = hashlib.sha256(repr(story).encode()).hexdigest()[:16]
        counts = dict(sorted(self.place.counts.items()))
        return Result(seed, len(wanted), len(self.found), self.violations, times, counts, digest, took_s)

    def _judge_rows(self, wanted: dict[tuple[int, str], Order]) -> None:
        """One request, one cadence and one first text of each lead, and nothing left undone."""
        (row,) = self._rows(
            text(
                "select (select count(*) from lead_requests) as requests, (select count(*) from chat_sessions) as sessions,"
                " (select count(*) from touch_points where step = 1) as first_touches,"
                " (select count(*) from webhook_events where status in ('received', 'failed')) as undone"
            )
        )
        for name in ("requests", "sessions", "first_touches"):
            if row[name] != len(wanted):
                self.violations.append(f"{row[name]} {name} for {len(wanted)} orders")
        if row["undone"]:
            self.violations.append(f"{row['undone']} webhooks are still undone, or failed")
        for sender in (self.place.texts, self.place.mails):
            told = Counter((one.from_address, one.to_address) for one in sender.sent)
            self.violations += [f"{pair} was written to {n} times" for pair, n in told.items() if n > 1]

    def _rows(self, statement: Any, **values: Any) -> list[dict[str, Any]]:
        with self.place.owner.begin() as connection:
            return [dict(row) for row in connection.execute(statement, values).mappings()]
