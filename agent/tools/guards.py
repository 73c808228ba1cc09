"""What a model may put into free text that outlives its turn: facts about the customer, never money or instructions.

Such text comes back into later prompts and into templates that no check reads, so the code says what may be in it.
"""

from __future__ import annotations

import re

from agent.tools.named import folded

_MONEY = re.compile(
    r"[$€£%]|\b(?:usd|dollars?|bucks|cents|dolares|pesos|price[ds]?|precios?|cost[s]?|cuestan?|quot(?:e|ed)|discount\w*"
    r"|descuento\w*|coupon\w*|cupon\w*|promo\w*|free|gratis|deal|refund\w*|reembolso|voucher|code|codigo|half off"
    r"|warrant\w+|garantia|guarant\w+)\b"
)
_ORDER = re.compile(
    r"\b(?:ignore|disregard|system|prompt|instruct\w*|policy|assistant|override|admin\w*|owner says|must|always|never"
    r"|shall|you (?:should|are|may|can)|from now on|ignora|sistema|instruccion\w*|siempre|debes?)\b|[\[\]{}<>`|=\\]"
)
_LINK = re.compile(r"://|www\.|@|\b[\w-]+\.(?:com|net|org|info|io|co|ru|xyz|link|me|ly|us|biz|app)\b")
_LONG_NUMBER = re.compile(r"\d(?:[\s().-]*\d){5,}")


def why_not(text: str) -> str | None:
    """Why this may not be kept as free text, as a sentence a model can act on; None when it may."""
    words = folded(text)
    if _MONEY.search(words):
        return "Prices, discounts and promises are not kept here: they come from the catalogue every time."
    if _ORDER.search(words):
        return "Only plain facts the customer told about themselves are kept, no instructions."
    if _LINK.search(words) or _LONG_NUMBER.search(words):
        return "Links, addresses and long numbers are not kept here; update_lead saves an email address."
    return None
