"""How the booking brain reads a customer's words and a tool's labels."""

from __future__ import annotations

import re
from typing import Any

_ORDINALS = (
    (0, r"\b(first|1st|former|earlie\w+)\b|^\W*(1|one)\W*$"),
    (1, r"\b(second|2nd|latter)\b|^\W*(2|two)\W*$"),
    (2, r"\b(third|3rd)\b|^\W*(3|three)\W*$"),
    (-1, r"\b(last|latest)\b"),
)
_YES = re.compile(
    r"\b(yes|yep|yeah|sure|ok|okay|perfect|great|works|sounds good|book it|let'?s do|i'?ll take|that one)\b"
)
_NO = re.compile(
    r"\b(no|nope|not|none|neither|don'?t|can'?t|cannot|doesn'?t|another|other|instead|cancel|later)\b"
)
_TIME = re.compile(
    r"\b(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\b|\b(\d{1,2}):(\d{2})\b|\bat (\d{1,2})\b(?!:|\s*[ap]\.?m)"
)
_DAY = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*\b")


def dislikes(text: str) -> bool:
    """True for a no, or a wish for something else."""
    return _NO.search(text.lower()) is not None


def is_first_time_words(text: str) -> bool:
    """True when the words name a day or an hour."""
    return bool(_DAY.search(text.lower()) or _TIME.search(text.lower()) or "tomorrow" in text.lower())


def choose(offers: list[dict[str, Any]], text: str) -> dict[str, Any] | None:
    """The offer these words pick, or None: hours and days must fit a label; a bare yes is the first."""
    said = text.lower()
    if not offers:
        return None
    for place, pattern in _ORDINALS:
        if re.search(pattern, said) and place < len(offers):
            return offers[place]
    times, days = _times(said), set(_DAY.findall(said))
    if times or days:
        return next((offer for offer in offers if _fits(offer, times, days)), None)
    return offers[0] if _YES.search(said) and not dislikes(said) else None


def _fits(offer: dict[str, Any], times: set[tuple[int, int]], days: set[str]) -> bool:
    label = str(offer.get("label") or offer.get("when") or "").lower()
    hours = {(hour % 12, minute) for hour, minute in times}
    offered = {(hour % 12, minute) for hour, minute in _times(label)}
    return (not times or bool(hours & offered)) and (not days or bool(days & set(_DAY.findall(label))))


def _times(text: str) -> set[tuple[int, int]]:
    found = set()
    for hour, minute, half, hour24, minute24, bare in _TIME.findall(text):
        if half:
            found.add((int(hour) % 12 + (12 if half == "p" else 0), int(minute or 0)))
        else:
            found.add((int(hour24 or bare), int(minute24 or 0)))
    return found


def label_of(result: Any) -> str | None:
    """The time a book result confirms; None when it is an error."""
    if not isinstance(result, dict) or result.get("error"):
        return None
    appointment = result.get("appointment") or result.get("booking") or {}
    label = appointment.get("label") or appointment.get("when") or appointment.get("start")
    return str(label) if label else None


def join(words: list[str]) -> str:
    """ "a, b or c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
