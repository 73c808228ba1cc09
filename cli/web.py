"""`leads web`: the web process alone, for an installation with its own process manager."""

from __future__ import annotations

import os
import sys

import click

from ops.settings import Settings, get_settings

GRACE_SECONDS = 10


def gunicorn_command(settings: Settings, *, port: int | None = None) -> list[str]:
    """How the web process is started everywhere: one process, threads, stopped within GRACE_SECONDS.

    A webhook waits for the database, not for the processor, so threads are enough; more processes are more
    machines' business.
    """
    from gunicorn.config import KNOWN_SETTINGS  # type: ignore[import-untyped]

    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "1"]
    command += ["--threads", str(settings.web_threads)]
    command += ["--bind", f"{settings.web_host}:{settings.web_port if port is None else port}"]
    command += ["--graceful-timeout", str(GRACE_SECONDS), "--timeout", "60", "--log-level", "warning"]
    # From gunicorn 25 on: a socket in the home folder that nobody here uses.
    if any("--no-control-socket" in (known.cli or []) for known in KNOWN_SETTINGS):
        command.append("--no-control-socket")
    return [*command, "app:create_app()"]


@click.command("web")
def web_command() -> None:
    """Run the web process alone."""
    command = gunicorn_command(get_settings())
    os.execv(command[0], command)
