"""Real worker processes that dispatch and deliver at once and are killed with SIGKILL in the middle, while customers
answer. What they handed over they have written into a file before anything else, so nothing of it is lost.

`python -m tests.chaos.month_killing` is such a process: its first line of input says where everything is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from channels.carrier import Accepted, Outgoing
from crm.db import Database
from ops.clock import FixedClock
from ops.logging import configure_logging
from scheduler import jobs
from scheduler.dispatch import dispatch
from scheduler.runtime import build_runtime
from tests.chaos.month_carrier import Handed
from tests.chaos.month_customers import DEEDS, MonthCustomers
from tests.chaos.month_world import MonthWorld, wired
from tests.chaos.simulation_dice import Dice
from tests.conftest import TestDatabase
from tests.runtimes import settings_for

WORKERS, MOST_DEEDS = 2, 6
LEAST_S, MOST_S, PATIENCE_S = 0.05, 1.2, 5.0
# The processes count the messages they hand over far above everybody else's.
FAR = 1_000_000_000

Worker = subprocess.Popen[str]


def killed_workers(world: MonthWorld, dice: Dice, customers: MonthCustomers) -> list[str]:
    """Let two processes work at what is due now, let some customers answer meanwhile, kill both; returns what was wrong."""
    world.counts["kills"] += 1
    number = world.counts["kills"]
    with tempfile.TemporaryDirectory(prefix="leads-month-") as folder, ExitStack() as stack:
        logs = [Path(folder) / f"handed{place}" for place in range(WORKERS)]
        workers = [
            stack.enter_context(_worker(world, log, number * WORKERS + place))
            for place, log in enumerate(logs)
        ]
        for worker in workers:
            print("go", file=worker.stdin, flush=True)
        until = time.monotonic() + dice.between(LEAST_S, MOST_S, "killed after", number)
        _answer_meanwhile(world, dice, customers, until)
        # On a busy machine they have hardly begun by then; what is killed has to have done something.
        while not any(_begun(log) for log in logs) and time.monotonic() < until + PATIENCE_S:
            time.sleep(0.01)
        for worker in workers:
            world.counts["processes killed at work"] += worker.poll() is None
            worker.kill()
            worker.wait()
        found = [
            f"a worker process ended by itself: {worker.returncode}"
            for worker in workers
            if worker.returncode != -9
        ]
        for log in logs:
            _read(world, log)
    return found


def _answer_meanwhile(world: MonthWorld, dice: Dice, customers: MonthCustomers, until: float) -> None:
    """People whose touch is held by a worker right now, or has just been written, do something."""
    asked = 0
    while time.monotonic() < until:
        asked += 1
        rows = world.read(
            "(select lead_id from touch_points where status = 'claimed' limit 3) union all"
            " (select lead_id from chat_messages where status in ('pending', 'sending') and kind = 'touch' limit 3)"
        )
        if not rows or asked > MOST_DEEDS:
            time.sleep(0.01)
            continue
        lead_id = rows[int(dice.roll("whose", world.counts["kills"], asked) * len(rows))][0]
        world.counts["while processes worked"] += 1
        customers.do(customers.by_lead[lead_id], dice.one_of(DEEDS, "what", world.counts["kills"], asked))


def _begun(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


def _read(world: MonthWorld, log: Path) -> None:
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        values = json.loads(line)
        one = Handed(*values)._replace(at=datetime.fromisoformat(values[1]), outbox_id=uuid.UUID(values[4]))
        world.log.keep(one)
        world.counts["handed over by killed processes"] += 1


@contextmanager
def _worker(world: MonthWorld, log: Path, number: int) -> Iterator[Worker]:
    told = {
        "owner": world.urls.owner_url, "app": world.urls.app_url, "redis": world.redis_url, "log": str(log),
        "now": world.clock.now().isoformat(), "first": FAR + number * 1_000_000,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.chaos.month_killing"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            print(json.dumps(told), file=process.stdin, flush=True)
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("a worker process did not start")
            yield process
        finally:
            process.kill()


class FileCarrier:
    """Takes everything and writes it down in one step, which a kill does or does not let happen."""

    def __init__(self, channel: str, file: int, now: str, first: int) -> None:
        self.carrier = "twilio" if channel == "sms" else "sendgrid"
        self._channel, self._file, self._now, self._number = channel, file, now, first

    def send(self, message: Outgoing) -> Accepted:
        """Take it."""
        self._number += 1
        carrier_id = f"{self._channel}{self._number}"
        one = (
            self._number, self._now, message.channel, message.kind, str(message.outbox_id), message.tenant_id or 0,
            message.to_address, message.from_address, message.segments, message.valid_s or 36_000, True, None, carrier_id,
        )  # fmt: skip
        os.write(self._file, (json.dumps(one) + "\n").encode())
        return Accepted(self.carrier, carrier_id, "queued")

    def find(self, message: Outgoing) -> Accepted | None:
        """Nobody asks a worker that lives so short."""
        raise NotImplementedError


def main() -> None:
    """Work at what is due until killed."""
    configure_logging("error")
    told = json.loads(sys.stdin.readline())
    clock = FixedClock(datetime.fromisoformat(told["now"]))
    built = build_runtime(settings_for(TestDatabase(told["owner"], told["app"]), told["redis"]), threads=4)
    file = os.open(told["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    carriers = {
        channel: FileCarrier(channel, file, told["now"], told["first"] + place * 500_000)
        for place, channel in enumerate(("sms", "email"))
    }
    runtime = wired(built, Database(built.db.engine), clock, carriers)
    with patch.object(jobs, "get_runtime", lambda: runtime):
        print("ready", flush=True)
        sys.stdin.readline()
        whose = os.getppid()
        while os.getppid() == whose:
            counts = dispatch(runtime, most=40)
            due = runtime.queue.take_due(clock.now(), limit=20)
            for job, tenant_id, row_id in due:
                if job == "deliver":
                    jobs.run(job, tenant_id, row_id)
            if not due and not counts:
                time.sleep(0.02)


if __name__ == "__main__":
    main()
