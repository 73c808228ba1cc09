"""Amounts of money as people write them: "$449", "449 dollars", "four hundred bucks", "1.5k", "cuesta 449"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Amount:
    """One amount in a sentence. `cents` None: another currency."""

    start: int
    end: int
    cents: int | None
    text: str


_NUMBER = r"(?P<n>\d{1,3}(?:[,.]\d{3})+(?:[.,]\d{2})?|\d+(?:[.,]\d{1,2})?)(?P<k>\s?k\b)?"
# What may follow a bare number that is meant as an amount, so that no time, year or length is taken for one.
_BARE_END = (
    r"(?:\.(?P<c>\d\d))?(?=\s*(?:$|[.!?;)]|,(?!\d)|"
    r"\s(?:for|total|all|flat|even|and|para|por|en total|todo|plus|with|y)\b))"
)
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?:US|USD)?\s?\$\s?{_NUMBER}",
        rf"\bUSD?\s?{_NUMBER}",
        rf"(?<![\d.,/:]){_NUMBER}\s?(?:\$|(?:us )?dollars?\b|bucks?\b|usd\b|dolar(?:es)?\b|pavos\b)"
        r"(?:\s(?:and|con|y)\s(?P<c>\d\d?)(?:\scents?|\scentavos)?)?",
        r"(?<![\d.,/:])(?P<cents>\d+)\s?(?:cents?\b|¢|centavos\b)",
        r"(?P<foreign>[€£¥₱]\s?\d[\d.,]*|\b\d[\d.,]*\s?(?:euros?|pounds|pesos?|quid|eur|gbp|mxn|€|£)(?!\w))",
        r"\$\s?\d[\d.,]*\s?(?:-|to|and|a|y)\s?(?P<n>\d{2,5})(?P<k>\s?k\b)?(?![\d:%]|\s?(?:am|pm|h|min|%))",
        r"\b(?:(?:price|cost|total|quote|precio|costo)(?:\s\w+){0,6}?\s(?:is|be|of|es|de|seria|comes to)|costs?|runs?|pay|"
        r"charge|cuestan?|valen?|sale en|saldria en|cobramos|comes? (?:out )?to|goes for|would be|will be|en total|total de)"
        rf"(?:\s(?:you|about|around|only|just|en|unos))?\s(?P<n>\d{{2,5}}){_BARE_END}",
        rf"\b(?:it's|it is|is|are|only|just|solo|for|por|es|son)\s(?P<n>(?!(?:19|20)\d\d\b)\d{{3,4}}){_BARE_END}",
        r"(?<![\d.,/:$])(?P<n>\d+(?:\.\d)?)(?P<k>k\b)(?! (?:mi|km|miles))",
        rf"\b(?:it's|it is|is|only|just|for|about|around|runs?|costs?)\s(?P<n>[1-9] [1-9]\d){_BARE_END}",
    )
)
ANY_NUMBER = re.compile(
    r"(?<![\w$.,/:#@&-])(?!(?:19|20)\d\d\b)\d{3,4}"
    r"(?![\w%/:@-]|[.,]\d|\s?(?:%|am|pm|h\b|hours|min|days|miles|mi\b|km|sq|nm|watts?|percent|"
    r"(?:N|S|E|W|North|South|East|West|St|Ave|[A-Z]\w+ (?:St|Ave|Rd|Blvd|Dr|Ln|Street|Road|Avenue))\b))"
)
"""A number of three or four places that is no year, time, length or street number."""
_HAS_NUMBER = re.compile(r"\d")


@lru_cache(maxsize=4096)
def amounts_in(text: str) -> tuple[Amount, ...]:
    """The amounts of a cleaned text in order."""
    found: list[Amount] = []
    if not _HAS_NUMBER.search(text):
        return ()
    for form in _FORMS:
        for match in form.finditer(text):
            parts = match.groupdict()
            start = match.start("n") if parts.get("n") and form in _FORMS[5:] else match.start()
            if not any(start < one.end and one.start < match.end() for one in found):
                found.append(Amount(start, match.end(), _cents(parts), text[start : match.end()].strip()))
    return tuple(sorted(found, key=lambda one: one.start))


def _cents(parts: dict[str, str | None]) -> int | None:
    if parts.get("foreign"):
        return None
    if cents := parts.get("cents"):
        return int(cents)
    raw = (parts["n"] or "0").replace(" ", "")
    whole, _, rest = raw.rpartition(raw[-3]) if len(raw) > 3 and raw[-3] in ".," else (raw, "", "")
    if not rest and len(raw) > 2 and raw[-2] in ".,":
        whole, rest = raw[:-2], raw[-1] + "0"
    number = int(re.sub(r"[.,]", "", whole)) * 100 + int(rest or parts.get("c") or 0)
    return number * 1000 if parts.get("k") else number
