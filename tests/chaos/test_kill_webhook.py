"""kill -9 of the worker while it processes a webhook: one lead, one follow-up, one first text."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from crm.connectors.shopmonkey.config import create_crm_config
from crm.models import Location
from ops.secrets import SecretBox
from tests.acceptance.customer import Texter
from tests.acceptance.processes import eventually
from tests.chaos.installation import Installation
from tests.standins.http import Request

pytestmark = pytest.mark.processes

HOOK_SECRET = "webhook secret"
# A little more than a webhook's claim.
WEBHOOK_S = 121
# Longer than all looks at the carrier together.
ALL_LOOKS_MIN = 15


@pytest.fixture(scope="module")
def hook(place: Installation) -> str:
    """The shop is connected to Shopmonkey; the address of its webhook."""
    with place.db.tenant(place.shop.tenant_id) as session:
        config = create_crm_config(
            session,
            place.shop.tenant_id,
            place.shopmonkey.api_key,
            place.shopmonkey.url,
            SecretBox(place.system.encryption_key),
            webhook_secret=HOOK_SECRET,
        )
        location = session.get_one(Location, place.shop.location_id)
        location.crm_location_id = place.shopmonkey.location_id
        return f"{place.system.url}/hooks/shopmonkey/{config.hook_token}"


def _is_of_an_order(request: Request) -> bool:
    """What the webhook makes us ask, and no look at a list or at the catalogue."""
    return "/order/" in request.path


def _order(place: Installation, hook: str) -> str:
    """Somebody new asks for a quote at the shop's site; their phone. No look finds them before the webhook does."""
    with place.owner.begin() as connection:
        connection.execute(text("update crm_checks set next_at = next_at + interval '1 day'"))
    phone = place.new_phone()
    made = place.shopmonkey.add_lead("Pat", "Poe", phone, None, opt_in=True, complaint="Full tint?")
    answer = place.shopmonkey.deliver_webhook(hook, "order", "INSERT", made.order_id, secret=HOOK_SECRET)
    assert answer.status_code == 200
    return phone


def _one_cadence(place: Installation, phone: str) -> None:
    pat = Texter(place.system, place.twilio, place.shop.phone, phone)
    eventually(pat.received, 30, "the first text")
    place.live_through(ALL_LOOKS_MIN)
    assert len(pat.received()) == 1
    touches = place.rows("touch_points", phone)
    assert [(row["cadence_run"], row["step"]) for row in touches] == [(1, step) for step in range(1, 14)]
    assert [row["status"] for row in touches].count("written") == 1
    assert len(place.rows("chat_sessions", phone)) == 1
    assert place.records.all("select id from webhook_events where status <> 'processed'") == []
    assert place.system.errors() == []


def test_while_the_crm_is_asked(place: Installation, hook: str) -> None:
    with place.crm.hold(_is_of_an_order) as held:
        phone = _order(place, hook)
        held.wait()
        place.restart_worker()
    assert place.records.all("select id from leads where phone = :phone", phone=phone) == []
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def test_between_the_lead_and_its_cadence(place: Installation, hook: str) -> None:
    """They come in one transaction: there is no lead without its cadence."""
    with place.locked("lock table touch_points in access exclusive mode") as lock:
        phone = _order(place, hook)
        lock.wait_for_another()
        place.restart_worker()
        assert place.records.all("select id from leads where phone = :phone", phone=phone) == []
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def test_before_the_webhook_is_settled(place: Installation, hook: str) -> None:
    with place.crm.hold(_is_of_an_order) as held:
        phone = _order(place, hook)
        held.wait()
        newest = "select id from webhook_events where status = 'received' for update"
        with place.locked(newest) as lock:
            held.let_go()
            lock.wait_for_another()
            place.restart_worker()
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)


def test_when_the_carrier_has_the_first_text(place: Installation, hook: str) -> None:
    place.twilio.fail_next(1, "accept_then_hang", method="POST")
    phone = _order(place, hook)
    pat = Texter(place.system, place.twilio, place.shop.phone, phone)
    eventually(pat.received, 30, "the carrier has the text")
    place.restart_worker()
    place.pass_time(seconds=WEBHOOK_S)
    _one_cadence(place, phone)
