"""Text messages, consent and the gate: media, carrier accounts, blocked templates, pushes, daily checks.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns; code of before goes on working."""
    _run("0004_messaging.sql")


def downgrade() -> None:
    """Take it away again. Fetched pictures and blocks are lost."""
    _run("0004_messaging_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
