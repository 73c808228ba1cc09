"""Leads with conversations, appointments and looks at the CRM for every location there is, by COPY as the owner."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg2

MESSAGES = ("hi, how much is ceramic tint for my sedan?", "It is $449 and takes 2 h 30 min.", "thanks, when?")
_NULL = r"\N"
_COLUMNS = {
    "leads": "id, tenant_id, location_id, first_name, phone, email, source, status, created_at",
    "chat_sessions": "id, tenant_id, lead_id, location_id, last_channel, reply_token, created_at",
    "chat_messages": "id, tenant_id, session_id, lead_id, direction, channel, kind, status, body, from_address, to_address,"
    " dedupe_key, outbox_id, turn_id, created_at",
    "turns": "id, tenant_id, session_id, trigger_message_id, status, provider, model, started_at, finished_at, trace",
    "send_decisions": "tenant_id, message_id, decision, reasons, decided_at",
    "touch_points": "tenant_id, lead_id, session_id, plan, cadence_run, step, channel, template, due_at, local_time, status",
    "appointments": "tenant_id, location_id, bay_id, lead_id, service_ids, starts_at, ends_at, blocked_from, blocked_until,"
    " labour_minutes, status, source",
}


def fill(owner_url: str, leads_each: int, now: datetime, *, days: int = 10, again: bool = False) -> int:
    """Give each location `leads_each` leads and two appointments a bay on each of `days` days ahead; returns how many
    leads there are. `now` is aware UTC. `again`: what was filled before is taken away first."""
    connection = psycopg2.connect(owner_url)
    with connection, connection.cursor() as cursor:
        if again:
            cursor.execute(f"truncate {', '.join(_COLUMNS)} cascade")
        cursor.execute("select l.tenant_id, l.id, l.phone from locations l order by l.id")
        places = cursor.fetchall()
        for table, rows in _tables(places, leads_each, now).items():
            _copy(cursor, table, rows)
        cursor.execute("select b.tenant_id, b.location_id, b.id from bays b order by b.id")
        bays = cursor.fetchall()
        cursor.execute("select location_id, min(id) from service_catalog group by location_id")
        _copy(
            cursor,
            "appointments",
            _appointments(bays, dict(cursor.fetchall()), places, leads_each, now, days),
        )
        cursor.execute("select open_crm_checks(%s)", (now,))
        for table in ("leads", "chat_sessions", "chat_messages", "turns"):
            cursor.execute(
                f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))"
            )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    connection.close()
    return len(places) * leads_each


def _tables(places: Sequence[Any], each: int, now: datetime) -> dict[str, Iterator[tuple[Any, ...]]]:
    def people() -> Iterator[tuple[int, int, int, str, str]]:
        number = 0
        for tenant_id, location_id, own in places:
            for _ in range(each):
                number += 1
                yield number, tenant_id, location_id, own, f"+1312{2_000_000 + number}"

    at = now - timedelta(days=1)
    return {
        "leads": (
            (
                n,
                t,
                place,
                f"Dana {n}",
                caller,
                f"dana{n}@example.com",
                "web_form",
                "engaged",
                at - timedelta(seconds=n),
            )
            for n, t, place, _, caller in people()
        ),
        "chat_sessions": ((n, t, n, place, "sms", f"token{n}", at) for n, t, place, _, _ in people()),
        "turns": (
            (n, t, n, 3 * n - 2, "done", "playbook", "playbook", at, at, "{}") for n, t, _, _, _ in people()
        ),
        "chat_messages": (row for one in people() for row in _messages(*one, at)),
        "send_decisions": ((t, 3 * n - 1, "allow", "[]", at) for n, t, _, _, _ in people()),
        "touch_points": (
            (t, n, n, "default", 1, step, "sms", "first", now + timedelta(days=step), "10:00", "planned")
            for n, t, _, _, _ in people()
            for step in (3, 5)
        ),
    }


def _messages(
    n: int, tenant_id: int, _place: int, own: str, caller: str, at: datetime
) -> Iterator[tuple[Any, ...]]:
    for place, words in enumerate(MESSAGES):
        out = place == 1
        ends = (own, caller) if out else (caller, own)
        kind, status, direction = ("reply", "delivered", "out") if out else ("inbound", "received", "in")
        yield (
            3 * n - 2 + place, tenant_id, n, n, direction, "sms", kind, status, words, *ends,
            f"reply:{n}" if out else None, uuid.uuid4() if out else None, n if out else None,
            at + timedelta(seconds=n % 3600 + place),
        )  # fmt: skip


def _appointments(
    bays: Sequence[Any], services: dict[int, int], places: Sequence[Any], each: int, now: datetime, days: int
) -> Iterator[tuple[Any, ...]]:
    first_lead = {place: number * each + 1 for number, (_, place, _) in enumerate(places)}
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for tenant_id, place, bay in bays:
        for day in range(1, days + 1):
            for hour in (16, 20):
                starts = midnight + timedelta(days=day, hours=hour)
                ends = starts + timedelta(hours=2)
                lead = first_lead[place] + day % each
                work = (starts, ends, starts, ends, 120)
                yield (tenant_id, place, bay, lead, f"{{{services[place]}}}", *work, "booked", "agent")


def _copy(cursor: Any, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    for row in rows:
        text.write("\t".join(_NULL if value is None else str(value) for value in row) + "\n")
    text.seek(0)
    cursor.copy_expert(f"copy {table} ({_COLUMNS[table]}) from stdin", text)
