"""A connection's webhook is registered, kept switched on and mended, and the owner can read how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from crm.connectors.shopmonkey.config import create_crm_config
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.settings import EVENT_TRIGGERS, TABLES_WITH_MESSAGES, WITH_MESSAGES
from crm.models import CrmCheck, TenantCrmConfig
from ops.clock import FixedClock
from scheduler import crm_webhooks
from scheduler.crm_webhooks import WELL
from tests.conftest import TestDatabase, World
from tests.integration.crm_checks_help import Site, crm_of
from tests.runtimes import PUBLIC, runtime_for

LATER = timedelta(minutes=16)


@pytest.fixture
def site(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Site]:
    with site_with(test_database, redis_url, clock, world) as made:
        yield made


@contextmanager
def site_with(
    database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    *,
    switches: Any = None,
    **given: Any,
) -> Iterator[Site]:
    with (
        crm_of(clock, **(switches or {})) as crm,
        runtime_for(database, redis_url, clock, **given) as runtime,
    ):
        made = Site(runtime, clock, world.north, crm)
        made.connect()
        yield made


def hooks(site: Site) -> list[dict[str, Any]]:
    return list(site.crm.tables["webhook"].values())


def secret(site: Site) -> str:
    stored = site.config().webhook_secret_encrypted
    assert stored is not None
    return site.runtime.box.decrypt(stored)


def watch(site: Site) -> str:
    return site.look("webhook", later=LATER)


def registered(site: Site) -> dict[str, Any]:
    assert watch(site) == "registered"
    (hook,) = hooks(site)
    return hook


def note(site: Site, **notes: Any) -> None:
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        row = s.get_one(CrmCheck, site.check("webhook").id)
        row.notes = {**row.notes, **notes}


def writes(site: Site) -> list[str]:
    return [request.method for request in site.crm.requests if request.method != "GET"]


def test_a_webhook_is_registered_with_a_secret_that_is_stored_encrypted(site: Site) -> None:
    hook, config = registered(site), site.config()
    assert hook["url"] == f"{PUBLIC}/hooks/shopmonkey/{config.hook_token}"
    assert (hook["enabled"], tuple(hook["triggers"])) == (True, WITH_MESSAGES)
    assert config.webhook_external_id == hook["id"]
    assert (config.webhook_state or "").startswith(f"{WELL} (last mended 2026-11-23 15:16 UTC: registered")
    assert hook["secret"] == secret(site)
    assert len(secret(site)) >= 32
    assert secret(site).encode() not in (config.webhook_secret_encrypted or b"")
    assert site.check("webhook").error is None


def test_a_healthy_webhook_costs_one_request(site: Site) -> None:
    registered(site)
    version = site.config().version
    for _ in range(2):
        site.crm.requests.clear()
        assert watch(site).startswith(WELL)
        assert [request.method for request in site.crm.requests] == ["GET"]
    assert site.config().version == version


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"enabled": False}, "switched off, switched on again"),
        ({"enabled": False, "error": True, "errorMessage": "status 500"}, "switched off (status 500), switched on again"),
        ({"error": True, "errorMessage": "timed out"}, "in error (timed out), switched on again"),
    ],
)  # fmt: skip
def test_what_the_vendor_switched_off_is_switched_on_again(
    site: Site, trouble: dict[str, Any], said: str
) -> None:
    hook = registered(site)
    site.crm.change("webhook", hook["id"], **trouble)
    assert watch(site) == said
    assert [(row["id"], row["enabled"], row["error"]) for row in hooks(site)] == [(hook["id"], True, False)]
    assert said in (site.config().webhook_state or "")
    # The owner still reads of it when all is well again.
    assert watch(site) == site.config().webhook_state
    assert said in (site.config().webhook_state or "")


def test_one_that_is_gone_is_registered_again(site: Site) -> None:
    hook = registered(site)
    before = secret(site)
    site.crm.remove("webhook", hook["id"])
    assert watch(site) == "was gone, registered again"
    (again,) = hooks(site)
    assert again["id"] != hook["id"]
    assert site.config().webhook_external_id == again["id"]
    assert again["secret"] == secret(site) == before


def test_one_that_goes_between_looking_and_mending_is_registered_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = registered(site)
    site.crm.change("webhook", hook["id"], enabled=False)
    real = ShopmonkeyConnector.repair_webhook

    def gone(self: ShopmonkeyConnector, external_id: str) -> Any:
        site.crm.remove("webhook", external_id)
        return real(self, external_id)

    monkeypatch.setattr(ShopmonkeyConnector, "repair_webhook", gone)
    watch(site)
    assert [row["id"] for row in hooks(site)] == [site.config().webhook_external_id]


def test_another_address_of_ours_is_registered_and_the_old_one_taken_back(site: Site) -> None:
    hook = registered(site)
    site.crm.change("webhook", hook["id"], url="https://old.example/hooks/shopmonkey/old-token")
    assert watch(site) == "led to another address, registered again"
    (now,) = hooks(site)
    assert now["url"].startswith(PUBLIC)
    assert site.config().webhook_external_id == now["id"]


def test_one_that_the_shop_took_for_something_else_stays_with_it(site: Site) -> None:
    hook = registered(site)
    site.crm.change("webhook", hook["id"], url="https://other.example/orders", name="Accounting")
    watch(site)
    assert sorted(row["url"].split("/")[2] for row in hooks(site)) == ["hooks.example.com", "other.example"]


def test_a_rotated_address_is_registered_anew(site: Site) -> None:
    registered(site)
    site.configure(hook_token="another-token")
    assert watch(site) == "led to another address, registered again"
    (now,) = hooks(site)
    assert now["url"] == f"{PUBLIC}/hooks/shopmonkey/another-token"


def test_one_that_is_told_too_little_is_made_anew_once(site: Site) -> None:
    hook = registered(site)
    site.crm.change("webhook", hook["id"], triggers=["OrderInsert"])
    assert watch(site) == "had other triggers, registered again"
    (now,) = hooks(site)
    assert tuple(now["triggers"]) == WITH_MESSAGES
    # A vendor that makes other names of ours is not asked again and again.
    site.crm.change("webhook", now["id"], triggers=["Something"])
    watch(site)
    hooks(site)[0]["triggers"] = ["Something"]
    note(site, echoed=["Something"])
    site.crm.requests.clear()
    assert (watch(site)[: len(WELL)], writes(site)) == (WELL, [])


def test_the_other_vocabulary_is_right_too(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    switches = {"triggers": "tables"}
    with site_with(test_database, redis_url, clock, world, switches=switches) as site:
        hook = registered(site)
        assert tuple(hook["triggers"]) == TABLES_WITH_MESSAGES
        assert watch(site).startswith(WELL)
        assert [row["id"] for row in hooks(site)] == [hook["id"]]


@pytest.mark.parametrize("refused", [set(), {"MessageInsert", "Message"}])
def test_one_registered_before_messages_were_asked_for_is_made_anew_once(
    site: Site, refused: set[str]
) -> None:
    site.crm.change("webhook", registered(site)["id"], triggers=list(EVENT_TRIGGERS))
    note(site, echoed=sorted(EVENT_TRIGGERS), wanted=None)  # as an older version left it
    site.crm.unknown_triggers = refused
    assert watch(site) == "had other triggers, registered again"
    assert [tuple(now["triggers"]) for now in hooks(site)] == [EVENT_TRIGGERS if refused else WITH_MESSAGES]
    site.crm.requests.clear()
    assert (watch(site)[: len(WELL)], writes(site)) == (WELL, []), "a vendor that refuses is asked once"


def test_a_secret_that_the_vendor_changed_is_stored_beside_the_old_one_for_a_while(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    switches = {"secret_shown": "always"}
    with site_with(test_database, redis_url, clock, world, switches=switches) as site:
        hook = registered(site)
        old = secret(site)
        site.crm.change("webhook", hook["id"], secret="made-by-the-vendor")
        assert watch(site) == "signs with another secret, stored"
        assert secret(site) == f"made-by-the-vendor {old}"
        assert watch(site).startswith(WELL)
        assert secret(site) == "made-by-the-vendor"


def test_without_a_public_https_address_nothing_is_asked(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    address = "http://127.0.0.1:8080"
    with site_with(test_database, redis_url, clock, world, public_base_url=address) as site:
        assert watch(site) == "not registered: PUBLIC_BASE_URL is not an https address"
        assert (site.crm.requests, site.config().webhook_state) == ([], watch(site))


def test_a_key_that_may_not_is_told(site: Site) -> None:
    site.configure(api_key_encrypted=site.runtime.box.encrypt(site.crm.read_only_key))
    assert "lacks a permission" in watch(site)
    assert (site.config().webhook_state or "").startswith("not known or not mended: the API key lacks")
    row = site.check("webhook")
    assert ("lacks a permission" in (row.error or ""), row.failures) == (True, 1)
    assert row.next_at - site.clock.now() == timedelta(minutes=10)


def test_an_uncertain_registration_is_found_again(site: Site) -> None:
    site.crm.fail_next(1, "accept_then_drop", method="POST", path="/webhook")
    watch(site)
    watch(site)
    assert [row["id"] for row in hooks(site)] == [site.config().webhook_external_id]


def test_a_crash_between_registering_and_storing_leaves_one_registration(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = crm_webhooks._Watch._write

    def dies(self: Any, **values: Any) -> None:
        if "webhook_external_id" in values:
            raise SystemExit("the worker dies")
        real(self, **values)

    with monkeypatch.context() as patched:
        patched.setattr(crm_webhooks._Watch, "_write", dies)
        with pytest.raises(SystemExit):
            watch(site)
    assert (len(hooks(site)), site.config().webhook_external_id) == (1, None)
    assert hooks(site)[0]["secret"] == secret(site), "what it signs with was stored before"
    watch(site)
    assert [(row["id"], row["secret"]) for row in hooks(site)] == [
        (site.config().webhook_external_id, secret(site))
    ]


def test_a_connection_that_was_changed_meanwhile_is_not_overwritten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(site)
    real = ShopmonkeyConnector.webhook_state

    def rotated(self: ShopmonkeyConnector, external_id: str) -> Any:
        site.configure(hook_token="newer", webhook_external_id=None, webhook_state="new")
        site.crm.remove("webhook", external_id)
        return real(self, external_id)

    with monkeypatch.context() as patched:
        patched.setattr(ShopmonkeyConnector, "webhook_state", rotated)
        assert watch(site) == "the connection was changed meanwhile"
    config = site.config()
    assert (config.webhook_external_id, config.webhook_state) == (None, "new")
    watch(site)
    assert site.config().webhook_external_id is not None


def test_each_tenant_has_its_own_webhook(site: Site, world: World) -> None:
    with site.runtime.db.tenant(world.south.tenant_id) as s:
        create_crm_config(s, world.south.tenant_id, "south-key", site.crm.url, site.runtime.box)
    registered(site)
    with site.runtime.db.tenant(world.south.tenant_id) as s:
        assert s.query(TenantCrmConfig).one().webhook_state is None
