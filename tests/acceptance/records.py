"""What the database holds, seen with the owner's eyes: for looking and for setting up, never for the code under test."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from crm.calendar.labels import label
from tests.acceptance.processes import eventually


class Records:
    """All tenants' rows."""

    def __init__(self, owner: Engine) -> None:
        self._owner = owner

    def all(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a query."""
        with self._owner.begin() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def rows(self, table: str, tenant_id: int) -> list[dict[str, Any]]:
        """A tenant's rows of a table, oldest first."""
        return self.all(
            f"select * from {table} where tenant_id = :tenant_id order by id", tenant_id=tenant_id
        )

    def count(self, table: str, tenant_id: int) -> int:
        """How many rows of a table a tenant has."""
        return len(self.rows(table, tenant_id))

    def set_settings(self, **settings: Any) -> None:
        """Add settings to all tenants."""
        with self._owner.begin() as connection:
            connection.execute(
                text("update tenants set settings = settings || cast(:settings as jsonb)"),
                {"settings": json.dumps(settings)},
            )

    def set_quiet_window(self, seconds: float) -> None:
        """How long all tenants wait for a further message before they answer."""
        self.set_settings(quiet_window_sms_s=seconds, quiet_window_email_s=seconds)

    def owed(self, now: datetime) -> list[dict[str, Any]]:
        """What is due at `now` or under way: unanswered messages, unsent or unconfirmed ones, touches, webhooks."""
        rows = self.all("select job, row_id from owed_work(:now, 100)", now=now)
        under_way = (
            "select 'answer' as job, id::text as row_id from chat_sessions where answer_due_at is not null"
        )
        under_way += " union all select status, id::text from chat_messages where direction = 'out'"
        under_way += " and status in ('pending', 'sending', 'unknown') and send_after <= :now"
        under_way += " union all select 'touch', id::text from touch_points"
        under_way += " where status in ('planned', 'claimed') and due_at <= :now"
        under_way += " union all select 'webhook', id::text from webhook_events where status = 'received'"
        return rows + self.all(under_way, now=now)

    def wait_until_nothing_is_owed(self, now: Callable[[], datetime], seconds: float = 30.0) -> None:
        """Poll until the installation has nothing left to do at `now()`, and no text waits for its last callback."""
        eventually(lambda: not self.owed(now()) and not self._without_callback(), seconds, "nothing is owed")

    def _without_callback(self) -> list[dict[str, Any]]:
        return self.all(
            "select id from chat_messages where carrier = 'twilio' and direction = 'out' and status = 'sent'"
        )

    def local_label(self, appointment: dict[str, Any]) -> str:
        """An appointment's time in the words the customer reads."""
        (location,) = self.all("select timezone from locations where id = :id", id=appointment["location_id"])
        return label(appointment["starts_at"], location["timezone"])
