"""Thinking blocks of the Anthropic stand-in: signed, and bound to the prefix they were made with."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from typing import Any

from tests.standins.anthropic_rules import Refused, blocks_of


class ThinkingLedger:
    """Signature -> prefix it was made with. Unknown signatures are dropped silently (LLM facts 1.10)."""

    def __init__(self, binding: bool) -> None:
        self.binding = binding
        self.dropped = 0
        self._prefixes: dict[str, str] = {}
        self._lock = threading.Lock()

    def block(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        """A new signed block for the answer to this request."""
        signature = "CAQS" + secrets.token_urlsafe(48)
        with self._lock:
            self._prefixes[signature] = _prefix(body, len(body["messages"]))
        return {"type": "thinking", "thinking": text, "signature": signature}

    def check(self, body: dict[str, Any]) -> None:
        """Raise Refused for a block of ours whose prefix changed, when binding is on; count those dropped."""
        for index, message in enumerate(body["messages"]):
            for place, block in enumerate(blocks_of(message)):
                if block["type"] == "thinking":
                    self._check_block(body, index, place, str(block.get("signature", "")))

    def _check_block(self, body: dict[str, Any], index: int, place: int, signature: str) -> None:
        made_with = self._prefixes.get(signature)
        if made_with == _prefix(body, index):
            return
        if made_with is not None and self.binding:
            raise Refused(
                f"messages.{index}.content.{place}: Invalid `signature` in `thinking` block. "
                "The block is bound to a different conversation. Remove the block, or set "
                '`thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
            )
        self.dropped += 1


def _prefix(body: dict[str, Any], upto: int) -> str:
    kept = [
        {
            "role": message["role"],
            "content": [
                {k: v for k, v in block.items() if k != "cache_control"} for block in blocks_of(message)
            ],
        }
        for message in body["messages"][:upto]
    ]
    seen = json.dumps([body["model"], body.get("system"), body.get("tools"), kept], sort_keys=True)
    return hashlib.sha256(seen.encode()).hexdigest()
