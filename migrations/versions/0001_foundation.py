"""The foundation: all tables, row-level security, routing functions.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

SQL = Path(__file__).resolve().parent.parent / "sql"
FUNCTIONS = (
    "route_phone(text)",
    "route_mailbox(text)",
    "route_hook(text)",
    "route_outbox(uuid)",
    "active_tenants()",
    "owed_work(timestamptz, int)",
    "store_inbound",
)
TABLES = (
    "tool_calls", "send_decisions", "appointments", "turns", "touch_points", "offers", "chat_messages",
    "vehicles", "consent_events", "chat_sessions", "staff", "service_catalog", "location_hours",
    "location_closures", "leads", "bays", "webhook_events", "tenant_crm_configs", "locations",
    "job_executions", "tenants",
)  # fmt: skip


def upgrade() -> None:
    """Run the SQL files; they are plain SQL so that a database administrator can read them."""
    for name in ("0001_tables.sql", "0001_security.sql", "0001_inbox.sql"):
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / name).read_text())


def downgrade() -> None:
    """Drop everything of this revision. The extension stays: other schemas may use it."""
    for function in FUNCTIONS:
        op.execute(f"drop function {function}")
    for table in TABLES:
        op.execute(f"drop table {table}")
    op.execute("drop function refuse_change()")
