"""The attacks of tests/attacks: what an attacker writes, and what a model does and says that obeys them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "attacks"
_NAME = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True)
class Attack:
    """One attack. <<names>> in it stand for ids and addresses of the world it is carried out in.

    `calls` are the tools an obeying model calls, one a round ("@forever": the same call without end); `says` is what it
    says then and `then` what it says when the first draft was refused ("@results", "@errors", "@system", "@records" and "@long"
    stand for what it was given). `never` must match no message to the customer, `never_stored` nothing that is kept
    about them besides their own words. `silent` are the channels on which nothing may leave at all; `answers` is how
    many messages the attacker gets as an answer.
    """

    name: str
    file: str
    words: str
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    says: str = ""
    then: str = ""
    endless: bool = False
    channel: str = "sms"
    subject: str = "Tint"
    html: str | None = None
    have: frozenset[str] = frozenset()
    lead: Mapping[str, str] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    never_stored: tuple[str, ...] = ()
    silent: frozenset[str] = frozenset()
    answers: int = 1


def load_attacks() -> list[Attack]:
    """Every attack, files in order of name. Raises TypeError for a key nobody reads."""
    return [
        _attack(path.stem, row)
        for path in sorted(FOLDER.glob("*.yaml"))
        for row in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """`value` with the <<names>> replaced, however deep; a text that is one name only becomes the value itself."""
    if isinstance(value, str):
        whole = _NAME.fullmatch(value)
        return names[whole[1]] if whole else _NAME.sub(lambda found: str(names[found[1]]), value)
    if isinstance(value, Mapping):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(one, names) for one in value]
    return value


def _attack(file: str, row: dict[str, Any]) -> Attack:
    obey = row.pop("obey")
    calls = obey.get("calls", [])
    endless = calls == "@forever"
    silent = frozenset(row.pop("silent", ()))
    tools: list[Any] = [["find_services", {"query": ""}]] if endless else calls
    return Attack(
        file=file,
        calls=tuple((name, arguments) for name, arguments in tools),
        says=obey["says"],
        then=obey.get("then", obey["says"]),
        endless=endless,
        have=frozenset(row.pop("have", ())),
        never=tuple(row.pop("never", ())),
        never_stored=tuple(row.pop("never_stored", ())),
        silent=silent,
        answers=row.pop("answers", 0 if row.get("channel", "sms") in silent else 1),
        **row,
    )
