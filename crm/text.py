"""Making strange text storable."""

from __future__ import annotations

import re

# A NUL byte makes psycopg2 raise, a lone surrogate cannot be encoded (messaging facts 4.1).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` without the characters PostgreSQL cannot hold: NUL and lone surrogates."""
    return _UNSTORABLE.sub("", text)


def storable_or_none(text: object, limit: int = 4000) -> str | None:
    """A trimmed storable text of at most `limit` characters, or None when nothing is left of it."""
    if not isinstance(text, str):
        return None
    return storable(text).strip()[:limit].strip() or None
