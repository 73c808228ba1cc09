"""Email addresses: lower case, bare, one."""

from __future__ import annotations

import re
from email.utils import getaddresses

from crm.text import storable

# Deliberately loose: one @, no white space or brackets, a dot in the domain. The carrier has the last word.
_SHAPE = re.compile(r"[^@\s<>,;:\"\\]+@[^@\s<>,;:\"\\]+\.[^@\s<>,;:\"\\.]+")


def normal_email(raw: str | None) -> str | None:
    """The bare lower-case address in `raw` (`Dana <Dana@Example.com>` gives `dana@example.com`), or None."""
    if not raw:
        return None
    for _, address in getaddresses([storable(raw).strip()]):
        candidate = address.strip().lower()
        if len(candidate) <= 254 and _SHAPE.fullmatch(candidate):
            return candidate
    return None
