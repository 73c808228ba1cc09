"""`leads connect` for a business's own SendGrid account; `leads config check` for the installation's keys."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cli.config import deeper_problems
from cli.main import leads
from crm.db import Database
from crm.mail_accounts import MailCredentials, credentials_of, hook_keys, hook_token
from ops.clock import FixedClock
from ops.secrets import SecretBox
from ops.settings import Settings
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.runtimes import INBOUND_TOKEN, KEY

Run = Callable[..., Result]


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name, value in {
        "PUBLIC_BASE_URL": "https://leads.example.com",
        "SENDGRID_INBOUND_TOKEN": INBOUND_TOKEN,
        "SENDGRID_API_KEY": "SG.installation",
        "ENCRYPTION_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    yield from running(test_database, clock, monkeypatch)


def shown_key(curve: ec.EllipticCurve | None = None) -> str:
    """A public key as SendGrid shows it."""
    public = ec.generate_private_key(curve or ec.SECP256R1()).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def account(db: Database, shop: Shop) -> MailCredentials | None:
    with db.tenant(shop.tenant_id) as session:
        return credentials_of(session, SecretBox(KEY))


def token_of(db: Database, shop: Shop) -> str | None:
    with db.tenant(shop.tenant_id) as session:
        return hook_token(session)


def test_a_business_without_an_account_gets_the_installations_addresses(run: Run, world: World) -> None:
    said = run("connect", "--tenant", "north").output
    assert f"https://leads.example.com/hooks/sendgrid/inbound/{INBOUND_TOKEN}\n" in said
    assert "https://leads.example.com/hooks/sendgrid/events\n" in said


def test_a_business_gets_its_own_key_and_its_own_addresses(
    run: Run, db: Database, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("SG.north-key\n")
    said = run(
        "connect",
        "--tenant",
        "north",
        "--sendgrid-key-file",
        str(file),
        "--sendgrid-domain",
        "Mail.North.example",
    )
    assert said.exit_code == 0, said.output
    own = account(db, world.north)
    assert own is not None
    assert (own.api_key, own.subuser, own.sender_domain) == ("SG.north-key", None, "mail.north.example")
    token = token_of(db, world.north)
    assert f"https://leads.example.com/hooks/sendgrid/inbound/{token}\n" in said.output
    assert f"https://leads.example.com/hooks/sendgrid/events/{token}\n" in said.output
    assert INBOUND_TOKEN not in said.output
    assert "SG.north-key" not in said.output
    assert account(db, world.south) is None
    again = CliRunner().invoke(
        leads, ["connect", "--tenant", "north", "--sendgrid-key-file", "-"], input="SG.second"
    )
    assert again.exit_code == 0, again.output
    own = account(db, world.north)
    assert own is not None
    assert (own.api_key, own.sender_domain, token_of(db, world.north)) == (
        "SG.second",
        "mail.north.example",
        token,
    )
    assert (
        "account of this installation" in run("connect", "--tenant", "north", "--no-sendgrid-account").output
    )
    assert account(db, world.north) is None


def test_a_subuser_and_the_keys_of_its_webhooks(run: Run, db: Database, world: World) -> None:
    first, second, inbound = shown_key(), shown_key(), shown_key()
    said = run(
        "connect", "--tenant", "north", "--sendgrid-subuser", "north-tint", "--sendgrid-event-key", first
    )
    assert "on behalf of subuser north-tint" in said.output
    token = token_of(db, world.north)
    spaced = f"{second[:40]}\n {second[40:]}"
    assert run("connect", "--tenant", "north", "--sendgrid-event-key", spaced).exit_code == 0
    assert run("connect", "--tenant", "north", "--sendgrid-inbound-key", inbound).exit_code == 0
    found = hook_keys(db, Settings(), token)
    assert found is not None
    assert (found.event_keys, found.inbound_keys) == ((second, first), (inbound,))
    assert "only the newest" in run("connect", "--tenant", "north", "--forget-old-keys").output
    found = hook_keys(db, Settings(), token)
    assert found is not None
    assert found.event_keys == (second,)
    assert "for no subuser" in run("connect", "--tenant", "north", "--sendgrid-subuser", "none").output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sendgrid-domain", "two words"), "no domain that mail can come from"),
        (("--sendgrid-domain", "localhost"), "no domain that mail can come from"),
        (("--sendgrid-subuser", "a\r\nX-Evil: 1"), "no name of a subuser"),
        (("--sendgrid-event-key", "abc"), "the key of the Event Webhook"),
        (("--sendgrid-inbound-key", shown_key(ec.SECP384R1())), "the key of Inbound Parse"),
        (("--sendgrid-inbound-key", shown_key()), "no SendGrid account of its own"),
        (("--sendgrid-key-file", "-"), "must hold one API key"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Run, db: Database, world: World, options: tuple[str, str], said: str
) -> None:
    assert said in refused(run, "connect", "--tenant", "north", *options)
    assert account(db, world.north) is None


def test_keys_that_cannot_be_kept_or_are_ours_are_refused(
    run: Run, db: Database, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("SG.installation")
    options = ("connect", "--tenant", "north", "--sendgrid-key-file", str(file))
    assert "the key of this installation" in refused(run, *options)
    file.write_text("SG.own")
    monkeypatch.setenv("ENCRYPTION_KEY", "")
    assert "ENCRYPTION_KEY is not set" in refused(run, *options)
    monkeypatch.setenv("SENDGRID_API_KEY", "")
    assert "a subuser needs a key" in refused(run, "connect", "--tenant", "north", "--sendgrid-subuser", "x")
    assert account(db, world.north) is None


def test_a_bad_key_of_the_installation_is_named_by_its_variable() -> None:
    given = {
        "sendgrid_inbound_keys": f"{shown_key()}, nonsense",
        "sendgrid_event_keys": shown_key(ec.SECP384R1()),
        "sendgrid_inbound_basic_auth": "no-colon",
    }
    problems = deeper_problems(Settings.model_validate(given))
    assert [problem.split()[0].rstrip(",") for problem in problems] == [
        "SENDGRID_INBOUND_KEYS", "SENDGRID_EVENT_KEYS", "SENDGRID_INBOUND_BASIC_AUTH",
    ]  # fmt: skip
    assert "key 2" in problems[0]
    good = {"sendgrid_event_keys": f"{shown_key()},{shown_key()}", "sendgrid_inbound_basic_auth": "u:p"}
    assert deeper_problems(Settings.model_validate(good)) == []
