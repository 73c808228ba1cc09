"""The cadence grows up: plans and templates in versions, reminders, resuming, waves, claims in batches.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns; code of before goes on working."""
    _run("0008_cadence.sql")


def downgrade() -> None:
    """Take it away again. Plans and templates of a business's own are lost, and so are planned reminders."""
    _run("0008_cadence_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
