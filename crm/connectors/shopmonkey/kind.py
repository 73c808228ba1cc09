"""How a Shopmonkey connector is made from a stored connection."""

from __future__ import annotations

from crm.connectors.kinds import Kind, Wiring
from crm.connectors.limits import KeyLimits, fingerprint
from crm.connectors.settings import read
from crm.connectors.shopmonkey.calendar import cache_key
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.rules import LeadRules
from crm.connectors.shopmonkey.settings import ShopmonkeySettings

# A look in the background may wait: there is one of them at a time, and nobody waits for it.
_BACKGROUND_DEADLINE_S = 45.0
_BACKGROUND_PATIENCE_S = 30.0


def _make(wiring: Wiring) -> ShopmonkeyConnector:
    settings = read(ShopmonkeySettings, dict(wiring.settings), "the connection's settings")
    rules = read(LeadRules, dict(wiring.lead_rules), "the lead rules")
    base_url = wiring.base_url.rstrip("/")
    limits = KeyLimits(
        wiring.limits, fingerprint(base_url, wiring.api_key), settings.rate, background=wiring.background
    )
    if wiring.background:
        limits.patience_s = _BACKGROUND_PATIENCE_S
        client = ShopmonkeyClient(
            wiring.api_key,
            base_url,
            timeout_s=wiring.timeout_s,
            deadline_s=_BACKGROUND_DEADLINE_S,
            patience_s=_BACKGROUND_PATIENCE_S,
            limits=limits,
        )
    else:
        client = ShopmonkeyClient(wiring.api_key, base_url, timeout_s=wiring.timeout_s, limits=limits)
    return ShopmonkeyConnector(client, rules, settings, cache_key=cache_key(wiring.api_key, base_url))


KIND = Kind(_make, ShopmonkeySettings)
