"""Forms that were posted to us as a connector."""

from __future__ import annotations

from crm.connectors.kinds import Kind, Wiring
from crm.connectors.settings import StaticSettings, read
from crm.connectors.stored import StoredConnector

SOURCE = "web_form"


def _make(wiring: Wiring) -> StoredConnector:
    settings = read(StaticSettings, dict(wiring.settings), "the connection's settings")
    return StoredConnector(SOURCE, wiring.stored, settings.default_location)


KIND = Kind(_make, StaticSettings)
