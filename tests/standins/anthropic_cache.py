"""Prompt caching of the Anthropic stand-in: explicit breakpoints over an exact prefix (LLM facts 1.8)."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

from tests.standins.anthropic_rules import blocks_of
from tests.standins.llm_script import tokens

# Below the model's minimum prefix a request succeeds silently uncached.
# So many blocks before a breakpoint are looked at for an earlier entry.
_LOOK_BACK = 20
_MINIMUM = {"claude-sonnet-5-5": 512, "claude-haiku-5-5": 512, "claude-haiku-4-5": 4096}


class PromptCache:
    """Remembers prefixes for the life of the stand-in; a changed byte in the prefix is a miss."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def size(self, body: dict[str, Any]) -> int:
        """Whole prompt in tokens."""
        return sum(tokens(text) for text, _ in _parts(body))

    def charge(self, body: dict[str, Any]) -> tuple[int, int, int, bool]:
        """Disjoint (uncached, written, read) tokens, and whether the write is for one hour."""
        parts = _parts(body)
        total, marks, hourly = 0, [], False
        ends: list[tuple[int, str]] = []
        seen: list[tuple[int, str]] = []
        digest = hashlib.sha256(body["model"].encode())
        for text, control in parts:
            total += tokens(text)
            digest.update(text.encode())
            ends.append((total, digest.hexdigest()))
            if control and total >= _MINIMUM.get(body["model"], 1024):
                marks.append(ends[-1])
                seen += ends[-_LOOK_BACK - 1 :]
                hourly = control.get("ttl") == "1h"
        with self._lock:
            read = max((size for size, key in seen if key in self._known), default=0)
            self._known.update(key for _, key in marks)
        written = max((size for size, _ in marks), default=0) - read
        return total - read - written, max(written, 0), read, hourly


def _parts(body: dict[str, Any]) -> list[tuple[str, dict[str, Any] | None]]:
    system = body.get("system") or []
    system = [{"type": "text", "text": system}] if isinstance(system, str) else system
    blocks = [*(body.get("tools") or []), *system]
    blocks += [
        {"role": message["role"], **block} for message in body["messages"] for block in blocks_of(message)
    ]
    parts = [(_bare(block), block.get("cache_control")) for block in blocks]
    if body.get("cache_control") and parts:
        parts[-1] = (parts[-1][0], body["cache_control"])
    return parts


def _bare(block: dict[str, Any]) -> str:
    # The marker itself is not part of the prompt: moving it forward must not change the prefix.
    return json.dumps({key: value for key, value in block.items() if key != "cache_control"})
