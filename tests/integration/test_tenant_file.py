"""A tenant file against a real database: planned, applied, applied again, pruned, exported."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from sqlalchemy import Engine, func, select, text

from crm.connections import add_secret
from crm.consent_policy import EVERYBODY
from crm.consents import standing
from crm.db import Database
from crm.models import (
    Appointment,
    Base,
    Bay,
    BayHours,
    CarrierAccount,
    ConsentEvent,
    Lead,
    Location,
    LocationHours,
    PolicyVersion,
    Service,
    ServiceChange,
    Staff,
    Tenant,
    TenantCrmConfig,
)
from crm.tenant_file.guards import RECORDS
from crm.tenant_file.plan import Plan
from crm.tenant_file.problems import FileProblems
from crm.tenant_file.writing import OWN
from crm.tenants import settings_of
from ops.clock import FixedClock
from ops.secrets import SecretBox
from tests.conftest import Shop, World
from tests.integration.calendar_commands_help import local
from tests.integration.tenant_file_help import EXAMPLE, Applier
from tests.runtimes import KEY


@pytest.fixture
def files(db: Database, clock: FixedClock, world: World) -> Applier:
    return Applier(db, clock)


def said(plan: Plan) -> set[str]:
    """Every difference as "action key"."""
    return {f"{one.action} {one.key}" for one in plan.differences}


def fields(plan: Plan) -> dict[str, tuple[str, str]]:
    """All changed fields, before and after."""
    changed = plan.of("change")
    return {f"{one.key}: {each.field}": (each.before, each.after) for one in changed for each in one.fields}


def test_the_example_is_planned_applied_and_then_there_is_nothing_to_do(files: Applier, db: Database) -> None:
    planned = files.plan(EXAMPLE.read_text())
    assert planned.is_new
    assert files.id_of("harborview") is None, "a plan changes nothing"
    (applied,) = files.apply(EXAMPLE.read_text())
    assert said(applied) == said(planned)
    assert "create harbor, bay Bay 2" in said(applied)
    again = files.plan(EXAMPLE.read_text())
    assert (again.differences, again.stranded) == ((), ())
    assert again.unchanged == len(applied.differences)
    tenant_id = files.id_of("harborview")
    assert tenant_id is not None
    with db.tenant(tenant_id) as session:
        tenant = session.get_one(Tenant, tenant_id)
        assert settings_of(tenant).monthly_ai_budget_cents == 20000
        assert settings_of(tenant).shop_facts["waiting room"] == "Coffee and wifi"
        statement = standing(session, tenant_id, "sms", EVERYBODY).grant
        assert statement is not None
        assert statement.source == "stated by Morgan Reyes, owner"
        harbor, westside = session.scalars(select(Location).order_by(Location.id))
        assert (harbor.drop_off_from, harbor.same_day_cutoff, harbor.max_jobs_per_day) == (
            time(8),
            time(15),
            12,
        )
        assert harbor.facts == {"parking": "Free in the yard behind the shop"}
        open_days = select(LocationHours.weekday).where(LocationHours.location_id == westside.id)
        assert sorted(session.scalars(open_days)) == [1, 2, 3, 4, 5]
        third = session.scalars(select(Bay).where(Bay.name == "Bay 3")).one()
        worked = session.scalars(select(BayHours).where(BayHours.bay_id == third.id)).all()
        assert sorted((row.weekday, row.opens, row.closes) for row in worked) == [
            (day, time(10), time(16)) for day in (1, 2, 3)
        ]
        prices = select(Service.code, Service.price_cents).where(Service.location_id == westside.id)
        assert dict(session.execute(prices).all())["tint-sedan-ceramic"] == 46900
        people = {(one.name, one.location_id) for one in session.scalars(select(Staff))}
        assert people == {("Morgan Reyes", None), ("Sam Ortiz", harbor.id)}


def test_an_exported_business_applies_to_nothing_and_makes_the_same_elsewhere(
    files: Applier, world: World, owner_engine: Engine
) -> None:
    files.apply(EXAMPLE.read_text())
    for slug in ("harborview", "north"):
        body = files.export(slug)
        plan = files.plan(body)
        assert (plan.is_new, plan.differences) == (False, ()), body
        assert files.export(slug) == body
    body = files.export("harborview")
    for old, new in (
        ("slug: harborview", "slug: elsewhere"),
        ("+131255501", "+131255502"),
        ("@mail.", "@post."),
    ):
        body = body.replace(old, new)
    files.apply(body)
    for old, new in (
        ("slug: elsewhere", "slug: harborview"),
        ("+131255502", "+131255501"),
        ("@post.", "@mail."),
    ):
        body = body.replace(old, new)
    assert files.plan(body).differences == ()


def test_changes_are_named_and_what_is_not_written_stays(files: Applier, db: Database, world: World) -> None:
    files.apply(
        "slug: north\nlocations:\n  - slug: north\n    limits: {jobs_per_day: 3}\n    services:\n"
        "      tint-sunroof: {price: 120}\n"
    )
    text_of = "slug: north\nname: North Tint and Wrap\nlocations:\n  - slug: north\n    city: x\n"
    with pytest.raises(FileProblems, match=r"locations\[0\]\.city: this key is not known"):
        files.plan(text_of)
    plan = files.plan(
        "slug: north\nname: North Tint and Wrap\nsettings: {max_segments: 2}\nlocations:\n  - slug: north\n"
        "    limits: {jobs_per_day: null, same_day_until: 14:30}\n    hours: {mon-sat: 9:00-18:00}\n"
        "    services: {tint-sunroof: {price: 99.50}, tint-removal: {active: no}}\n"
    )
    assert fields(plan) == {
        "business: name": ("North Tint", "North Tint and Wrap"),
        "business: settings.max_segments": ("3", "2"),
        "location north: limits.jobs_per_day": ("3", "none"),
        "location north: limits.same_day_until": ("none", "14:30"),
        "location north: hours.saturday": ("9:00-14:00", "9:00-18:00"),
        "north, service tint-sunroof: price": ("$120", "$99.50"),
        "north, service tint-removal: active": ("yes", "no"),
    }
    assert plan.of("prune")
    assert all(one.key.kind == "service" for one in plan.of("prune"))
    with db.tenant(world.north.tenant_id) as session:
        row = session.get_one(Location, world.north.location_id)
        assert (row.max_jobs_per_day, row.phone, row.city) == (3, world.north.phone, "Chicago")
        sunroof = session.scalars(select(Service).where(Service.code == "tint-sunroof")).one()
        (change,) = session.scalars(select(ServiceChange))
        assert (change.service_id, change.what, change.who) == (sunroof.id, "changed", "Robin")
        assert change.fields == {"price_cents": [9950, 12000]}
        assert (sunroof.price_cents, sunroof.duration_minutes) == (12000, 45)


def test_the_stranger_is_neither_read_nor_written(files: Applier, db: Database, world: World) -> None:
    before = files.export("south")
    files.apply(
        "slug: north\nname: Changed\nlocations:\n  - {slug: north, name: Changed, services: {}, bays: {}}\n",
        prune=True,
    )
    assert files.export("south") == before
    with pytest.raises(FileProblems, match="another business has it; give it up there first"):
        files.apply(f"slug: north\nlocations: [{{slug: north, phone: '{world.south.phone}'}}]")
    with pytest.raises(FileProblems, match=r"locations\[0\]\.mailbox: shop@south\.example is taken"):
        files.plan("slug: north\nlocations: [{slug: north, mailbox: shop@south.example}]")
    assert files.export("south") == before


def test_numbers_can_change_places_within_a_business(files: Applier, db: Database) -> None:
    files.apply(EXAMPLE.read_text())
    swapped = (
        EXAMPLE.read_text().replace("50151", "50199").replace("50153", "50151").replace("50199", "50153")
    )
    files.apply(swapped)
    tenant_id = files.id_of("harborview")
    assert tenant_id is not None
    with db.tenant(tenant_id) as session:
        phones = dict(session.execute(select(Location.slug, Location.phone)).all())
    assert phones == {"harbor": "+13125550153", "westside": "+13125550151"}
    taken = EXAMPLE.read_text().replace('"+13125550151"', '"+13125550160"')
    assert files.plan(taken).of("change")
    both = "slug: harborview\nlocations: [{slug: westside, phone: '+13125550153'}]"
    with pytest.raises(FileProblems, match="location harbor of this business has it"):
        files.plan(both)


def book(db: Database, shop: Shop, clock: FixedClock, day: int, hour: int, *, bay: int = 0) -> int:
    """An appointment of two hours on a bay; November 2026, Chicago."""
    with db.tenant(shop.tenant_id) as session:
        row = Appointment(
            tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_ids[bay], lead_id=shop.lead_id,
            service_ids=[shop.service_ids["tint-sunroof"]], starts_at=local(day, hour), source="agent",
            ends_at=local(day, hour) + timedelta(hours=2),
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


def test_who_is_booked_outside_the_new_hours_is_named_before_and_stays_booked(
    files: Applier, db: Database, clock: FixedClock, world: World
) -> None:
    late = book(db, world.north, clock, 24, 15)
    book(db, world.north, clock, 25, 10)
    shorter = "slug: north\nlocations: [{slug: north, hours: {mon-fri: 9:00-16:00}}]"
    plan = files.plan(shorter)
    assert [(slug, zone, one.id, one.who) for slug, zone, one in plan.stranded] == [
        ("north", "America/Chicago", late, "Dana")
    ]
    assert files.plan(shorter).differences == plan.differences, "looking has changed nothing"
    (applied,) = files.apply(shorter)
    assert [one.id for _, _, one in applied.stranded] == [late]
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Appointment, late).status == "booked"
    assert files.plan(shorter).stranded == ()
    closed = "slug: north\nlocations: [{slug: north, closures: [{from: 2026-11-25}]}]"
    assert [one.starts_at for _, _, one in files.plan(closed).stranded] == [local(25, 10)]
    off = "slug: north\nlocations: [{slug: north, bays: {Bay 1: {active: false}}}]"
    assert len(files.plan(off).stranded) == 1


def test_nothing_is_taken_away_without_prune_and_never_what_is_still_needed(
    files: Applier, db: Database, clock: FixedClock, world: World
) -> None:
    book(db, world.north, clock, 24, 10, bay=1)
    with db.tenant(world.north.tenant_id) as session:
        owner = {"tenant_id": world.north.tenant_id, "location_id": world.north.location_id}
        session.add(
            Service(
                **owner, code="from-crm", name="Wash", category="wash", duration_minutes=30, external_id="s1"
            )
        )
        session.add(Bay(**owner, name="Bay 3"))
    body = (
        "slug: north\nstaff: []\nfacts: {}\nlocations:\n  - slug: north\n    staff: []\n    closures: []\n"
        "    services: {tint-sunroof: {}}\n    bays: {Bay 1: {}}\n"
    )
    plan = files.plan(body)
    assert {"prune north, bay Bay 3", "prune north, service tint-removal", "prune north, person Sam"} <= said(
        plan
    )
    (kept,) = plan.of("keep")
    assert (str(kept.key), kept.note) == ("north, bay Bay 2", "1 booked ahead; move or cancel it first")
    assert not any("from-crm" in one for one in said(plan))
    before = files.export("north")
    files.apply(body)
    assert files.export("north") == before
    files.apply(body, prune=True)
    with db.tenant(world.north.tenant_id) as session:
        assert {row.name: row.active for row in session.scalars(select(Bay))} == {
            "Bay 1": True, "Bay 2": True, "Bay 3": False,
        }  # fmt: skip
        sold = session.scalars(select(Service.code).where(Service.active)).all()
        assert sorted(sold) == ["from-crm", "tint-sunroof"]
        assert session.scalar(select(func.count()).select_from(Service)) == len(world.north.service_ids) + 1
        assert session.get_one(Staff, world.north.staff_id).removed_at == clock.now()
    assert [one.action for one in files.plan(body).differences] == ["keep"]


def test_a_location_goes_only_when_nobody_was_ever_there(files: Applier, db: Database, world: World) -> None:
    files.apply(EXAMPLE.read_text())
    only = EXAMPLE.read_text().split("  - slug: westside")[0]
    assert {str(one.key) for one in files.plan(only).of("prune")} == {"location westside"}
    files.apply(only, prune=True)
    tenant_id = files.id_of("harborview")
    assert tenant_id is not None
    with db.tenant(tenant_id) as session:
        assert session.scalars(select(Location.slug)).all() == ["harbor"]
        assert session.scalar(select(func.count()).select_from(BayHours)) == 0
    plan = files.plan("slug: north\nlocations: [{slug: other, name: Other, timezone: America/Chicago}]")
    (kept,) = plan.of("keep")
    assert "it has 1 leads" in kept.note
    files.apply("slug: north\nlocations: [{slug: other, name: Other, timezone: America/Chicago}]", prune=True)
    with db.tenant(world.north.tenant_id) as session:
        assert sorted(session.scalars(select(Location.slug))) == ["north", "other"]
        assert session.scalar(select(func.count()).select_from(Lead)) == 1


def test_whatever_refers_to_a_location_either_goes_with_it_or_keeps_it() -> None:
    referring = {
        table.name
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "locations"
    }
    assert referring == {table.__tablename__ for table in (*OWN, *RECORDS.values())}


def test_what_a_new_thing_needs_is_missed_with_its_place(files: Applier) -> None:
    with pytest.raises(FileProblems) as caught:
        files.plan(
            "slug: new\nlocations:\n  - slug: one\n    services: {a: {price: 5}}\n    bays: {B: {skills: [wrap]}}\n"
        )
    assert [str(one) for one in caught.value.problems] == [
        "name: is missing",
        "line 3: locations[0].name: is missing",
        "line 3: locations[0].timezone: is missing",
        "line 4: locations[0].services.a.name: is missing",
        "line 4: locations[0].services.a.category: is missing",
        "line 4: locations[0].services.a.minutes: is missing",
        "line 5: locations[0].bays.B.skills: one has no service or category 'wrap'; there is a",
    ]
    assert files.id_of("new") is None


def test_a_skill_may_be_one_that_the_database_sells(files: Applier, world: World) -> None:
    assert files.plan(
        "slug: north\nlocations: [{slug: north, bays: {Bay 1: {skills: [ppf, tint-removal]}}}]"
    ).of("change")
    with pytest.raises(FileProblems, match="has no service or category 'wraps'; there is"):
        files.plan("slug: north\nlocations: [{slug: north, bays: {Bay 1: {skills: [wraps]}}}]")


def test_a_policy_gets_a_version_and_the_way_back_is_the_default(
    files: Applier, db: Database, world: World
) -> None:
    words = "slug: north\npolicy:\n  text: |\n    # Our shop\n    Be kind.\n"
    files.apply(words)
    assert files.plan(words).differences == ()
    with db.tenant(world.north.tenant_id) as session:
        version = session.scalars(select(PolicyVersion)).one()
        assert (version.version, version.author, version.body) == (1, "Robin", "# Our shop\nBe kind.\n")
        assert settings_of(session.get_one(Tenant, world.north.tenant_id)).policy_version == 1
    files.apply("slug: north\npolicy: default")
    files.apply(words)
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(PolicyVersion)) == 1
        assert settings_of(session.get_one(Tenant, world.north.tenant_id)).policy_version == 1


def test_the_statement_about_consent_goes_into_the_ledger_once(
    files: Applier, db: Database, world: World
) -> None:
    assumed = "slug: north\ntext_consent: {policy: assumed, statement: Our form asks., by: Robin Lake}"
    for _ in range(2):
        files.apply(assumed)
    files.apply("slug: north\ntext_consent: {policy: required}")
    files.apply("slug: north\ntext_consent: {policy: required}")
    with db.tenant(world.north.tenant_id) as session:
        events = session.scalars(
            select(ConsentEvent).where(ConsentEvent.address == EVERYBODY).order_by(ConsentEvent.id)
        )
        assert [(one.action, one.source, one.evidence) for one in events] == [
            ("grant", "stated by Robin Lake", "Our form asks."),
            ("revoke", "stated by Robin", "taken back in the tenant file"),
        ]
        assert settings_of(session.get_one(Tenant, world.north.tenant_id)).text_consent == "required"


ACCOUNTS = """
slug: north
twilio: {account_sid: AC%s, auth_token: env:TOKEN}
sendgrid: {api_key: env:MAIL, subuser: north}
crm:
  api_key: env:KEY
  settings: {looks: {orders_seconds: 60}}
  lead_rules: {max_age_hours: 24}
""" % ("a" * 32)


def test_secrets_are_encrypted_compared_and_never_said(db: Database, clock: FixedClock, world: World) -> None:
    secrets = {"TOKEN": "the-token", "MAIL": "the-mail-key", "KEY": "the-crm-key"}
    files = Applier(db, clock, secrets)
    plan = files.plan(ACCOUNTS)
    assert not any(
        value in repr(plan) + str([one.as_data() for one in plan.differences]) for value in secrets.values()
    )
    files.apply(ACCOUNTS)
    assert files.plan(ACCOUNTS).differences == ()
    with db.tenant(world.north.tenant_id) as session:
        config = session.scalars(select(TenantCrmConfig)).one()
        assert SecretBox(KEY).decrypt(config.api_key_encrypted) == "the-crm-key"
        assert (config.settings, config.lead_rules) == (
            {"looks": {"orders_seconds": 60}},
            {"max_age_hours": 24},
        )
        assert config.base_url == "https://api.shopmonkey.example"
        hook = config.hook_token
        config.settings = {**config.settings, "tell": {"moved": "nobody"}}
    rotated = Applier(db, clock, {**secrets, "KEY": "another-key", "TOKEN": "another-token"})
    changed = rotated.plan(ACCOUNTS.replace("60", "90"))
    assert fields(changed) == {
        "crm shopmonkey: api_key": ("(secret)", "(secret) (other words)"),
        "crm shopmonkey: settings.looks.orders_seconds": ("60", "90"),
        "twilio: auth_token": ("(secret)", "(secret) (other words)"),
    }
    rotated.apply(ACCOUNTS.replace("60", "90"))
    with db.tenant(world.north.tenant_id) as session:
        config = session.scalars(select(TenantCrmConfig)).one()
        assert SecretBox(KEY).decrypt(config.api_key_encrypted) == "another-key"
        assert config.settings == {"looks": {"orders_seconds": 90}, "tell": {"moved": "nobody"}}
        assert config.hook_token == hook
        account = session.scalars(select(CarrierAccount)).one()
        assert account.previous_token_encrypted is not None
    body = rotated.export("north")
    assert not any(value in body for value in ("another-key", "another-token", "the-mail-key"))
    assert rotated.plan(body).differences == ()
    rotated.apply("slug: north\ntwilio: null", prune=True)
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalars(select(CarrierAccount)).all() == []


def test_of_two_secrets_of_a_webhook_the_newest_is_compared(
    db: Database, clock: FixedClock, world: World
) -> None:
    files = Applier(db, clock, {"KEY": "key", "SECRET": "newest"})
    body = "slug: north\ncrm: {api_key: env:KEY, webhook_secret: env:SECRET}"
    files.apply(body.replace("env:SECRET", "env:KEY"))
    assert fields(files.plan(body)).keys() == {"crm shopmonkey: webhook_secret"}
    with db.tenant(world.north.tenant_id) as session:
        add_secret(SecretBox(KEY), session.scalars(select(TenantCrmConfig)).one(), "newest")
    assert files.plan(body).differences == ()


def test_days_gone_by_are_nobodys_business(
    files: Applier, db: Database, clock: FixedClock, world: World
) -> None:
    body = (
        "slug: north\nlocations:\n  - slug: north\n    special_hours: {2026-12-23: 9:00-13:00}\n    closures:\n"
        "      - {from: 2026-12-24, reason: Christmas}\n"
    )
    files.apply(body)
    assert files.plan("slug: north\nlocations: [{slug: north, special_hours: {}, closures: []}]").of("prune")
    clock.moment += timedelta(days=60)
    plan = files.plan("slug: north\nlocations: [{slug: north, special_hours: {}, closures: []}]")
    assert plan.differences == ()
    assert date(2026, 12, 23).isoformat() not in files.export("north")


def test_a_paused_business_is_found_and_can_be_taken_up_again(files: Applier, owner_engine: Engine) -> None:
    files.apply("slug: north\nstatus: paused")
    assert files.plan("slug: north\nstatus: paused").differences == ()
    with owner_engine.begin() as connection:
        found = connection.execute(text("select slug from tenants where status = 'paused'")).scalars().all()
    assert found == ["north"]
    assert fields(files.plan("slug: north\nstatus: active")) == {"business: status": ("paused", "active")}
