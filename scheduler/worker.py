"""The worker: one process, many threads. A turn waits seconds for a model and uses milliseconds of processor.

Each thread is an RQ worker loop of its own; one more thread, the pump, moves due wake-ups from Redis to RQ.
SIGTERM lets running jobs end; a second one does not wait. Redis going away only pauses the work: every loop
comes back, and the sweeper finds what was lost.
"""

from __future__ import annotations

import os
import signal
import threading
import uuid
from typing import Any

import redis
import structlog
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.timeouts import TimerDeathPenalty

from ops.settings import get_settings
from scheduler.runtime import Runtime, get_runtime

log = structlog.get_logger(__name__)

QUEUE = "leads"
# Touches are written when nothing waits that a customer waits for, the deliveries of those before them among it.
TOUCHES = "leads-touches"
# Taken only when nothing else waits.
BACKGROUND = "leads-background"
LOOKS = frozenset({"crm_check", "carrier_check", "suppression_check", "personal"})
QUEUES = (QUEUE, TOUCHES, BACKGROUND)
JOB_TIMEOUT_S = 120
# A text is answered in seconds, so a due wake-up should not wait long for the pump's next look.
PUMP_SECONDS = 0.1
RETRY_SECONDS = 1.0
KEEP_RESULTS_S = 60
KEEP_FAILURES_S = 7 * 24 * 3600


class ThreadWorker(SimpleWorker):
    """An RQ loop that lives in a thread: no signal handlers, time-outs by timer, short waits so that it can
    end."""

    death_penalty_class = TimerDeathPenalty

    def __init__(self, *args: Any, stop: threading.Event, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stop = stop

    def _install_signal_handlers(self) -> None:
        """Signals belong to the main thread."""

    @property
    def dequeue_timeout(self) -> int:
        """How long one blocking wait for a job lasts, in seconds."""
        return 2

    @property
    def max_connection_wait_time(self) -> float:  # type: ignore[override]
        """Seconds until the next try when Redis is away. RQ asks after each vain try and would go on for ever, with
        ever longer waits, so this is also where a stop is noticed: no job is in hand here."""
        if self._stop.is_set():
            raise StopRequested
        return RETRY_SECONDS

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """One wait at a time, so that a stop is noticed between two of them."""
        while not self._stop.is_set():
            found = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time=2)
            if found is not None:
                return found
        return None


class Worker:
    """The threads of one process and their end."""

    def __init__(self, runtime: Runtime, threads: int) -> None:
        self._runtime = runtime
        self._stop = threading.Event()
        self._name = f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._threads = [
            threading.Thread(target=self._work, args=(n,), name=f"worker-{n}") for n in range(threads)
        ]
        self._threads.append(threading.Thread(target=self._pump, name="pump"))

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask all threads to end after their present job."""
        self._stop.set()

    def join(self) -> None:
        """Wait until they ended."""
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                connection = redis.Redis.from_url(str(self._runtime.settings.redis_url))
                worker = ThreadWorker(
                    [Queue(name, connection=connection) for name in QUEUES],
                    connection=connection,
                    name=f"{self._name}-{number}-{uuid.uuid4().hex[:4]}",
                    stop=self._stop,
                )
                worker.work(logging_level="WARNING")
            except redis.RedisError as error:
                log.warning("worker_lost_redis", error=type(error).__name__)
            self._stop.wait(RETRY_SECONDS if not self._stop.is_set() else 0)

    def _pump(self) -> None:
        runtime = self._runtime
        queues = {name: Queue(name, connection=runtime.redis) for name in QUEUES}
        while not self._stop.is_set():
            try:
                due = runtime.queue.take_due(runtime.clock.now())
                for job, tenant_id, row_id in due:
                    queues[_queue_of(job)].enqueue(
                        "scheduler.jobs.run",
                        job,
                        tenant_id,
                        row_id,
                        job_timeout=JOB_TIMEOUT_S,
                        result_ttl=KEEP_RESULTS_S,
                        failure_ttl=KEEP_FAILURES_S,
                    )
            except redis.RedisError as error:
                log.warning("pump_lost_redis", error=type(error).__name__)
                self._stop.wait(RETRY_SECONDS)
            self._stop.wait(PUMP_SECONDS)


def _queue_of(job: str) -> str:
    if job == "dispatch":
        return TOUCHES
    return BACKGROUND if job in LOOKS else QUEUE


def main(threads: int | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT. Refuses a database role that row-level security does not hold
    for."""
    runtime = get_runtime()
    runtime.db.refuse_unsafe_role()
    worker = Worker(runtime, threads or get_settings().worker_threads)

    def on_signal(number: int, _frame: object) -> None:
        log.info("worker_stopping", signal=signal.Signals(number).name)
        worker.stop()
        # The second signal is meant: leases and claims make an abrupt end safe.
        signal.signal(number, lambda *_: os._exit(1))

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    worker.start()
    log.info("worker_ready", threads=len(worker._threads) - 1)
    worker.join()
