"""`leads clock`: the clock process alone."""

from __future__ import annotations

import click

from cli.errors import CliError
from ops.logging import configure_logging
from ops.settings import get_settings


@click.command("clock")
def clock_command() -> None:
    """Run the clock process alone; two at once are harmless."""
    configure_logging(get_settings().log_level, process="clock")
    # Loaded here: these bring every vendor's library with them.
    from scheduler.clock import main
    from scheduler.runtime import NotConfigured

    try:
        main()
    except NotConfigured as error:
        raise CliError(str(error)) from error
