"""The prices a message of ours named, kept with it: what a customer agrees to is what they read, not what the price list
says by the time of their answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from crm.models import Service
from crm.money import dollars

# Where they stand in the raw part of an outgoing message.
KEPT_AS = "prices_told"


def prices_said(body: str, services: Iterable[Service]) -> dict[str, Any]:
    """What is to be kept with a message of this body: the price in cents of each service whose price stands in it, by the
    service's id. Empty when it names none of them."""
    said = {
        str(one.id): one.price_cents
        for one in services
        if one.price_cents is not None and _names(body, one.price_cents)
    }
    return {KEPT_AS: said} if said else {}


def prices_kept(raw: Mapping[str, Any] | None) -> dict[int, int]:
    """The prices in cents by service id that a stored message named; empty for one that named none, or was erased."""
    kept = (raw or {}).get(KEPT_AS)
    return {int(key): value for key, value in kept.items()} if isinstance(kept, dict) else {}


def _names(body: str, cents: int) -> bool:
    return re.search(rf"{re.escape(dollars(cents))}(?![\d,]*\d|\.\d)", body) is not None
