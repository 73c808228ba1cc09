"""`leads worker`: the worker process alone."""

from __future__ import annotations

import click

from cli.errors import CliError
from ops.logging import configure_logging
from ops.settings import get_settings


@click.command("worker")
def worker_command() -> None:
    """Run the worker process alone; SIGTERM lets it finish what it holds."""
    configure_logging(get_settings().log_level, process="worker")
    # Loaded here: these bring every vendor's library with them.
    from scheduler.runtime import NotConfigured
    from scheduler.worker import main

    try:
        main()
    except NotConfigured as error:
        raise CliError(str(error)) from error
