"""The clock process: rq-scheduler fires the periodic jobs. The touch points themselves live in PostgreSQL.

Two clocks at once are harmless: the jobs have fixed ids and rq-scheduler's lock lets one of them fire. A
flushed or restarted Redis only pauses it: whatever is missing is registered again at the next look.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
import structlog
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq_scheduler import Scheduler

from ops.settings import Settings, get_settings

log = structlog.get_logger(__name__)

QUEUE = "leads"
LOOK_SECONDS = 1.0
LOCK_SECONDS = 15
LONGEST_PAUSE_S = 5.0
# How long an experiment may go on doing harm unseen; looking is a few queries for each business that runs one.
EXPERIMENT_SECONDS = 300
RETENTION_SECONDS = 24 * 3600
# Where it is morning in some time zone, soon after the hour.
DIGEST_SECONDS = 900
CANARY_SECONDS = 60
PERSONAL_SECONDS = 300
# How long a touch may go on making people say stop unseen.
TOUCHES_SECONDS = 900
JOB_TIMEOUT_S = 60
# Only deletes the lock while it is still ours: one that expired in a long stop may be another clock's by now.
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


@dataclass(frozen=True)
class Periodic:
    """One periodic job: its fixed id, what it calls and how often, in seconds."""

    id: str
    function: str
    every: int


def periodic_jobs(settings: Settings) -> tuple[Periodic, ...]:
    """The jobs of this installation. Whatever is done at a moment that stands in a row (looks at carriers and CRMs,
    catalogues, reconciling, waves) needs none of its own: `tick` finds it."""
    return (
        Periodic("tick", "scheduler.jobs.tick", settings.tick_seconds),
        Periodic("experiments", "scheduler.jobs.watch_experiments", EXPERIMENT_SECONDS),
        Periodic("retention", "scheduler.jobs.keep_no_longer", RETENTION_SECONDS),
        Periodic("touches", "scheduler.jobs.watch_touches", TOUCHES_SECONDS),
        Periodic("personal", "scheduler.jobs.word_touches", PERSONAL_SECONDS),
        Periodic("digest", "scheduler.jobs.digest", DIGEST_SECONDS),
        Periodic("canary", "scheduler.jobs.canary", CANARY_SECONDS),
    )


class LeadsClock:
    """One clock. `look` does one round; `run` does it every second until `stop`."""

    def __init__(self, connection: redis.Redis, jobs: tuple[Periodic, ...]) -> None:
        self._connection = connection
        self._jobs = jobs
        self._stop = threading.Event()
        self._scheduler = Scheduler(queue_name=QUEUE, connection=connection, interval=LOOK_SECONDS)

    def register(self) -> list[str]:
        """Put in place what is missing or was registered with another interval; returns the ids it wrote.

        A job in place keeps its next moment, so that restarting the clock again and again never starves it.
        """
        written = []
        for job in self._jobs:
            if not self._in_place(job):
                self._scheduler.schedule(
                    datetime.now(UTC),
                    job.function,
                    interval=job.every,
                    id=job.id,
                    queue_name=QUEUE,
                    timeout=JOB_TIMEOUT_S,
                )
                written.append(job.id)
                log.info("periodic_job_registered", job=job.id, every_s=job.every)
        return written

    def look(self) -> int:
        """Register what is missing and fire what is due, unless another clock is at it; returns how many
        fired."""
        token = f"{id(self)}-{time.time_ns()}"
        if not self._connection.set(self._scheduler.scheduler_lock_key, token, nx=True, ex=LOCK_SECONDS):
            return 0
        try:
            self.register()
            due = self._due()
            for job_id in due:
                self._fire(job_id)
            return len(due)
        finally:
            self._connection.eval(_RELEASE, 1, self._scheduler.scheduler_lock_key, token)

    def run(self) -> None:
        """Look every second until `stop`. A lost Redis is waited for, longer and longer, up to five seconds: what
        came in meanwhile is found by nobody else."""
        pause = LOOK_SECONDS
        while not self._stop.is_set():
            try:
                self.look()
                pause = LOOK_SECONDS
            except redis.RedisError as error:
                pause = min(pause * 2, LONGEST_PAUSE_S)
                log.warning("clock_lost_redis", error=type(error).__name__, next_try_s=pause)
            self._stop.wait(pause)

    def stop(self) -> None:
        """End `run` after the present round."""
        self._stop.set()

    def _in_place(self, job: Periodic) -> bool:
        if job.id not in self._scheduler:
            return False
        found = self._fetch(job.id)
        return (
            found is not None and found.meta.get("interval") == job.every and found.func_name == job.function
        )

    def _fetch(self, job_id: str) -> Job | None:
        try:
            return Job.fetch(job_id, connection=self._connection)
        except NoSuchJobError:
            return None

    def _due(self) -> list[str]:
        found = self._connection.zrangebyscore(self._scheduler.scheduled_jobs_key, 0, time.time())
        return [job.id for job in self._jobs if job.id.encode() in found]

    def _fire(self, job_id: str) -> None:
        job = self._fetch(job_id)
        if job is None:
            return
        if Queue(QUEUE, connection=self._connection).get_job_position(job_id) is None:
            self._scheduler.enqueue_job(job)
            return
        # Still waiting from the last time: without a worker the queue would fill up with the same job.
        following = time.time() + job.meta["interval"]
        self._connection.zadd(self._scheduler.scheduled_jobs_key, {job_id: following})


def main() -> None:
    """Run the clock process until SIGTERM or SIGINT. Exits with a message when REDIS_URL is not known."""
    settings = get_settings()
    if not settings.redis_url:
        raise SystemExit("REDIS_URL is not known. Start the system with `make run`, or set it.")
    connection = redis.Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=2)
    clock = LeadsClock(connection, periodic_jobs(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: clock.stop())
    log.info("clock_ready", every_s=settings.tick_seconds)
    clock.run()
    log.info("clock_stopped")
