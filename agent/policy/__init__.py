"""The policy: Markdown a shop owner can read. It is the prompt."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def default_policy() -> str:
    """The policy every tenant starts with; byte-stable, because it is the head of the cached prompt."""
    return resources.files("agent.policy").joinpath("policy.md").read_text(encoding="utf-8")
