"""Reading a policy before it goes live: what would mislead the model, and what belongs elsewhere.

An error keeps a version from going live, a warning does not. Rules with a reason of their own: prices come from the
catalogue and promises from the shop's facts (both are checked against in code, so a policy naming them only costs
rewrites); a bot may not pass for a person (messaging facts 3.5).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# A token is about four characters of English; 1400 keep the default prefix cheap, 6000 bury the rules.
CHARACTERS_PER_TOKEN = 4
COMFORTABLE_TOKENS = 1400
MOST_TOKENS = 6000
LEAST_CHARACTERS = 80

_NOT = re.compile(
    r"\b(?:never|not|no|don't|doesn't|won't|cannot|can't|without|unless|only|instead of|nor|rather than|forbidden|avoid)\b",
    re.IGNORECASE,
)
_PRICE = re.compile(
    r"[$€£]\s?\d|\b\d[\d,.]*\s?(?:dollars|bucks|usd|dólares)\b|\b\d+\s?% off\b", re.IGNORECASE
)
_PROMISES = re.compile(
    r"\b(?:guarantee[sd]?|warrant(?:y|ies)|lifetime|free of charge|for free|discounts?|coupons?|promo(?:tion)? codes?"
    r"|price match(?:ing)?|lowest price|best price|money back|refunds?|is legal|legal shades?|street legal"
    r"|always available|same day guaranteed)\b",
    re.IGNORECASE,
)
_PERSONA = re.compile(
    r"\b(?:you are|you're|pretend (?:to be|you are)|say (?:that )?you are|act as|pose as) (?:a |an )?"
    r"(?:(?:real|human|live|actual) (?:person|human|being|agent|employee)|human|person|employee|not (?:a |an )?(?:bot|ai|robot"
    r"|automated))|\b(?:deny|hide|conceal) (?:that you|being) (?:are )?(?:a |an )?(?:bot|ai|automated|assistant)",
    re.IGNORECASE,
)
_ASKED = re.compile(r"\bhand_off\b|\b(?:asks?|asked|asking|wonders?|argues?|talks? of)\b", re.IGNORECASE)
_END = re.compile(r"[.!?;](?=\s)|\n(?=\s*(?:[-*]|\d+\.|#))|\n\s*\n")
_CONTACT = re.compile(r"https?://|www\.|\b[\w.+-]+@[\w-]+\.\w+|(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)")
_SNAKE = re.compile(r"`([A-Za-z_][\w.]*)(?:\(\))?`|(?<![\w`])([a-z]+(?:_[a-z]+)+)(?![\w`])")
_HEADING = re.compile(r"^ {0,3}(#{1,6})(\s*)(.*?)\s*#*\s*$")
_BLANK = re.compile(r"\{\{?[^}\n]{0,60}\}?\}|<[A-Z][A-Z _]{2,}>|\[(?:YOUR|SHOP|INSERT)[^\]\n]*\]")
# Words of our own that stand in policies without being tools.
_WORDS = frozenset({"first_reply"})


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a policy; `line` counts from 1, 0 means the whole text."""

    line: int
    level: str
    sentence: str


def lint(text: str, tools: Collection[str]) -> list[Problem]:
    """What is wrong with a policy, in the order of its lines; `tools` are the names a model really has."""
    found = [*_size(text), *_headings(text), *_characters(text), *_sentences(text)]
    for number, line in enumerate(text.splitlines(), 1):
        found += (Problem(number, level, sentence) for level, sentence in _line(line, tools))
    if "hand_off" in tools and "hand_off" not in text:
        found.append(Problem(0, "warning", "It never says when a person takes over (hand_off)."))
    return sorted(found)


def tokens(text: str) -> int:
    """About how many tokens a text costs."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _size(text: str) -> Iterator[Problem]:
    size = tokens(text)
    if len(text.strip()) < LEAST_CHARACTERS:
        yield Problem(0, "error", "It is empty or hardly says anything.")
    if size > MOST_TOKENS:
        yield Problem(0, "error", f"It has about {size} tokens; more than {MOST_TOKENS} bury its own rules.")
    elif size > COMFORTABLE_TOKENS:
        yield Problem(
            0,
            "warning",
            f"It has about {size} tokens, which every answer pays for; aim under {COMFORTABLE_TOKENS}.",
        )


def _characters(text: str) -> Iterator[Problem]:
    for number, line in enumerate(text.splitlines(), 1):
        if any(unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") and char != "\t" for char in line):
            yield Problem(number, "error", "It holds invisible characters, which a reader cannot check.")


def _headings(text: str) -> Iterator[Problem]:
    level, last, filled, fenced, names = 0, 0, True, 0, set()
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = 0 if fenced else number
        match = None if fenced else _HEADING.match(line)
        if match is None:
            filled = filled or bool(line.strip())
            continue
        marks, space, name = match.groups()
        if not space or not name:
            yield Problem(number, "error", f"This heading is broken: write {marks!r}, a space and its words.")
        if len(marks) > level + 1:
            yield Problem(number, "warning", f"This heading jumps from level {level} to level {len(marks)}.")
        if not filled and len(marks) <= level:
            yield Problem(last, "warning", "There is nothing under this heading.")
        if name.casefold() in names:
            yield Problem(number, "warning", f"There are two sections called {name!r}.")
        names.add(name.casefold())
        level, last, filled = len(marks), number, False
    if fenced:
        yield Problem(fenced, "error", "This block of code is never closed; all that follows reads as code.")
    if not names:
        yield Problem(0, "warning", "It has no headings; sections help the model and whoever edits it.")
    elif not filled:
        yield Problem(last, "warning", "There is nothing under this heading.")


def _line(line: str, tools: Collection[str]) -> Iterator[tuple[str, str]]:
    for match in _SNAKE.finditer(_BLANK.sub("", line)):
        name = match.group(1) or match.group(2)
        # A single word in backticks may be anything; one with an underscore can only mean a tool.
        if name not in tools and name not in _WORDS and (match.group(1) or "_" in name):
            yield "error", f"There is no tool {name!r}; there is {', '.join(sorted(tools))}."
    for match in _PRICE.finditer(line):
        yield "error", f"It names a price ({match.group(0).strip()}...); prices come from the catalogue only."
    for match in _CONTACT.finditer(line):
        yield (
            "warning",
            f"{match.group(0)!r} belongs in the shop's facts, where replies are checked against it.",
        )
    for match in _BLANK.finditer(line):
        yield "error", f"{match.group(0)!r} was never filled in."


def _sentences(text: str) -> Iterator[Problem]:
    """Promises and disguises, read sentence by sentence: "never promise a discount" is neither."""
    for start, sentence in _split(text):
        # The same length, so that places stay places.
        plain = re.sub(r"\s", " ", sentence)
        for match in _PERSONA.finditer(plain):
            if not _NOT.search(plain[: match.end()]):
                where = start + sentence.count("\n", 0, match.start())
                said = " ".join(match.group(0).split())
                yield Problem(where, "error", f'"{said}": the assistant may not pass for a person.')
        # What somebody asks, or what a person is called for, is not promised.
        if _NOT.search(plain) or _ASKED.search(plain):
            continue
        for match in _PROMISES.finditer(plain):
            where = start + sentence.count("\n", 0, match.start())
            said = " ".join(match.group(0).split())
            yield Problem(
                where,
                "warning",
                f'"{said}" reads like a promise; what the shop stands for is a shop fact (leads facts set).',
            )


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Every sentence with the line it starts on; list items and paragraphs end sentences too."""
    start = 0
    for match in _END.finditer(text + "\n\n"):
        sentence = text[start : match.end()]
        ahead = len(sentence) - len(sentence.lstrip())
        if sentence.strip():
            yield text.count("\n", 0, start + ahead) + 1, sentence.strip()
        start = match.end()
