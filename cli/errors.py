"""The error a command raises for what its caller can put right."""

from __future__ import annotations

import click


class CliError(click.ClickException):
    """Something the caller can put right, in one sentence; exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print it the way every other error is printed."""
        click.echo(f"leads: {self.format_message()}", err=True)
