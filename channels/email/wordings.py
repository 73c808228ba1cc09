"""The patterns behind wordings.yaml, compiled once. None of them can take more than linear time on a line of bounded
length: callers judge lines by their first few hundred characters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
# No line of a mail program is longer; longer ones are a person's paragraph.
JUDGED = 500


@dataclass(frozen=True)
class Wordings:
    """What mail programs write around a person's words."""

    opener: re.Pattern[str]
    wrote_end: re.Pattern[str]
    wrote_middle: re.Pattern[str]
    prose: frozenset[str]
    labels: dict[str, str]
    original: frozenset[str]
    forwarded: frozenset[str]
    begins_forwarded: frozenset[str]
    device: re.Pattern[str]
    disclaimer: re.Pattern[str]
    disclaimer_rest: re.Pattern[str]
    our_footers: tuple[str, ...]


@lru_cache(maxsize=1)
def load_wordings() -> Wordings:
    """The wordings of every language; read once."""
    data = yaml.safe_load((FOLDER / "wordings.yaml").read_text(encoding="utf-8"))
    wrote = _any(re.escape(verb) for verb in sorted(data["wrote"], key=len, reverse=True))
    openers = _any(re.escape(word) for word in data["openers"])
    address = r"[^\s<>@()]{1,64}@[^\s<>@()]{1,255}"
    return Wordings(
        opener=_compiled(rf"[\s*_>\"“«-]{{0,6}}{openers}[\s,.]"),
        # Whoever wrote may stand behind the verb (German, Dutch), and so may the date (Portuguese, Chinese).
        wrote_end=_compiled(
            rf"(?<![^\W\d_]){wrote}(?![^\W\d_])[^:：]{{0,200}}(?::\d\d[^:：]{{0,120}}){{0,2}}[:：]?$"
        ),
        # Yahoo on Android goes on in the same line: "On <date>, North<a@b.c> wrote: Which day".
        wrote_middle=_compiled(
            rf"\s{{0,8}}{openers}\s.{{4,160}}\d(?:.{{0,200}}<{address}>\)?\s{{0,4}}{wrote}"
            rf"|.{{0,80}}\s{wrote}\s.{{0,120}}<{address}>\)?)\s?[:：]\s"
        ),
        prose=frozenset(data["prose"]),
        labels={label: kind for kind, labels in data["labels"].items() for label in labels},
        original=frozenset(data["original"]),
        forwarded=frozenset(data["forwarded"]),
        begins_forwarded=frozenset(data["begins_forwarded"]),
        device=_device(data),
        disclaimer=_compiled(rf"\W{{0,6}}{_any(data['disclaimers']['whole'])}"),
        disclaimer_rest=_compiled(rf"\W{{0,6}}{_any(data['disclaimers']['rest'])}"),
        our_footers=tuple(data["our_footers"]),
    )


def _any(patterns: object) -> str:
    return "(?:" + "|".join(patterns) + ")"  # type: ignore[arg-type]


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _device(data: dict[str, list[str]]) -> re.Pattern[str]:
    link = r"\s?(?:<[^<>\s]{1,300}>|\(?https?://\S{1,300})"
    excuse = (
        r"\s?[,.;:–—-]{1,2}\s?(?:please |so |kindly )?"
        r"(?:excuse|forgive|pardon|sorry|ignore|typos|disculp|perdon)[^\n]{0,100}"
    )
    # A model has capitals or digits in its name; a person's sentence goes on in small letters.
    model = rf"(?:(?-i:[A-Z0-9+][\w™®.+'’()-]{{0,18}})|{_any(re.escape(one) for one in data['after'])}(?![^\W\d_]))"
    what = rf"(?:{_any(data['sent'])}\s?{_any(data['device'])}|{_any(data['get'])}\s{_any(data['apps'])})"
    whole = _any(data["whole_lines"])
    return _compiled(
        rf"[\s(*_[\-–—]{{0,4}}(?:{whole}|{what}(?![^\W\d_])[™®]?(?:{link}|[\s,+/-]{{1,2}}{model}[™®]?){{0,9}}(?:{excuse})?)(?:{link})?[\s.!)*_\]]{{0,4}}"
    )
