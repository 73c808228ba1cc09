"""Asking the Shopmonkey stand-in over its socket."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.standins.shopmonkey import ShopmonkeyStandIn


def call(
    shop: ShopmonkeyStandIn, method: str, path: str, *, key: str = "key", **kwargs: Any
) -> requests.Response:
    """One request with a key."""
    headers = {"Authorization": f"Bearer {key}", **kwargs.pop("headers", {})}
    return requests.request(method, f"{shop.url}/v3/{path}", headers=headers, timeout=5, **kwargs)


def listed(shop: ShopmonkeyStandIn, table: str, **query: Any) -> Any:
    """A list of a table; dictionaries in the query go out as JSON."""
    params = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()}
    return call(shop, "GET", table, params=params).json()
