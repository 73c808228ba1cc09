"""Call ids that every vendor accepts, the same for a call and its result (LLM facts 1.3, 4.5)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_ALPHABET = re.compile(r"[a-zA-Z0-9_-]+")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
MAX_ID = 64
_HASH = 16


class IdMap:
    """Ids of one request. Original ids are kept where they fit, so that the cached prefix of a conversation
    is stable.

    One alphabet and one length serve all vendors: Claude refuses other characters, OpenAI more than 64 of
    them.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()

    def reserve(self, ids: Sequence[str]) -> bool:
        """Set ids aside that a vendor's own blocks already contain. False when that cannot be done without a
        clash."""
        if len(set(ids)) != len(ids) or any(not _fits(one) or one in self._used for one in ids):
            return False
        self._used.update(ids)
        return True

    def assign(self, call_id: str) -> str:
        """An id for one more call. Equal transcripts get equal ids; two calls never share one."""
        candidate = call_id if _fits(call_id) else _derived(call_id, 0)
        repeat = 0
        while candidate in self._used:
            repeat += 1
            candidate = _derived(call_id, repeat)
        self._used.add(candidate)
        return candidate


def _fits(call_id: str) -> bool:
    return len(call_id) <= MAX_ID and _ALPHABET.fullmatch(call_id) is not None


def _derived(call_id: str, repeat: int) -> str:
    digest = hashlib.sha256(f"{repeat}:{call_id}".encode()).hexdigest()[:_HASH]
    return f"{_OTHER.sub('_', call_id)[: MAX_ID - _HASH - 1]}_{digest}"
