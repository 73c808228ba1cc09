"""The head of every prompt is cached by the vendors, so each change of a byte costs every tenant a cold cache: it
needs a reason, written down in prefix_lock.txt."""

from __future__ import annotations

from itertools import pairwise

from agent.policy.lint import COMFORTABLE_TOKENS, tokens
from tests.unit.prefix import LOCK, fingerprints, parts

LEAST_REASON = 15


def entries() -> list[tuple[str, str]]:
    """(fingerprints, reason) of every change, oldest first."""
    lines = [
        line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    return [(marks.strip(), reason.strip()) for marks, _, reason in (line.partition("  ") for line in lines)]


def test_the_prefix_moves_only_with_a_written_reason() -> None:
    locked, _ = entries()[-1]
    now = fingerprints()
    assert now == locked, (
        "The cached prefix of every prompt has moved. If that is meant, append this line with a reason to"
        f" tests/unit/prefix_lock.txt:\n{now}  <why it had to change>"
    )


def test_every_change_has_a_reason_of_its_own() -> None:
    known = entries()
    reasons = [reason for _, reason in known]
    assert all(len(reason) >= LEAST_REASON for reason in reasons), reasons
    assert len(set(reasons)) == len(reasons)
    assert all(one[0] != other[0] for one, other in pairwise(known))


def test_the_prefix_is_the_same_every_time_and_stays_affordable() -> None:
    assert fingerprints() == fingerprints()
    # A prefix under 512 tokens would never be cached (LLM facts 1.8).
    assert 512 < tokens(parts()["policy"]) < COMFORTABLE_TOKENS


def test_nothing_in_the_prefix_depends_on_the_moment_or_the_customer() -> None:
    whole = " ".join(parts().values())
    for word in ("now_local", "Dana", "2026-11-2"):
        assert word not in whole
