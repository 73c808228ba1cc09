"""What cannot be taken in yet waits and is tried again; who hears of what is lost; and what other tables mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from crm.connectors.base import Change, ConnectorError
from crm.connectors.intake import take_in
from crm.connectors.records import LeadContext
from crm.leads import LeadData
from crm.models import CrmCheck, TenantCrmConfig
from ops.clock import FixedClock
from ops.secrets import SecretBox, new_key
from scheduler import crm_hooks, hooks
from tests.conftest import TestDatabase, World
from tests.integration.intake_help import PHONE, Desk, desk_of

DAY = timedelta(days=1)


@pytest.fixture
def desk(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, owner_engine: Engine
) -> Iterator[Desk]:
    """North, connected."""
    with desk_of(test_database, redis_url, clock, world, owner_engine) as made:
        yield made


def refuse_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(crm_hooks, "take", refuse)


def wait_of(desk: Desk, event_id: str) -> float:
    """Process it; returns the seconds until it is due again, and lets them pass."""
    assert desk.process(event_id) == "received"
    seconds = (desk.event(event_id).next_try_at - desk.clock.now()).total_seconds()
    assert desk.process(event_id) == "not due"
    desk.clock.advance(timedelta(seconds=seconds))
    return seconds


def test_a_crm_that_is_away_is_asked_often_at_first_and_for_a_day(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = desk.store(desk.body(desk.order()))
    refuse_with(monkeypatch, ConnectorError("Shopmonkey is away", kind="transient"))
    began = desk.clock.now()
    early, late = [], []
    while desk.clock.now() - began < DAY:
        young = desk.clock.now() - began < timedelta(minutes=30)
        (early if young else late).append(wait_of(desk, event_id))
    assert early[:4] == [10, 20, 40, 80]
    assert max(early) == 90
    assert max(late) == 1800
    assert desk.notices() == []
    assert desk.process(event_id) == "failed"
    assert desk.event(event_id).note == "Shopmonkey is away"
    (notice,) = desk.notices()
    assert "could not be taken in (Shopmonkey is away)" in notice
    assert ("flush", desk.tenant_id) in [(job, tenant) for job, tenant, _ in desk.woken()]


def test_after_the_outage_the_lead_is_there(desk: Desk) -> None:
    event_id = desk.store(desk.body(desk.order()))
    desk.shopmonkey.fail_always(503)
    desk.configure(settings={"rate": {"per_second": 1000, "burst": 500, "in_flight": 64}})
    for _ in range(2):
        wait_of(desk, event_id)
    desk.shopmonkey.clear_faults()
    assert desk.process(event_id) == "processed"
    assert [text.to_address for text in desk.texts.sent] == [PHONE]


def test_the_vendors_wish_to_wait_is_heeded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    event_id = desk.store(desk.body(desk.order()))
    refuse_with(monkeypatch, ConnectorError("slow down", kind="transient", retry_after_s=240))
    assert wait_of(desk, event_id) == 240
    refuse_with(monkeypatch, ConnectorError("slow down", kind="transient", retry_after_s=1e9))
    assert wait_of(desk, event_id) == 3600


def test_a_wrong_key_waits_for_its_owner_who_is_told_once_a_day(desk: Desk) -> None:
    event_id = desk.store(desk.body(desk.order()))
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        key = session.query(TenantCrmConfig).one().api_key_encrypted
    desk.configure(api_key_encrypted=SecretBox(new_key()).encrypt("x"))
    began = desk.clock.now()
    while desk.clock.now() - began < 2 * DAY:
        assert wait_of(desk, event_id) >= 600
    # At nine in the morning of three days, in UTC.
    assert 2 <= len(desk.notices()) <= 3
    assert "wait until its connection is mended" in desk.notices()[0]
    desk.configure(api_key_encrypted=key)
    assert desk.process(event_id) == "processed"
    late = desk.store(desk.body(desk.order("+13125550133")))
    desk.configure(api_key_encrypted=SecretBox(new_key()).encrypt("x"))
    desk.process(late)
    desk.clock.advance(timedelta(days=9))
    assert desk.process(late) == "failed", "by now it would be no answer any more"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"lead_rules": {"stauses": []}}, "stauses"),
        ({"settings": {"lucks": {}}}, "lucks"),
        ({"settings": {}, "lead_rules": {}, "base_url": "nonsense"}, "https://"),
    ],
)
def test_what_an_owner_has_to_mend_is_named(desk: Desk, spoil: dict[str, Any], says: str) -> None:
    event_id = desk.store(desk.body(desk.order()))
    desk.configure(**spoil)
    assert wait_of(desk, event_id) == 600
    assert says in str(desk.event(event_id).note)


def test_what_is_refused_for_good_is_told_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_with(monkeypatch, ConnectorError("the answer makes no sense", kind="permanent"))
    for number in range(3):
        order = desk.order(f"+1312555014{number}")
        assert desk.tell(order) == "failed"
    assert len(desk.notices()) == 1, "one a day is enough: every one of them is kept"


def test_a_mistake_of_ours_is_tried_for_a_day_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    event_id = desk.store(desk.body(desk.order()))
    refuse_with(monkeypatch, RuntimeError("a bug"))
    for _ in range(hooks.MAX_TRIES + 2):
        with pytest.raises(RuntimeError):
            desk.process(event_id)
        assert desk.event(event_id).status == "received"
        desk.clock.advance(timedelta(minutes=30))
    desk.clock.advance(DAY)
    with pytest.raises(RuntimeError):
        desk.process(event_id)
    assert desk.event(event_id).status == "failed"
    assert len(desk.notices()) == 1


def test_what_kills_its_workers_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """As SIGKILL would: nothing is settled."""

    event_id = desk.store(desk.body(desk.order()))

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(crm_hooks, "take", die)
    for _ in range(hooks.MOST_LOST):
        with pytest.raises(Killed):
            desk.process(event_id)
        assert desk.process(event_id) == "not due", "its claim still holds"
        desk.clock.advance(hooks.CLAIM + timedelta(seconds=1))
    assert desk.process(event_id) == "failed"
    assert desk.event(event_id).note == hooks.DIED
    assert len(desk.notices()) == 1


def test_switched_off_it_is_ignored(desk: Desk) -> None:
    desk.configure(enabled=False)
    event_id = desk.store(desk.body(desk.order()))
    assert desk.process(event_id) == "ignored"
    assert "switched off" in str(desk.event(event_id).note)


@pytest.mark.parametrize("body", [b"", b"junk", b"\xff\x00", b"[]", b'{"event": "order.insert"}'])
def test_junk_is_ignored(desk: Desk, body: bytes) -> None:
    assert desk.process(desk.store(body)) == "ignored"


def other(table: str, operation: str = "UPDATE") -> bytes:
    body = {"apiVersion": "3", "operation": operation, "table": table, "data": {"id": "x-1"}}
    return json.dumps(body).encode()


def test_other_tables_go_where_they_belong(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []

    def note(name: str) -> Any:
        def take(runtime: Any, tenant_id: int, config: TenantCrmConfig, change: Change) -> str:
            assert (tenant_id, config.connector) == (desk.tenant_id, "shopmonkey")
            told.append((name, change.record_id))
            return f"{name} done"

        return take

    monkeypatch.setattr(crm_hooks, "appointment_told", note("appointment"))
    monkeypatch.setattr(crm_hooks, "person_wrote_told", note("message"))
    for table in ("appointment", "message"):
        event_id = desk.store(other(table))
        assert desk.process(event_id) == "processed"
        assert desk.event(event_id).note == f"{table} done"
    assert told == [("appointment", "x-1"), ("message", "x-1")]
    assert desk.process(desk.store(other("customer"))) == "ignored"
    assert desk.process(desk.store(other("order", "DELETE"))) == "ignored", "nobody knows that order"
    assert desk.shopmonkey.requests == []


@pytest.mark.parametrize("table", ["canned_service", "CannedService", "labor_rate"])
def test_a_changed_service_has_the_catalogue_looked_through(desk: Desk, table: str) -> None:
    now = desk.clock.now()
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        config = session.query(TenantCrmConfig).one()
        rows = [
            CrmCheck(tenant_id=desk.tenant_id, config_id=config.id, kind=kind, next_at=now + DAY)
            for kind in ("catalogue", "webhook")
        ]
        session.add_all(rows)
    assert desk.process(desk.store(other(table))) == "processed"
    catalogue, webhook = desk.rows(CrmCheck)
    assert (catalogue.next_at, webhook.next_at) == (now, now + DAY)
    assert ("crm_check", desk.tenant_id, str(catalogue.id)) in desk.woken()
    assert desk.process(desk.store(other(table))) == "processed"
    assert desk.woken() == []


def stored(desk: Desk, phone: str = PHONE) -> bytes:
    """A lead as the API stores it, and the event that tells of it."""
    data = LeadData(source="api", phone=phone, first_name="Pat", external_id=f"form-{phone}", wish="tint")
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        found = LeadContext("", data)
        taken = take_in(session, desk.tenant_id, desk.world.north.location_id, found, desk.clock.now())
        return json.dumps({"lead_id": taken.lead.id, "session_id": taken.chat.id}).encode()


def test_a_lead_of_the_api_gets_its_cadence_once(desk: Desk) -> None:
    desk.tenant_settings(text_consent="assumed")
    body = stored(desk)
    first, second = desk.store(body, "api"), desk.store(body, "api")
    assert desk.process(first) == "processed"
    assert desk.process(second) == "processed"
    lead = desk.lead()
    assert desk.event(first).note == f"lead {lead.id}"
    touches = desk.touches(lead.id)
    assert len(touches) == 13
    # Without consent to texts and without an email there is nothing that may be sent, and that is said.
    assert {row.status for row in touches} == {"skipped"}


def test_begin_names_the_touch_to_wake(desk: Desk) -> None:
    from scheduler.intake import begin

    told = json.loads(stored(desk))
    desk.order()
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        from crm.consents import record_consent

        record_consent(
            session, tenant_id=desk.tenant_id, channel="sms", address=PHONE, action="grant", actor="customer",
            source="form", evidence="yes", effective_at=desk.clock.now(),
        )  # fmt: skip
        first = begin(desk.runtime, session, told["lead_id"], told["session_id"], request_new=True)
        again = begin(desk.runtime, session, told["lead_id"], told["session_id"], request_new=True)
    assert [row.id for row in desk.touches(told["lead_id"]) if row.step == 1] == [first]
    assert again is None
