"""The agent grown up: policy versions, summaries, one row per attempt at a model, experiments, follow-ups.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Attempts move from a JSON column of their turn to rows, so that cost and health can be counted."""
    _run("0003_agent.sql")


def downgrade() -> None:
    """Attempts go back to their turns; policies, summaries and experiments are lost."""
    _run("0003_agent_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
