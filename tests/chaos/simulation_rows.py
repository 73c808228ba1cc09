"""The judge's look at the database: nothing that came in is lost, nothing that did not go out lacks a reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from tests.chaos.simulation_truth import Truth
from tests.chaos.simulation_twilio import Attempt
from tests.chaos.simulation_world import World

Row = dict[str, Any]
OPEN = ("sending", "unknown")
# A text without a last word is asked about for so long: the outbox's promise, written down again.
ASKED_FOR = timedelta(hours=72)
NOT_SENT = ("withheld", "dropped", "failed", "undelivered")


def read(world: World, statement: str) -> list[Row]:
    """Rows of all tenants."""
    with world.owner.connect() as connection:
        return [dict(row) for row in connection.execute(text(statement)).mappings()]


def judge_inbound(world: World, truth: Truth, rows: list[Row]) -> list[str]:
    """Every text of a customer is stored once and in their words, and nobody still waits for an answer."""
    found = []
    stored: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["direction"] == "in" and row["channel"] == "sms":
            stored[row["carrier_id"]].append(row)
    for sid, (tenant, phone, body, at) in truth.written.items():
        kept = stored.get(sid, [])
        if (
            len(kept) != 1
            or kept[0]["from_address"] != phone
            or body not in (kept[0]["body"], kept[0]["body_full"])
        ):
            found.append(
                f"the text {sid} {body!r} of {phone} to {tenant} at {at} is stored {len(kept)} times"
            )
    for row in read(world, "select id, answer_due_at from chat_sessions where answer_due_at is not null"):
        found.append(f"session {row['id']} still owes an answer since {row['answer_due_at']}")
    return found


def judge_rows(
    world: World,
    out: Mapping[str, Row],
    at_carrier: Mapping[str | None, Attempt],
    outcomes: Mapping[str, tuple[str, int | None]],
    counts: Counter[str],
) -> list[str]:
    """Every row of the outbox and every touch says why it is where it is, and the carrier says the same. Adds to
    `counts`."""
    found: list[str] = []
    now = world.clock.now()
    decisions: dict[int, Row] = {}
    for row in read(world, "select * from send_decisions order by id"):
        counts[f"gate: {row['decision']}"] += 1
        decisions[row["message_id"]] = row
        if not row["reasons"]:
            found.append(f"decision {row['id']} has no reason")
    for row in out.values():
        counts[f"rows: {row['channel']} {row['status']}"] += 1
        found += _judge_row(row, decisions.get(row["id"]))
        if row["channel"] == "sms" and row["status"] in ("sent", "delivered"):
            found += _judge_sent(row, at_carrier, outcomes, now)
    for row in read(world, "select * from touch_points"):
        counts[f"touches: {row['status']}"] += 1
        if row["status"] != "written" and not row["reason"] and row["due_at"] < now:
            found.append(f"touch {row['id']} ({row['status']}, due {row['due_at']}) has no reason")
    return found


def _judge_row(row: Row, decision: Row | None) -> list[str]:
    name, status = f"{row['channel']} {row['kind']} {row['id']} ({row['status']})", row["status"]
    if status in OPEN:
        return [f"{name}: still open at the end"]
    if status in NOT_SENT and not row["error"]:
        return [f"{name}: has no reason"]
    held = decision is not None and decision["decision"] == "hold" and decision["reasons"]
    if status == "pending" and not held and not row["error"]:
        return [f"{name}: waits for no reason, due {row['send_after']}"]
    return []


def _judge_sent(
    row: Row,
    at_carrier: Mapping[str | None, Attempt],
    outcomes: Mapping[str, tuple[str, int | None]],
    now: datetime,
) -> list[str]:
    name = f"sms {row['kind']} {row['id']} ({row['status']})"
    attempt = at_carrier.get(row["carrier_id"])
    if attempt is None or attempt.outbox_id != str(row["outbox_id"]):
        return [f"{name}: the carrier has no such text ({row['carrier_id']})"]
    said, code = outcomes[row["carrier_id"]]
    if row["status"] == "sent" and now - row["sent_at"] < ASKED_FOR:
        # A callback that was lost: the carrier is still being asked.
        return []
    return (
        []
        if said == row["status"]
        else [f"{name}: the carrier says {said} {code or ''} of {row['carrier_id']}"]
    )
