"""`leads jobs`: what runs by itself, when it last did and when it is due next; what waits; what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import click
import redis

from cli.context import clock_of, open_database
from cli.output import heading, one_line, print_json, print_table
from crm.db import Database
from crm.job_runs import periodic_runs, recent_runs
from crm.models import JobExecution
from crm.routing import TenantName, active_tenants, owed, touches_due
from ops.settings import Settings, get_settings
from scheduler.clock import Periodic, periodic_jobs

SCHEDULED = "rq:scheduler:scheduled_jobs"
MOST_OWED = 500
# What a periodic job is there for; the names of the jobs it finds work for stand under "waiting".
WHAT = {
    "tick": "finds what is due: answers, touches, sending, reconciling, polls, catalogues",
    "experiments": "stops experiments that do harm",
    "retention": "deletes what is kept no longer",
    "touches": "stops touches that many people answer with a stop",
    "personal": "has touches that are due soon written in the model's words",
    "digest": "tells owners of the day before",
    "canary": "goes round the whole loop",
}


@dataclass(frozen=True)
class Line:
    """A periodic job as it is shown."""

    job: str
    every_s: int
    last: datetime | None
    outcome: str
    failures: int
    counts: dict[str, Any]
    error: str | None
    next: datetime | None
    what: str


@click.command("jobs")
@click.option("--failed", is_flag=True, help="Only what failed and has not succeeded since.")
@click.option("--job", help="Only this job, as it is called in the list.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many runs.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def jobs_command(failed: bool, job: str | None, limit: int, as_json: bool) -> None:
    """Show the periodic jobs with their last run and the next one, what waits for a worker, and the newest runs.

    Polls of carriers and CRMs, reading catalogues anew and asking carriers about uncertain messages are no periodic jobs:
    each is due at a moment of its own that stands in its row, and `tick` finds it.
    """
    settings = get_settings()
    db = open_database(settings)
    try:
        now = clock_of(settings).now()
        runs = _runs(db, job, failed, limit)
        lines = [one for one in _lines(db, settings) if _shown(one, job, failed)]
        waiting = {} if failed or job else _waiting(db, now)
    finally:
        db.engine.dispose()
    if as_json:
        print_json({"periodic": lines, "waiting": waiting, "runs": [_as_object(*pair) for pair in runs]})
        return
    _print(lines, waiting, runs, now, failed=failed)


def _print(
    lines: list[Line],
    waiting: dict[str, int],
    runs: list[tuple[str, JobExecution]],
    now: datetime,
    *,
    failed: bool,
) -> None:
    if lines:
        columns = ("periodic job", "every", "last run", "how", "next", "what it does")
        print_table(columns, [_cells(line, now) for line in lines])
    if waiting:
        click.echo()
        click.echo("waiting now: " + ", ".join(f"{count} {job}" for job, count in sorted(waiting.items())))
    if runs:
        if lines or waiting:
            click.echo()
        heading("failed" if failed else "newest runs")
        names = ("when (UTC)", "job", "whose", "subject", "how", "tries", "what")
        print_table(names, [_run_cells(name, run) for name, run in runs])
    elif failed and not lines:
        click.echo("Nothing has failed that has not succeeded since.")


def _runs(db: Database, job: str | None, failed: bool, limit: int) -> list[tuple[str, JobExecution]]:
    """(whose, run) of nobody's and every business's, the newest first."""
    found: list[tuple[str, JobExecution]] = []
    with db.system() as session:
        tenants = active_tenants(session)
        found += [("-", run) for run in recent_runs(session, job=job, failed=failed, limit=limit)]
    for tenant in tenants:
        found += [(tenant.slug, run) for run in _of(db, tenant, job, failed, limit)]
    return sorted(found, key=lambda pair: pair[1].started_at, reverse=True)[:limit]


def _of(db: Database, tenant: TenantName, job: str | None, failed: bool, limit: int) -> list[JobExecution]:
    with db.tenant(tenant.id) as session:
        return list(recent_runs(session, job=job, failed=failed, limit=limit))


def _lines(db: Database, settings: Settings) -> list[Line]:
    with db.system() as session:
        ran = periodic_runs(session)
    due = _next_due(settings)
    return [_line(job, ran.get(job.id), due.get(job.id)) for job in periodic_jobs(settings)]


def _line(job: Periodic, run: JobExecution | None, due: datetime | None) -> Line:
    failing = run is not None and run.outcome == "failed"
    return Line(
        job=job.id,
        every_s=job.every,
        last=None if run is None else run.started_at,
        outcome="never ran" if run is None else run.outcome,
        failures=run.tries if run is not None and failing else 0,
        counts={} if run is None else run.counts,
        error=None if run is None else run.error,
        next=due,
        what=WHAT.get(job.id, ""),
    )


def _next_due(settings: Settings) -> dict[str, datetime]:
    """When the clock fires each job next, by this machine's time; empty when Redis is away."""
    if not settings.redis_url:
        return {}
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    try:
        found = cast(list[tuple[bytes, float]], client.zrange(SCHEDULED, 0, -1, withscores=True))
    except redis.RedisError:
        return {}
    finally:
        client.close()
    return {name.decode(): datetime.fromtimestamp(score, UTC) for name, score in found}


def _waiting(db: Database, now: datetime) -> dict[str, int]:
    """How many rows of each kind are due and held by nobody; 500 means at least so many."""
    with db.system() as session:
        counts = Counter(row.job for row in owed(session, now, MOST_OWED))
        if touches_due(session, now):
            counts["dispatch"] += 1
    return dict(counts)


def _shown(line: Line, job: str | None, failed: bool) -> bool:
    return (job is None or line.job == job) and (not failed or line.outcome == "failed")


def _cells(line: Line, now: datetime) -> list[str]:
    last = "-" if line.last is None else f"{_seconds((now - line.last).total_seconds())} ago"
    due = "-" if line.next is None else f"{line.next:%H:%M:%S} UTC"
    how = line.outcome if not line.failures else f"failed {line.failures}x: {one_line(line.error)[:60]}"
    return [line.job, _seconds(line.every_s), last, how + _counted(line.counts), due, line.what]


def _run_cells(name: str, run: JobExecution) -> list[str]:
    what = (
        one_line(run.error)[:100] if run.error and run.outcome == "failed" else _counted(run.counts).strip()
    )
    when = run.finished_at if run.outcome == "failed" and run.finished_at else run.started_at
    return [f"{when:%Y-%m-%d %H:%M:%S}", run.job, name, run.subject or "-", run.outcome, str(run.tries), what]


def _counted(counts: dict[str, Any]) -> str:
    return "".join(f" {count} {what}," for what, count in counts.items()).rstrip(",")


def _seconds(seconds: float) -> str:
    whole = max(0, int(seconds))
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if whole >= 2 * size or whole == size:
            return f"{whole // size} {name}"
    return f"{whole} s"


def _as_object(name: str, run: JobExecution) -> dict[str, Any]:
    return {
        "job": run.job, "tenant": None if name == "-" else name, "subject": run.subject, "outcome": run.outcome,
        "started_at": run.started_at, "finished_at": run.finished_at, "tries": run.tries, "counts": run.counts,
        "error": run.error,
    }  # fmt: skip
