"""What a file says of stops holds: recorded, obeyed by the cadence, and never overlooked for a column's name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from crm.connectors.csv_file.mapping import map_columns
from crm.consents import record_consent, standing
from crm.db import Database
from crm.models import Lead, WebhookEvent
from ops.clock import FixedClock
from scheduler import hooks
from scheduler.touches import known_of
from tests.conftest import World
from tests.integration.import_help import importing, write

HEADER = ["Name", "Phone", "Email", "Service"]


def _import(
    db: Database, world: World, clock: FixedClock, path: Path, columns: list[str], *rows: list[str]
) -> int:
    people = [
        [f"P{n}", f"3125550{n:03d}", f"p{n}@example.com", "Tint", *row] for n, row in enumerate(rows, 200)
    ]
    made = write(path / "people.csv", people, [*HEADER, *columns])
    return importing(db, world.north, made, clock.now(), per_hour=60).run().cadences


def _open(db: Database, world: World) -> list[tuple[bool, bool]]:
    """(no stop of texts, no stop of mails) of the imported, in the order of the file."""
    with db.tenant(world.north.tenant_id) as s:
        leads = s.scalars(select(Lead).where(Lead.source == "csv").order_by(Lead.phone)).all()
        return [
            (
                standing(s, world.north.tenant_id, "sms", lead.phone or "").revocation("marketing") is None,
                known_of(s, lead).facts.may_email,
            )
            for lead in leads
        ]


@pytest.mark.parametrize("name", ["Do Not Contact", "Opted Out", "Unsubscribed", "DNC", "Dado de baja"])
def test_who_must_not_be_contacted_is_not(
    db: Database, world: World, clock: FixedClock, tmp_path: Path, name: str
) -> None:
    cadences = _import(db, world, clock, tmp_path, [name], ["yes"], ["no"], [""], ["2025-03-01"])
    assert _open(db, world) == [(False, False), (True, True), (True, True), (False, False)]
    assert cadences == 2, "who wants nothing has no turn"
    with db.tenant(world.south.tenant_id) as s:
        assert standing(s, world.south.tenant_id, "sms", "+13125550200").revocation("marketing") is None


@pytest.mark.parametrize(
    ("name", "open_ones"), [("SMS Opt Out", (False, True)), ("Email Unsubscribed", (True, False))]
)
def test_a_stop_of_one_channel_leaves_the_other(
    db: Database, world: World, clock: FixedClock, tmp_path: Path, name: str, open_ones: tuple[bool, bool]
) -> None:
    assert _import(db, world, clock, tmp_path, [name], ["x"]) == 1
    assert _open(db, world) == [open_ones]


def test_a_stop_beats_a_yes_in_the_same_row(
    db: Database, world: World, clock: FixedClock, tmp_path: Path
) -> None:
    columns = ["SMS consent", "Consent text", "Opted out"]
    _import(db, world, clock, tmp_path, columns, ["yes", "Text me", "yes"], ["yes", "Text me", "no"])
    assert [texts for texts, _ in _open(db, world)] == [False, True]


def test_their_own_stop_is_never_weakened_and_their_own_start_stands(
    db: Database, world: World, clock: FixedClock, tmp_path: Path
) -> None:
    tenant_id, before = world.north.tenant_id, clock.now() - timedelta(days=1)
    with db.tenant(tenant_id) as s:
        for phone, action in (("+13125550200", "revoke"), ("+13125550201", "grant")):
            record_consent(
                s, tenant_id=tenant_id, channel="sms", address=phone, action=action, actor="customer",
                source="text", evidence="their words", effective_at=before,
            )  # fmt: skip
    _import(db, world, clock, tmp_path, ["Do not contact"], ["yes"], ["yes"])
    with db.tenant(tenant_id) as s:
        stopped = standing(s, tenant_id, "sms", "+13125550200")
        started = standing(s, tenant_id, "sms", "+13125550201")
    assert stopped.stop is not None
    assert stopped.stop.actor == "customer"
    assert started.revocation("marketing") is None


@pytest.mark.parametrize("name", ["Opt-out date (SMS)", "UnsubscribedAt", "Do not email again"])
def test_a_column_that_may_be_a_stop_is_not_passed_over(name: str) -> None:
    columns = map_columns([*HEADER, name])
    assert columns.like_a_stop() == ((name,) if name in columns.unused else ())
    assert columns.like_a_stop() or columns.fields.keys() & {"stop", "sms_stop", "email_stop"}
    assert map_columns([*HEADER, name], {name: "ignore"}).like_a_stop() == ()


def test_a_turn_that_comes_late_is_tried_as_long_as_any_other(
    db: Database, world: World, clock: FixedClock, tmp_path: Path
) -> None:
    _import(db, world, clock, tmp_path, [], [], [])
    with db.tenant(world.north.tenant_id) as s:
        event = s.scalars(select(WebhookEvent).order_by(WebhookEvent.next_try_at.desc())).first()
    assert event is not None
    assert event.next_try_at is not None
    event.next_try_at = None
    event.headers = {**event.headers, "due": (clock.now() + timedelta(days=9)).isoformat()}
    event.tries = 1
    assert not hooks._is_final(event, "transient", clock.now() + timedelta(days=9, hours=1))
    assert hooks._is_final(event, "transient", clock.now() + timedelta(days=9) + hooks.KEPT_TRYING)
