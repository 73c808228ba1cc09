"""What the ledger lets the cadence do, and which words outlive which."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from crm.consent_policy import consent_of, may_email, may_text, settings_for
from crm.consents import has_grant, is_opted_out, opt_out_of, record_consent
from crm.db import Database
from crm.models import ConsentEvent, Lead
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_PHONE, Shop, World
from tests.integration.talking import change


def closed(db: Database, shop: Shop, scope: Any = "all") -> set[str]:
    """{"sms"} when the customer gets no text of this kind any more."""
    with db.tenant(shop.tenant_id) as session:
        return {"sms"} if is_opted_out(session, shop.tenant_id, "sms", CUSTOMER_PHONE, scope) else set()


def test_which_leads_the_cadence_may_text(world: World, db: Database, clock: FixedClock) -> None:
    def asked() -> tuple[bool, str]:
        with db.tenant(world.north.tenant_id) as session:
            lead = session.get_one(Lead, world.north.lead_id)
            settings = settings_for(session, lead.tenant_id)
            consent = consent_of(session, lead, settings.stop_covers)
            assert may_email(consent).allowed
            found = may_text(consent, lead, settings)
            return found.allowed, found.why

    assert asked() == (False, "no consent to texts is on record")
    change(db, world.north, "update leads set source = 'text' where id = :lead")
    assert asked()[0]
    change(db, world.north, "update leads set source = 'web' where id = :lead")
    with db.tenant(world.north.tenant_id) as session:
        record_consent(
            session, tenant_id=world.north.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="grant", actor="crm",
            source="web form", evidence="I agree to texts [x]", effective_at=clock.now(),
        )  # fmt: skip
        assert has_grant(session, world.north.tenant_id, "sms", CUSTOMER_PHONE, "marketing")
    assert asked() == (True, "consent to texts is on record (web form)")


def test_a_marketing_grant_does_not_lift_a_stop_of_everything(
    world: World, db: Database, clock: FixedClock
) -> None:
    def record(action: Any, scope: Any, actor: Any = "customer") -> None:
        with db.tenant(world.north.tenant_id) as session:
            record_consent(
                session, tenant_id=world.north.tenant_id, channel="sms", address=CUSTOMER_PHONE, action=action,
                actor=actor, source="test", evidence="x", effective_at=clock.now(), scope=scope,
            )  # fmt: skip

    record("revoke", "marketing")
    assert closed(db, world.north) == set()
    assert closed(db, world.north, "marketing") == {"sms"}
    record("grant", "all", "crm")
    assert closed(db, world.north, "marketing") == {"sms"}, "an import undoes nothing that a person said"
    record("revoke", "all")
    record("grant", "marketing")
    assert closed(db, world.north, "marketing") == {"sms"}
    record("grant", "all")
    assert closed(db, world.north, "marketing") == set()
    with db.tenant(world.north.tenant_id) as session:
        assert opt_out_of(session, world.north.tenant_id, "sms", CUSTOMER_PHONE) is None
        assert session.scalar(select(func.count()).select_from(ConsentEvent)) == 5
