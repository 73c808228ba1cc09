"""What the registry has to know of a connector to make one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm.connectors.base import Connector
from crm.connectors.limits import LimitStore
from crm.connectors.settings import ConnectorSettings

# The stored record of an id (a row of a file, a filled-in form), or None.
Stored = Callable[[str], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Wiring:
    """What one connection is made of. `api_key` is plain text and only in memory.

    `background`: nobody waits for the answers, so urgent requests of the same key go first. `stored` gives the
    records of connectors that have no system behind them.
    """

    base_url: str
    api_key: str
    settings: Mapping[str, Any]
    lead_rules: Mapping[str, Any]
    limits: LimitStore
    background: bool = False
    timeout_s: float = 30.0
    stored: Stored | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of connector: how it is made, and the settings it understands. `make` raises ConnectorError."""

    make: Callable[[Wiring], Connector]
    settings: type[ConnectorSettings]
