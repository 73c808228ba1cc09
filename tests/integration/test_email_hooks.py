"""Whose post is it? Signatures, secret paths, passwords; what nothing proves is kept within bounds and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import Engine, text

from channels.email import aside
from crm.db import Database
from crm.mail_accounts import add_hook_key, hook_token, set_account
from ops.clock import FixedClock
from ops.queue import WakeQueue
from ops.secrets import SecretBox
from ops.settings import Settings
from tests.conftest import World
from tests.integration.inbound_help import Site, events, mail, post, serving, settings
from tests.runtimes import KEY
from tests.standins.sendgrid import SendGridStandIn


@pytest.fixture
def site(db: Database, queue: WakeQueue, clock: FixedClock) -> Iterator[Site]:
    with serving(db, queue, clock) as running:
        yield running


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn() as standin:
        yield standin


@pytest.fixture
def other() -> Iterator[SendGridStandIn]:
    """Another account at SendGrid, with a key of its own."""
    with SendGridStandIn() as standin:
        yield standin


def own_account(db: Database, tenant_id: int, key: str | None = None, api_key: str | None = "SG.own") -> str:
    """Give a tenant its account; the secret end of its path."""
    with db.tenant(tenant_id) as session:
        set_account(session, tenant_id, SecretBox(KEY), api_key=api_key, subuser=None if api_key else "north")
        if key:
            add_hook_key(session, "inbound", key)
        token = hook_token(session)
    assert token is not None
    return token


def grounds(owner_engine: Engine) -> list[Any]:
    """(tenant, on which ground) of what is kept aside."""
    with owner_engine.begin() as connection:
        rows = connection.execute(
            text(
                "select tenant_id, headers->>'aside' from webhook_events where status = 'quarantined' order by 2"
            )
        )
        return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("sign", "status", "kept"),
    [("good", 200, []), ("wrong", 503, [(None, "wrong signature")]), ("none", 403, [(None, "no signature")])],
)
def test_with_a_key_the_signature_decides(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, sign: str, status: int, kept: list[Any]
) -> None:  # fmt: skip
    site.deps.settings = settings(sendgrid_inbound_keys=[sendgrid.public_key])
    raw = mail(message_id="<a@b>")
    assert [post(sendgrid, site, raw, sign=sign) for _ in range(3)] == [status] * 3
    assert grounds(owner_engine) == kept
    assert len(events(owner_engine)) == 1


def test_two_keys_are_valid_while_one_is_replaced(
    site: Site, sendgrid: SendGridStandIn, other: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    site.deps.settings = settings(sendgrid_inbound_keys=[other.public_key, sendgrid.public_key])
    assert [post(sendgrid, site, mail()), post(other, site, mail())] == [200, 200]
    assert grounds(owner_engine) == []


def test_a_stale_key_of_ours_loses_nothing(
    site: Site, sendgrid: SendGridStandIn, other: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    site.deps.settings = settings(sendgrid_inbound_keys=[other.public_key])

    def mend(attempt: int) -> None:
        site.deps.settings = settings(sendgrid_inbound_keys=[sendgrid.public_key])

    delivery = sendgrid.deliver_inbound(
        site.url, raw=mail(), envelope_to="shop@north.example", envelope_from="dana@example.com", between=mend
    )
    assert (delivery.outcome, delivery.statuses) == ("delivered", [503, 200])
    # The copy that was kept aside does not make the believed one a known one.
    assert sorted(row[2] for row in events(owner_engine)) == ["quarantined", "received"]


def test_a_stale_key_of_a_business_loses_nothing_either(
    site: Site, sendgrid: SendGridStandIn, other: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    path = site.under(own_account(site.deps.db, world.north.tenant_id, other.public_key))
    raw = mail(message_id="<a@b>")
    assert post(sendgrid, site, raw, url=path) == 503
    with site.deps.db.tenant(world.north.tenant_id) as session:
        assert add_hook_key(session, "inbound", sendgrid.public_key)
    assert post(sendgrid, site, raw, url=path) == 200
    assert sorted(row[2] for row in events(owner_engine)) == ["quarantined", "received"]


def test_a_key_that_is_none_and_a_path_nobody_knows(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    stranger = site.under("guessed")
    assert post(sendgrid, site, mail(), url=stranger) == 403
    assert post(sendgrid, site, mail(), url=site.under("a%00b")) == 403
    site.deps.settings = settings(sendgrid_inbound_keys=[sendgrid.public_key])
    for wrong in (stranger, site.under(""), site.under("").rstrip("/")):
        answers = [post(sendgrid, site, mail(), url=wrong, sign=sign) for sign in ("good", "wrong", "none")]
        assert answers == [503, 403, 403]
    site.deps.settings = settings(sendgrid_inbound_keys=["bm90IGEga2V5"])
    assert post(sendgrid, site, mail()) == 503
    site.deps.settings = Settings(_env_file=None)
    assert post(sendgrid, site, mail()) == 503
    assert events(owner_engine) == []


def test_two_paths_are_valid_while_one_is_replaced(
    site: Site, sendgrid: SendGridStandIn, world: World
) -> None:
    site.deps.settings = settings(sendgrid_inbound_token="new", sendgrid_inbound_token_previous="old")
    answers = [post(sendgrid, site, mail(), url=site.under(end)) for end in ("new", "old", "older")]
    assert answers == [200, 200, 403]


@pytest.mark.parametrize("given", ["", "user:wrong", "user:s\u00e9cret"])
def test_a_password_that_does_not_fit_is_waited_for(
    site: Site, world: World, owner_engine: Engine, given: str
) -> None:
    site.deps.settings = settings(sendgrid_inbound_basic_auth="user:secret")
    auth = tuple(part.encode() for part in given.split(":")) if given else None
    headers = {"Content-Type": "text/plain"}
    answer = requests.post(site.url, data=b"x", headers=headers, auth=auth, timeout=10)  # type: ignore[arg-type]
    assert answer.status_code == 503
    assert grounds(owner_engine) == [(None, "wrong password")]
    assert requests.post(site.url, data=b"x", auth=("user", "secret"), timeout=10).status_code == 200
    broken = {"Authorization": "Basic \u00ff!"}
    assert requests.post(site.url, data=b"y", headers=broken, timeout=10).status_code == 503


def test_a_good_signature_needs_no_password(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    site.deps.settings = settings(
        sendgrid_inbound_keys=[sendgrid.public_key], sendgrid_inbound_basic_auth="user:secret"
    )
    assert post(sendgrid, site, mail()) == 200
    assert grounds(owner_engine) == []


def test_a_businesss_own_path_reaches_its_mailboxes_only(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    path = site.under(own_account(site.deps.db, world.north.tenant_id, sendgrid.public_key))
    raw = mail(message_id="<a@b>")
    assert post(sendgrid, site, raw, "shop@south.example", url=path) == 200
    assert post(sendgrid, site, raw, "nobody@north.example", url=path) == 200
    assert grounds(owner_engine) == [(world.north.tenant_id, "nobody's mailbox")] * 2
    both = ["shop@south.example", "shop@north.example"]
    assert post(sendgrid, site, raw, both, url=path) == 200
    received = [row[1] for row in events(owner_engine) if row[2] == "received"]
    assert received == [world.north.tenant_id]
    # What came the wrong way hides nothing that comes the right way.
    assert post(sendgrid, site, raw, "shop@south.example") == 200
    received = [row[1] for row in events(owner_engine) if row[2] == "received"]
    assert sorted(received) == [world.north.tenant_id, world.south.tenant_id]


def test_one_mail_by_both_paths_of_a_business_is_one(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    path = site.under(own_account(site.deps.db, world.north.tenant_id, sendgrid.public_key))
    raw = mail(message_id="<a@b>")
    assert [post(sendgrid, site, raw, url=path), post(sendgrid, site, raw)] == [200, 200]
    assert len(events(owner_engine)) == 1


def test_a_businesss_own_key_is_the_one_that_counts(
    site: Site, sendgrid: SendGridStandIn, other: SendGridStandIn, world: World, owner_engine: Engine
) -> None:
    site.deps.settings = settings(sendgrid_inbound_keys=[sendgrid.public_key])
    path = site.under(own_account(site.deps.db, world.north.tenant_id, other.public_key))
    assert post(other, site, mail(), url=path) == 200
    assert post(sendgrid, site, mail(), url=path) == 503
    assert grounds(owner_engine) == [(world.north.tenant_id, "wrong signature")]
    # A subuser of ours is signed for with our key.
    south = site.under(own_account(site.deps.db, world.south.tenant_id, api_key=None))
    assert post(sendgrid, site, mail(), "shop@south.example", url=south) == 200
    assert post(other, site, mail(), "shop@south.example", url=south) == 503


def test_what_nothing_proves_is_kept_within_bounds(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    site.deps.settings = settings(sendgrid_inbound_keys=[sendgrid.public_key])
    monkeypatch.setattr(aside, "MOST_UNPROVEN", 3)
    answers = [post(sendgrid, site, mail(str(n)), sign="wrong") for n in range(5)]
    assert answers == [503] * 5
    first = [row[0] for row in events(owner_engine)]
    assert len(first) == 3
    # Real mail is not touched by it, nor is what belongs to nobody.
    assert post(sendgrid, site, mail("good")) == 200
    assert post(sendgrid, site, mail("good"), "nobody@x.example") == 200
    clock.advance(timedelta(days=2))
    assert post(sendgrid, site, mail("later"), sign="wrong") == 503
    assert len(grounds(owner_engine)) == 5
    # After thirty days the first copies make room.
    clock.advance(timedelta(days=29))
    assert post(sendgrid, site, mail("much later"), sign="wrong") == 503
    assert sorted(ground for _, ground in grounds(owner_engine)) == [
        "nobody's mailbox",
        *["wrong signature"] * 2,
    ]


def test_large_copies_and_strangers_mailboxes_have_bounds_too(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "MOST_NOBODYS_BYTES", 20_000)
    answers = [post(sendgrid, site, mail("x" * 9000 + str(n)), "who@else.example") for n in range(3)]
    assert answers == [200, 503, 503]
    assert post(sendgrid, site, mail("x" * 9000)) == 200
    assert sorted(row[2] for row in events(owner_engine)) == ["quarantined", "received"]


def test_a_post_beyond_every_size_is_waited_for_and_breaks_nothing(
    site: Site, world: World, owner_engine: Engine
) -> None:
    from channels.email.webhook import MAX_BYTES

    headers = {"Content-Type": "multipart/form-data; boundary=xYzZY", "Content-Length": str(MAX_BYTES + 1)}
    prepared = requests.Request("POST", site.url, headers=headers).prepare()
    prepared.headers["Content-Length"] = str(MAX_BYTES + 1)
    with requests.Session() as session:
        assert session.send(prepared, timeout=10).status_code == 503
    assert events(owner_engine) == []


def test_a_mistake_of_ours_is_temporary(
    site: Site, sendgrid: SendGridStandIn, world: World, owner_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("a mistake")

    with monkeypatch.context() as patched:
        patched.setattr("channels.email.webhook.parse_form", broken)
        assert post(sendgrid, site, mail()) == 503
    assert post(sendgrid, site, mail()) == 200
