"""Leads come in: requests, history, API keys, looks at a CRM, appointments both ways.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns; code of before goes on working."""
    _run("0007_intake.sql")
    _run("0007_people.sql")
    _run("0007_catalogue.sql")
    _run("0007_tenants.sql")


def downgrade() -> None:
    """Take it away again. Histories and keys of the API are lost."""
    _run("0007_tenants_down.sql")
    _run("0007_catalogue_down.sql")
    _run("0007_people_down.sql")
    _run("0007_intake_down.sql")


def _run(name: str) -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())
