"""The calendar of a real shop: buffers, limits, skills, drop-off, special hours, bay hours.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add columns with defaults and new tables; code of before goes on writing appointments (see the trigger)."""
    _run("0002_calendar.sql")


def downgrade() -> None:
    """Take it all away again. Buffers, overrides and drop-off windows are lost, appointments stay."""
    _run("0002_calendar_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
