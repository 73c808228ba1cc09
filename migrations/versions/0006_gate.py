"""The gate: what decides about one outbound message, read by one call.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add two functions; code of before does not know them."""
    _run("0006_gate.sql")


def downgrade() -> None:
    """Take them away again. Nothing is lost."""
    _run("0006_gate_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
