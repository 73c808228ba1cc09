"""`leads config`: what is configured, from where, and what is wrong with it."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from channels.email.signature import BadKey, public_key
from cli.explain import setting_errors
from cli.output import one_line, print_table
from ops.secrets import SecretBox, SecretsError, new_key
from ops.settings import Settings, env_files, get_settings, secret

MASK = "********"


@dataclass(frozen=True)
class SettingLine:
    """One setting as it is in force; secrets are masked."""

    name: str
    value: str
    source: str


@click.group("config")
def config_command() -> None:
    """Check the configuration; make keys."""


@config_command.command("check")
def check_command() -> None:
    """Print every setting with its source; exit code 1 when something is wrong, naming the variable."""
    problems = []
    try:
        settings: Settings | None = get_settings()
    except ValidationError as error:
        settings, problems = None, setting_errors(error)
    if settings is not None:
        lines = report(settings, os.environ, env_files())
        print_table(("SETTING", "VALUE", "FROM"), [[line.name, line.value, line.source] for line in lines])
        problems = deeper_problems(settings)
    for note in unknown_names(Path(".env")):
        click.echo(f"note: {note}", err=True)
    for problem in problems:
        click.echo(f"leads: {problem}", err=True)
    sys.exit(1 if problems else 0)


@config_command.command("new-key")
def new_key_command() -> None:
    """Print a fresh ENCRYPTION_KEY."""
    click.echo(new_key())


def report(settings: Settings, environment: Mapping[str, str], files: list[Path]) -> list[SettingLine]:
    """Every setting with the place its value comes from. `files`: weakest first."""
    places = {file.name: _names(dotenv_values(file)) for file in reversed(files) if file.exists()}
    sources = {"environment": _names(environment), **places}
    lines = []
    for name in sorted(Settings.model_fields):
        source = next((place for place, names in sources.items() if name in names), "default")
        lines.append(SettingLine(name.upper(), _shown(name, getattr(settings, name)), source))
    return lines


def _names(values: Mapping[str, str | None]) -> set[str]:
    # An empty value counts as not set, everywhere.
    return {name.lower() for name, value in values.items() if value}


def _shown(name: str, value: Any) -> str:
    if value is None or value == []:
        return "-"
    if name.endswith("_url") and not isinstance(value, bool):
        return _without_password(value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    if isinstance(value, SecretStr):
        return MASK
    return one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _without_password(url: str) -> str:
    """Which server and which role is worth seeing; the password is not."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return MASK


def deeper_problems(settings: Settings) -> list[str]:
    """What types alone cannot see, one sentence each."""
    problems = []
    if settings.encryption_key is not None:
        try:
            SecretBox(secret(settings.encryption_key))
        except SecretsError as error:
            problems.append(str(error))
    for name in ("database_url", "database_owner_url"):
        url = secret(getattr(settings, name))
        if url and not url.startswith(("postgresql://", "postgres://", "postgresql+psycopg2://")):
            problems.append(f"{name.upper()} must start with postgresql://")
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        problems.append("REDIS_URL must start with redis://, rediss:// or unix://")
    return [*problems, *_mail_problems(settings)]


def _mail_problems(settings: Settings) -> list[str]:
    """Of SendGrid's webhooks: a key that is none would refuse, or quarantine, every mail."""
    problems = []
    for name in ("sendgrid_inbound_keys", "sendgrid_event_keys"):
        for place, key in enumerate(getattr(settings, name), 1):
            try:
                public_key(key)
            except BadKey as error:
                problems.append(f"{name.upper()}, key {place}: {str(error).rstrip('.')}")
    basic = secret(settings.sendgrid_inbound_basic_auth)
    if basic is not None and not (basic.partition(":")[0] and basic.partition(":")[2]):
        problems.append("SENDGRID_INBOUND_BASIC_AUTH must be user:password")
    return problems


def unknown_names(dotenv: Path) -> list[str]:
    """Names in `.env` that no setting has: most often a typing error, which would be a silent default."""
    if not dotenv.exists():
        return []
    known = {name.upper() for name in Settings.model_fields}
    notes = []
    for name in dotenv_values(dotenv):
        if name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
            notes.append(f"{name} in .env is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return notes
