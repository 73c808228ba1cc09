"""`leads run`: everything on one machine, under one supervisor. `make run` calls it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

import click
import requests

from cli.db import owner_url, provision_from
from cli.errors import CliError
from cli.progress import Steps
from cli.web import GRACE_SECONDS, gunicorn_command
from ops.embedded import EmbeddedServers, given_settings, remember, start_embedded
from ops.processes import AlreadyRunning, free_port, hold_lock
from ops.settings import Settings, get_settings
from ops.supervisor import Child, Supervisor

LOCK, STOPPING = "run.lock", "stopping"
LOCK_SECONDS, STOPPING_SECONDS, READY_SECONDS = 3.0, 90.0, 60.0
WORKER_GRACE_SECONDS = 25.0


@click.command("run")
@click.option("--with-parent", is_flag=True, help="Stop when the process that started this one is gone.")
def run_command(with_parent: bool) -> None:
    """Start everything on this machine: servers, web, worker and clock. Ctrl-C stops it."""
    began, parent = time.monotonic(), os.getppid()
    data_dir = _data_dir()
    with ExitStack() as stack, Steps() as steps:
        lock = stack.enter_context(_only_one(data_dir, steps))
        stack.enter_context(_interruptible())
        try:
            servers = _start_servers(data_dir, steps, stack)
            settings = _prepared(servers, steps)
            system, address = _start_processes(settings, data_dir, servers, steps, stack)
            steps.done()
            steps.say(_ready_message(data_dir, address, time.monotonic() - began))

            def over() -> bool:
                servers.revive(steps.say)
                return with_parent and os.getppid() != parent

            system.watch(until=over)
        except KeyboardInterrupt:
            steps.done()
        finally:
            _ignore_signals()
            lock.seek(0)
            lock.truncate()
            lock.write(f"process {os.getpid()}, {STOPPING}")
            lock.flush()
    click.echo("stopped")


def _data_dir() -> Path:
    given = given_settings(os.environ)
    data_dir = Path(given.get("DATA_DIR", "data")).resolve()
    # The children must mean the same folder, whatever `.env` says relative to where they stand.
    os.environ["DATA_DIR"] = str(data_dir)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return data_dir


@contextmanager
def _only_one(data_dir: Path, steps: Steps) -> Iterator[TextIO]:
    """Hold the data folder. One that is just stopping is awaited; one that runs is an error."""
    path, began, waiting = data_dir / LOCK, time.monotonic(), False
    while True:
        try:
            lock = hold_lock(path)
            break
        except AlreadyRunning:
            stopping = STOPPING in path.read_text()
            if time.monotonic() - began > (STOPPING_SECONDS if stopping else LOCK_SECONDS):
                raise
            if not waiting:
                steps.step("waiting for the run before this one to stop")
            waiting = True
            time.sleep(0.5)
    with lock:
        yield lock


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the run the way Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    yield


def _ignore_signals() -> None:
    """While stopping: a second Ctrl-C must not cut the stop short and leave a server running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _start_servers(data_dir: Path, steps: Steps, stack: ExitStack) -> EmbeddedServers:
    servers = start_embedded(data_dir, report=steps.step)

    def stop() -> None:
        if servers.postgres or servers.valkey:
            steps.say("stopping the servers")
        servers.stop()

    stack.callback(stop)
    return servers


def _prepared(servers: EmbeddedServers, steps: Steps) -> Settings:
    """Settings, tables and, in our own database, the sample shop."""
    get_settings.cache_clear()
    settings = get_settings()
    if settings.database_owner_url is None:
        steps.say("DATABASE_OWNER_URL is not set: the database is taken as it is, without migrating")
        return settings
    steps.step("migrating the database")
    from ops.migrate import migrate

    migrate(owner_url(settings))
    provision_from(settings)
    if servers.postgres:
        steps.step("preparing the sample shop")
        _ensure_sample(settings)
    return settings


def _ensure_sample(settings: Settings) -> None:
    from cli.context import clock_of, open_database
    from crm.db import make_engine
    from crm.sample import ensure_sample_shop

    db, owner = open_database(settings), make_engine(owner_url(settings), pool_size=1)
    try:
        ensure_sample_shop(db, owner, clock_of(settings))
    finally:
        owner.dispose()
        db.engine.dispose()


def _start_processes(
    settings: Settings, data_dir: Path, servers: EmbeddedServers, steps: Steps, stack: ExitStack
) -> tuple[Supervisor, str]:
    own = [sys.executable, "-m", "cli.main"]
    port = 0
    worker = Child("worker", [*own, "worker"], WORKER_GRACE_SECONDS)
    clock = Child("clock", [*own, "clock"])
    Supervisor([], data_dir, steps.say).end_leftovers()
    port = _web_port(settings, data_dir, steps)
    web = Child("web", gunicorn_command(settings, port=port), GRACE_SECONDS + 5.0)
    system = Supervisor([web, worker, clock], data_dir, steps.say, env=_child_environment())
    stack.callback(system.stop)
    steps.step("starting web, worker and clock")
    system.start()
    address = f"http://{settings.web_host}:{port}"
    system.wait_until(_answers(address), READY_SECONDS)
    return system, address


def _child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _web_port(settings: Settings, data_dir: Path, steps: Steps) -> int:
    """The configured port; when nobody chose one and it is taken, another, remembered for `leads chat`."""
    given = given_settings(os.environ)
    port = free_port(settings.web_port)
    if settings.web_port not in (0, port):
        if "WEB_PORT" in given:
            raise CliError(f"port {settings.web_port} is taken; set WEB_PORT to another")
        steps.say(f"port {settings.web_port} is taken; using {port}")
    public = {} if "PUBLIC_BASE_URL" in given else {"PUBLIC_BASE_URL": f"http://{settings.web_host}:{port}"}
    remember(data_dir, {"WEB_PORT": str(port), **public})
    return port


def _answers(address: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return requests.get(f"{address}/healthz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    return ready


def _short(path: Path) -> str:
    """A path as one would type it here."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _ready_message(data_dir: Path, address: str, seconds: float) -> str:
    leads = Path(sys.argv[0])
    shown = _short(leads) if leads.name == "leads" else "leads"
    folder = _short(data_dir)
    where = "" if folder == "data" else f"DATA_DIR={folder} "
    return (
        f"\nReady in {seconds:.1f} s at {address}\n\n"
        f"  Text the sample shop as a customer:   {where}{shown} chat\n"
        f"  See who wrote:                        {where}{shown} list\n"
        f"  Read a conversation:                  {where}{shown} transcript 1\n"
        f"  Logs:                                 {folder}/logs/\n"
        f"  Stop:                                 Ctrl-C\n"
    )
