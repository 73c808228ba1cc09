"""The policy: Markdown a shop owner can read and change. With the frame, which no owner can change, it is the prompt."""

from __future__ import annotations

from functools import cache
from importlib import resources

from agent.policy.lint import Problem, lint

__all__ = ["Problem", "default_policy", "frame", "lint", "system_parts"]


@cache
def default_policy() -> str:
    """The policy every tenant starts with; byte-stable, because it is the head of the cached prompt."""
    return resources.files("agent.policy").joinpath("policy.md").read_text(encoding="utf-8")


@cache
def frame() -> str:
    """What holds whatever the owner's policy says: the promises of this system, in words for a model."""
    return resources.files("agent.policy").joinpath("frame.md").read_text(encoding="utf-8")


def system_parts(policy: str, shop: str) -> tuple[str, str]:
    """The system part of a prompt: frame and policy, then the shop. Holds nothing a customer wrote."""
    return f"{frame()}\n{policy.strip()}\n", shop
