"""What the commands about a CRM share: the key, a connector for a moment, the row that is meant."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click
import redis
import structlog
from sqlalchemy.orm import Session

from cli.context import Office
from cli.errors import CliError
from crm.connections import connections
from crm.connectors.base import Connector, ConnectorError
from crm.connectors.registry import connector_of
from crm.models import TenantCrmConfig
from ops.secrets import SecretBox
from ops.settings import Settings, secret

TIMEOUT_S = 15.0
LONGEST_KEY = 8192


def box_of(settings: Settings) -> SecretBox:
    """The box of ENCRYPTION_KEY. Raises SecretsError without one."""
    return SecretBox(secret(settings.encryption_key))


def ask_key(file: TextIO | None, what: str) -> str:
    """The key from a file, or asked for without echo: a word of the command line could be read by others here."""
    given = file.read(LONGEST_KEY + 1).strip() if file else str(click.prompt(what, hide_input=True)).strip()
    if not given or len(given) > LONGEST_KEY or len(given.split()) != 1 or not given.isascii():
        raise CliError("that is no key: it is one word, and nothing else stands in the file")
    return given


def chosen(session: Session, connector: str | None, *, lock: bool = False) -> TenantCrmConfig:
    """The connection that is meant. Raises CliError when there is none, or more than one."""
    found = connections(session, connector, lock=lock)
    if not found:
        raise CliError("no CRM is connected; leads crm connect")
    if len(found) > 1:
        raise CliError(f"say which with --connector; there is {', '.join(one.connector for one in found)}")
    return found[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Logs on standard error, warnings only: they are for whoever runs the worker, and standard output may be JSON."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def opened(office: Office, config: TenantCrmConfig) -> Iterator[Connector]:
    """A connector for a moment, within the limits of its key. What the CRM refuses raises CliError in its words."""
    url = office.settings.redis_url
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) if url else None
    try:
        connector = connector_of(config, box_of(office.settings), client, timeout_s=TIMEOUT_S)
        try:
            with _quiet():
                yield connector
        finally:
            connector.close()
    except ConnectorError as error:
        raise CliError(str(error)) from None
    finally:
        if client is not None:
            client.close()


def hook_address(settings: Settings, config: TenantCrmConfig) -> str | None:
    """Where the CRM delivers to, or None when it could not reach us: CRMs deliver to https addresses only."""
    base = settings.public_base_url.rstrip("/")
    return f"{base}/hooks/{config.connector}/{config.hook_token}" if base.startswith("https://") else None
