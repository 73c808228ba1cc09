"""What the gate asks before a touch besides the hours: consent, blocked templates; and what asking costs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm.consents import record_consent
from crm.db import Database
from crm.models import TemplateBlock
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.gate_help import ask, at_noon, book, counted, stop
from tests.integration.talking import change, hear, put
from tests.runtimes import FakeSender


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    db: Database,
    sms: FakeSender,
) -> Iterator[Runtime]:
    with at_noon(test_database, redis_url, clock, world, db, sms) as made:
        yield made


@pytest.mark.parametrize(
    ("settings", "agreed", "source", "channel", "verdict", "why"),
    [
        ("{}", False, "sample", "sms", "withhold", "no consent to texts is on record"),
        ("{}", True, "sample", "sms", "allow", ""),
        ("{}", False, "text", "sms", "allow", ""),
        ("{}", False, "sample", "email", "allow", ""),
        (
            '{"text_consent": "assumed"}',
            False,
            "sample",
            "sms",
            "withhold",
            "the shop assumes consent to texts but has stated no ground for it",
        ),
    ],
)
def test_a_text_that_nobody_asked_for_needs_a_grant(
    db: Database, world: World, clock: FixedClock, runtime: Runtime,
    settings: str, agreed: bool, source: str, channel: str, verdict: str, why: str,
) -> None:  # fmt: skip
    change(db, world.north, "update tenants set settings = cast(:settings as jsonb)", settings=settings)
    change(db, world.north, "update leads set source = :source", source=source)
    message_id = put(db, world.north, clock.now(), kind="touch", channel=channel, agreed=agreed)
    found = ask(db, world.north, message_id, clock.now())
    assert found.verdict == verdict
    if verdict == "withhold":
        assert found.reasons == (why,)


@pytest.mark.parametrize("kind", ["reply", "confirmation", "reminder"])
def test_an_answer_and_an_appointment_need_none(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, kind: str
) -> None:
    assert ask(db, world.north, put(db, world.north, clock.now(), kind=kind), clock.now()).verdict == "allow"


@pytest.mark.parametrize(
    ("kind", "verdict"), [("touch", "withhold"), ("reply", "allow"), ("reminder", "allow")]
)
def test_who_wants_no_promotions_still_hears_of_the_appointment(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, kind: str, verdict: str
) -> None:
    message_id = put(db, world.north, clock.now(), kind=kind)
    stop(db, world.north, clock, scope="marketing")
    found = ask(db, world.north, message_id, clock.now())
    assert found.verdict == verdict
    if verdict == "withhold":
        assert found.reasons == ("this person wants no promotions, said on 2026-11-23 18:00 UTC",)


def test_a_template_that_the_carrier_filters_is_not_sent_until_somebody_lifts_the_block(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    (touch, *_) = start(db, world.north, clock.now())
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=touch)
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            TemplateBlock(
                tenant_id=world.north.tenant_id, channel="sms", template="hello", since=clock.now(),
                reason="the carrier took it for spam (30007)",
            )
        )  # fmt: skip
    found = ask(db, world.north, message_id, clock.now())
    assert found.verdict == "withhold"
    assert found.reasons == ("'hello' is blocked: the carrier took it for spam (30007)",)
    change(db, world.north, "update template_blocks set lifted_at = :at, lifted_by = 'Sam'", at=clock.now())
    assert ask(db, world.north, message_id, clock.now()).verdict == "allow"


@pytest.mark.parametrize(("kind", "most"), [("reply", 2), ("confirmation", 2), ("touch", 2)])
def test_the_gate_asks_a_fixed_number_of_questions(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, kind: str, most: int
) -> None:
    message_id = put(db, world.north, clock.now(), kind=kind)
    with counted(db) as before:
        ask(db, world.north, message_id, clock.now())
    for _ in range(20):
        put(db, world.north, clock.now(), kind="touch")
        hear(runtime, world.north, "hello")
        book(db, world.north, clock, "cancelled")
        stop(db, world.north, clock, "grant")
    with counted(db) as after:
        ask(db, world.north, message_id, clock.now())
    assert len(after) == len(before) <= most


@pytest.mark.parametrize(("covers", "verdict"), [("all", "withhold"), ("same", "allow")])
def test_a_stop_by_mail_closes_the_telephone_as_the_shop_has_it(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, covers: str, verdict: str
) -> None:
    """Also for a number that became known afterwards: the ledger knows only the address of the mail."""
    change(
        db, world.north, "update tenants set settings = cast(:s as jsonb)", s=f'{{"stop_covers": "{covers}"}}'
    )
    message_id = put(db, world.north, clock.now())
    with db.tenant(world.north.tenant_id) as session:
        record_consent(
            session, tenant_id=world.north.tenant_id, channel="email", address=CUSTOMER_EMAIL, action="revoke",
            actor="customer", source="wrote by email", evidence="unsubscribe", effective_at=clock.now(),
        )  # fmt: skip
    assert ask(db, world.north, message_id, clock.now()).verdict == verdict
    mail = put(db, world.north, clock.now(), channel="email")
    assert ask(db, world.north, mail, clock.now()).verdict == "withhold"


def test_a_stop_of_the_number_a_message_goes_to_counts_though_the_lead_has_another_now(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    message_id = put(db, world.north, clock.now())
    stop(db, world.north, clock)
    change(db, world.north, "update leads set phone = '+13125550188' where id = :lead")
    assert ask(db, world.north, message_id, clock.now()).verdict == "withhold"
