"""How many parts the phone network charges for a text (messaging facts 2.6).

One character outside GSM 03.38 makes the whole text UCS-2. Characters that take two places (an escape pair, a
surrogate pair) are never split between two parts, so a long text can need one more part than a division says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ops.gsm import GSM_BASIC, GSM_EXTENDED

# (places of a text of one part, places of each part of a longer one)
GSM_ROOM = (160, 153)
UCS2_ROOM = (70, 67)


@dataclass(frozen=True)
class Measure:
    """A text as the network counts it: `units` are septets or UTF-16 code units."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int


def measure(text: str) -> Measure:
    """Encoding, length and parts of a text; an empty one takes one part."""
    gsm = all(char in GSM_BASIC or char in GSM_EXTENDED for char in text)
    widths = [_septets(char) if gsm else _utf16(char) for char in text]
    single, part = GSM_ROOM if gsm else UCS2_ROOM
    units = sum(widths)
    return Measure("GSM-7" if gsm else "UCS-2", units, 1 if units <= single else _pack(widths, part))


def segments(text: str) -> int:
    """The number of parts."""
    return measure(text).parts


def _pack(widths: list[int], room: int) -> int:
    parts, used = 1, 0
    for width in widths:
        if used + width > room:
            parts, used = parts + 1, 0
        used += width
    return parts


def _septets(char: str) -> int:
    return 2 if char in GSM_EXTENDED else 1


def _utf16(char: str) -> int:
    return 2 if ord(char) > 0xFFFF else 1
