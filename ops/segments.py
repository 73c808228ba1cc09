"""How many segments a text message is charged as."""

from __future__ import annotations

from ops.gsm import GSM_BASIC, GSM_EXTENDED

# Places in a text of one segment, and in each segment of a longer one (messaging facts 2.6).
GSM_ALONE, GSM_PART = 160, 153
UCS2_ALONE, UCS2_PART = 70, 67


def segments(text: str) -> int:
    """The number of segments of `text` as it stands: GSM-7 when every character allows it, else UCS-2.

    At least 1. A character of two places (GSM extension, UTF-16 surrogate pair) is never cut in two.
    """
    plain = all(char in GSM_BASIC or char in GSM_EXTENDED for char in text)
    sizes = [_places(char, plain=plain) for char in text]
    alone, part = (GSM_ALONE, GSM_PART) if plain else (UCS2_ALONE, UCS2_PART)
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        if used + size > part:
            count, used = count + 1, 0
        used += size
    return count


def _places(char: str, *, plain: bool) -> int:
    if plain:
        return 2 if char in GSM_EXTENDED else 1
    return 2 if ord(char) > 0xFFFF else 1
