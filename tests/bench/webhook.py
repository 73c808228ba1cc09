"""The signed inbound webhook against the floor: same machine, same server, same database, rounds taken in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg2
import requests
from sqlalchemy import create_engine, make_url

from cli.web import gunicorn_command
from crm.db import Database, make_engine
from crm.sample import ensure_sample_shop
from ops.clock import SystemClock
from ops.embedded import start_postgres, start_valkey
from ops.migrate import migrate, provision
from ops.processes import free_port
from ops.settings import Settings
from tests.bench.harness import Row, percentile

TOKEN, BASE = "bench-token", "https://bench.example"
ROUNDS, REQUESTS, CONNECTIONS, THREADS = 5, 1500, 8, 8
TARGET = 0.7


def bench_webhook(say: Callable[[str], None]) -> list[Row]:
    """Requests per second and p99 of ours and the floor's, as ratios (1 = as fast as the floor)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
        ours, floor, to = _start(folder, stack)
        _load(ours, 400, to), _load(floor, 400, to)
        results: dict[int, list[tuple[float, float]]] = {ours: [], floor: []}
        for number in range(ROUNDS):
            for port in (ours, floor) if number % 2 == 0 else (floor, ours):
                results[port].append(_load(port, REQUESTS, to))
            say(
                f"webhook round {number + 1}/{ROUNDS}: ours {results[ours][-1][0]:.0f}/s, floor {results[floor][-1][0]:.0f}/s"
            )
    rps = [statistics.median(result[0] for result in results[port]) for port in (ours, floor)]
    p99 = [statistics.median(result[1] for result in results[port]) for port in (ours, floor)]
    return [
        _row("webhook requests per second", "1/s", rps[0], rps[1], rps[0] / rps[1]),
        _row("webhook p99", "ms", p99[0], p99[1], p99[1] / p99[0]),
    ]


def _row(name: str, unit: str, value: float, beside: float, ratio: float) -> Row:
    return Row(
        name, f"{value:.1f}", unit, f"floor {beside:.1f}", round(ratio, 3), f">= {TARGET}", ratio >= TARGET
    )


def _load(port: int, count: int, to: str) -> tuple[float, float]:
    command = [
        sys.executable,
        "-m",
        "tests.bench.load",
        str(port),
        str(count),
        str(CONNECTIONS),
        TOKEN,
        BASE,
        to,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    return float(result["rps"]), percentile(result["latencies"], 0.99)


def _start(folder: Path, stack: ExitStack) -> tuple[int, int, str]:
    postgres = start_postgres(folder / "postgres")
    stack.callback(postgres.stop)
    valkey = start_valkey(folder / "valkey")
    stack.callback(valkey.stop)
    migrate(postgres.owner_url)
    provision(postgres.owner_url, str(make_url(postgres.app_url).username))
    owner = create_engine(make_url(postgres.owner_url).set(drivername="postgresql+psycopg2"))
    ensure_sample_shop(Database(make_engine(postgres.app_url)), owner, SystemClock())
    connection = psycopg2.connect(postgres.owner_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("create table floor (sid text primary key, sender text, recipient text, body text)")
        cursor.execute(f"grant all on floor to {make_url(postgres.app_url).username}")
        cursor.execute("select phone from locations limit 1")
        found = cursor.fetchone()
    connection.close()
    assert found is not None
    environment = {
        **os.environ, "DATABASE_URL": postgres.app_url, "REDIS_URL": valkey.url, "TWILIO_AUTH_TOKEN": TOKEN,
        "PUBLIC_BASE_URL": BASE, "DATA_DIR": str(folder), "FLOOR_DATABASE": postgres.app_url, "FLOOR_TOKEN": TOKEN,
        "FLOOR_BASE": BASE, "LOG_LEVEL": "warning",
    }  # fmt: skip
    settings = Settings(web_threads=THREADS)
    ports = []
    for target in ("app:create_app()", "tests.bench.floor:create_app()"):
        port = free_port()
        command = [*gunicorn_command(settings, port=port)[:-1], target]
        stack.enter_context(_process(command, environment, port))
        ports.append(port)
    return ports[0], ports[1], str(found[0])


@contextmanager
def _process(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                requests.get(f"http://127.0.0.1:{port}/", timeout=60)
                break
            except requests.ConnectionError:
                if process.poll() is not None:
                    raise RuntimeError(f"{command[-1]} did not start") from None
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
