"""The servers a laptop lacks: started in the data folder unless DATABASE_URL or REDIS_URL name real ones.

What they need and what a first start makes up (passwords, tokens, the encryption key) is kept in
`<DATA_DIR>/generated.env`, the weakest of the files `ops.settings` reads.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from ops.embedded_postgres import EmbeddedError, PostgresHandle, start_postgres
from ops.embedded_valkey import ValkeyHandle, start_valkey
from ops.processes import write_private
from ops.secrets import new_key

__all__ = [
    "EmbeddedError",
    "EmbeddedServers",
    "PostgresHandle",
    "ValkeyHandle",
    "given_settings",
    "remember",
    "start_embedded",
    "start_postgres",
    "start_valkey",
]

GENERATED = "generated.env"
MADE_ONCE: dict[str, Callable[[], str]] = {
    "TWILIO_AUTH_TOKEN": lambda: secrets.token_hex(16),
    "SENDGRID_INBOUND_TOKEN": lambda: secrets.token_urlsafe(24),
    "ENCRYPTION_KEY": new_key,
}
DATABASE_NAMES = ("DATABASE_URL", "DATABASE_OWNER_URL")
# Found out anew at every start, so that a value that became wrong does not stay.
NOT_KEPT = (*DATABASE_NAMES, "REDIS_URL", "WEB_PORT", "PUBLIC_BASE_URL")
HEADER = "# Made by the first start. Deleting ENCRYPTION_KEY makes stored secrets unreadable.\n"


@dataclass
class EmbeddedServers:
    """What was started here; stop() ends it. Both are None when real servers are configured."""

    postgres: PostgresHandle | None = None
    valkey: ValkeyHandle | None = None
    environment: dict[str, str] = field(default_factory=dict)
    data_dir: Path = Path("data")

    def revive(self, report: Callable[[str], None]) -> None:
        """Start again what died. Raises EmbeddedError when that fails or its port is gone, because the other
        processes know the old address."""
        if self.postgres and not self.postgres.alive:
            report("PostgreSQL ended unexpectedly; starting it again")
            url = self.postgres.app_url
            self.postgres.stop()
            self.postgres = start_postgres(self.data_dir / "postgres")
            _same(url, self.postgres.app_url)
        if self.valkey and not self.valkey.alive:
            report("Valkey ended unexpectedly; starting it again")
            url = self.valkey.url
            self.valkey.stop()
            self.valkey = start_valkey(self.data_dir / "valkey")
            _same(url, self.valkey.url)

    def stop(self) -> None:
        """Stop what was started, the queue first. Harmless to repeat."""
        if self.valkey:
            self.valkey.stop()
        if self.postgres:
            self.postgres.stop()


def _same(before: str, now: str) -> None:
    if before != now:
        raise EmbeddedError("an embedded server had to take another port; start the system again")


def given_settings(environment: Mapping[str, str], dotenv: Path = Path(".env")) -> dict[str, str]:
    """What the environment and `.env` say, names in capitals, empty values left out; the environment wins."""
    merged = {**dotenv_values(dotenv), **environment} if dotenv.exists() else dict(environment)
    return {name.upper(): value for name, value in merged.items() if value}


def read_generated(data_dir: Path) -> dict[str, str]:
    """What earlier starts made up; empty before the first."""
    path = data_dir / GENERATED
    return {name: value for name, value in dotenv_values(path).items() if value} if path.exists() else {}


def remember(data_dir: Path, values: Mapping[str, str]) -> None:
    """Add values that were found out during this start, for the other commands to read."""
    _write(data_dir, {**read_generated(data_dir), **values})


def _write(data_dir: Path, values: Mapping[str, str]) -> None:
    lines = "".join(f"{name}={value}\n" for name, value in sorted(values.items()))
    write_private(data_dir / GENERATED, HEADER + lines)


def start_embedded(
    data_dir: Path,
    environment: Mapping[str, str] | None = None,
    *,
    report: Callable[[str], None] = lambda _: None,
    durable: bool = True,
) -> EmbeddedServers:
    """Start what is not configured and write generated.env. `report` is told each step, one phrase each.

    Raises EmbeddedError or AlreadyRunning; nothing is left running then.
    """
    given = given_settings(os.environ if environment is None else environment)
    data_dir.mkdir(parents=True, exist_ok=True)
    servers = EmbeddedServers(data_dir=data_dir)
    values = {**{name: make() for name, make in MADE_ONCE.items()}, **read_generated(data_dir)}
    for name in NOT_KEPT:
        values.pop(name, None)
    try:
        if "DATABASE_URL" not in given:
            report("starting PostgreSQL")
            servers.postgres = start_postgres(data_dir / "postgres", durable=durable)
            values |= dict(
                zip(DATABASE_NAMES, (servers.postgres.app_url, servers.postgres.owner_url), strict=True)
            )
        if "REDIS_URL" not in given:
            report("starting Valkey")
            servers.valkey = start_valkey(data_dir / "valkey", durable=durable)
            values["REDIS_URL"] = servers.valkey.url
    except BaseException:
        servers.stop()
        raise
    _write(data_dir, values)
    servers.environment = values
    return servers
