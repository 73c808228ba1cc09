"""Which connectors there are. A new one is a folder and a line here."""

from __future__ import annotations

import redis

from crm.connectors import csv_file, web_form
from crm.connectors.base import Connector
from crm.connectors.errors import ConnectorError
from crm.connectors.kinds import Kind, Stored, Wiring
from crm.connectors.limits import store_of
from crm.connectors.settings import ConnectorSettings, read
from crm.connectors.shopmonkey.kind import KIND as SHOPMONKEY
from crm.models import TenantCrmConfig
from ops.secrets import SecretBox, SecretsError

KINDS: dict[str, Kind] = {
    "shopmonkey": SHOPMONKEY,
    "csv": csv_file.KIND,
    "web_form": web_form.KIND,
}
NAMES = tuple(KINDS)


def connector_of(
    config: TenantCrmConfig,
    box: SecretBox,
    client: redis.Redis | None = None,
    *,
    background: bool = False,
    timeout_s: float = 30.0,
    stored: Stored | None = None,
) -> Connector:
    """The connector of a stored connection; one for each piece of work, to be closed afterwards.

    Requests of one key share their limits over all processes through `client`. `background`: nobody waits for the
    answers, so urgent requests go first. Raises ConnectorError (misconfigured): unknown connector, settings or rules
    that are not valid, a key that cannot be decrypted. Reads the row, asks nothing of the network.
    """
    kind = kind_of(config.connector)
    try:
        api_key = box.decrypt(config.api_key_encrypted)
    except SecretsError as error:
        raise ConnectorError(str(error), kind="misconfigured") from error
    return kind.make(
        Wiring(
            base_url=config.base_url,
            api_key=api_key,
            settings=config.settings or {},
            lead_rules=config.lead_rules or {},
            limits=store_of(client),
            background=background,
            timeout_s=timeout_s,
            stored=stored,
        )
    )


def stored_connector(name: str, stored: Stored, *, default_location: str | None = None) -> Connector:
    """A connector without a stored connection, for records that lie here already: a file's rows, a form's fields."""
    settings = {} if default_location is None else {"default_location": default_location}
    wiring = Wiring("", "", settings, {}, store_of(None), stored=stored)
    return kind_of(name).make(wiring)


def settings_of(config: TenantCrmConfig) -> ConnectorSettings:
    """The typed settings of a connection. Raises ConnectorError (misconfigured) naming each wrong key."""
    return read(kind_of(config.connector).settings, config.settings, "the connection's settings")


def kind_of(name: str) -> Kind:
    """What is known of a connector by name. Raises ConnectorError (misconfigured)."""
    kind = KINDS.get(name)
    if kind is None:
        raise ConnectorError(
            f"there is no connector {name[:40]!r}; known: {', '.join(NAMES)}", kind="misconfigured"
        )
    return kind
