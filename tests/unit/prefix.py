"""The cached head of every prompt, as fingerprints: tools, policy, and the shop of a fixed example."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.context import shop_text
from agent.policy import default_policy, system_parts
from agent.tools import default_toolbox

LOCK = Path(__file__).with_name("prefix_lock.txt")
SHOP: dict[str, Any] = {
    "name": "Lakeside Window Tint",
    "address": "2200 N Lake Shore Service Rd, Chicago, IL",
    "phone": "+13125550100",
    "hours_text": "Mon-Fri 9:00 AM-6:00 PM; Sat 9:00 AM-2:00 PM; Sun closed",
    "assistant_name": "the shop's automated assistant",
    "facts": {"parking": "free, behind the shop", "warranty": "lifetime against peeling"},
    "exceptions": [
        {"date": "2026-11-26", "label": "Thu, Nov 26", "hours": "closed", "why": "Thanksgiving"},
        {"date": "2026-12-24", "label": "Thu, Dec 24", "hours": "9:00 AM-1:00 PM", "why": "special hours"},
    ],
}


def parts() -> dict[str, str]:
    """The text of each part, in the order a vendor puts them (LLM facts 1.8)."""
    policy, shop = system_parts(default_policy(), shop_text(SHOP))
    tools = json.dumps([asdict(spec) for spec in default_toolbox().specs()], ensure_ascii=False)
    return {"tools": tools, "policy": policy, "shop": shop}


def fingerprints() -> str:
    """One short hash per part: "tools=... policy=... shop=..."."""
    return " ".join(
        f"{name}={hashlib.sha256(text.encode()).hexdigest()[:12]}" for name, text in parts().items()
    )
