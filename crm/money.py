"""Money for people to read. In storage and in every calculation it is integer cents."""

from __future__ import annotations


def dollars(cents: int) -> str:
    """`cents` as US dollars: 44900 -> "$449", 44950 -> "$449.50", 149900 -> "$1,499".

    Raises ValueError below zero: the shop sells nothing for a negative price.
    """
    if cents < 0:
        raise ValueError(f"a price cannot be negative: {cents} cents")
    whole, rest = divmod(cents, 100)
    return f"${whole:,}.{rest:02d}" if rest else f"${whole:,}"
