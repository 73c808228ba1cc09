"""The labelled replies of tests/check_set: what an honest assistant of a tint shop may say, and what it may not.

The labels were written from the rules (a statement must trace to a tool result or a shop fact of the turn), not from
what agent/check does. A group of cases names its situation (`in`), the customer's words, and replies that are `good` or
`bad` by kind. A bad reply with several kinds ("booking, time") is named rightly by any of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.check import Evidence
from agent.models.base import ToolResult

FOLDER = Path(__file__).parent / "check_set"
HELD_OUT = Path(__file__).parent / "check_held_out"
UNSEEN = Path(__file__).parent / "check_unseen"
FRESH = Path(__file__).parent / "check_fresh"
SITUATIONS = FOLDER / "situations.yaml"


@dataclass(frozen=True)
class Case:
    """One labelled reply. `expect` is empty for a reply that may leave, else what is wrong in it, the main kind first."""

    file: str
    situation: str
    reply: str
    evidence: Evidence
    expect: tuple[str, ...]


def load_cases(folder: Path = FOLDER) -> list[Case]:
    """Every case of a set, files in order of name."""
    known = _read(SITUATIONS)
    files = sorted(
        path for path in folder.glob("*.yaml") if path.name not in (SITUATIONS.name, "floors.yaml")
    )
    return [case for path in files for group in _read(path) for case in _cases(path.stem, group, known)]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _cases(file: str, group: dict[str, Any], known: dict[str, Any]) -> Iterator[Case]:
    evidence = _evidence(group, known["situations"][group["in"]], known["base_facts"])
    for reply in group.get("good", ()):
        yield Case(file, group["in"], reply, evidence, ())
    for kinds, replies in group.get("bad", {}).items():
        expect = tuple(kind.strip() for kind in kinds.split(","))
        for reply in replies:
            yield Case(file, group["in"], reply, evidence, expect)


def _evidence(group: dict[str, Any], situation: dict[str, Any], base: dict[str, Any]) -> Evidence:
    channel, language = group.get("channel", "sms"), group.get("language", "en")
    facts = {**base, **situation.get("facts", {}), "channel": channel, "language": language}
    results = tuple(
        ToolResult(f"call-{place}", one["tool"], json.dumps(one["says"]), bool(one.get("error")))
        for place, one in enumerate(situation["results"])
    )
    return Evidence(
        results=results,
        facts=facts,
        customer_words=group["words"],
        channel=channel,
        language=language,
        max_segments=group.get("max_segments", 3),
    )
