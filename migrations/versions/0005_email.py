"""Email: a business's own account at SendGrid, its events, files of mails, lists compared daily.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns; code of before goes on working."""
    _run("0005_email.sql")


def downgrade() -> None:
    """Take it away again. Accounts and recorded events are lost."""
    _run("0005_email_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
