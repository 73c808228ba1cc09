"""Numbers written as words, in English and Spanish, become digits: "four hundred and forty-nine" is 449 too."""

from __future__ import annotations

import re

from agent.check.patterns import table, text_of

_SMALL: dict[str, int] = table("numbers", "small")
_TENS: dict[str, int] = table("numbers", "tens")
_HUNDREDS: dict[str, int] = table("numbers", "hundreds")
_TIMES: dict[str, int] = table("numbers", "times")
_ORDINALS: dict[str, int] = table("numbers", "ordinals")
_ARTICLES = frozenset({"a", "an", "un", "una", "one", "uno"})
_UNIT = f"(?:{text_of('numbers', 'unit')})"
_MONTH_NAME = f"(?:{text_of('numbers', 'month_name')})"
_ORDINAL_WORD = "|".join(_ORDINALS)
_WORD = "|".join(sorted({*_SMALL, *_TENS, *_HUNDREDS, *_TIMES} - {"a", "an"}, key=len, reverse=True))
_SEQUENCE = re.compile(
    rf"\b(?:(?:an?|\d{{1,3}})[ -](?=(?:hundred|thousand|grand|mil)\b))?(?:{_WORD})\b(?:[\s-]+(?:and |y )?(?:{_WORD})\b)*",
    re.IGNORECASE,
)
_ARTICLE_UNIT = re.compile(
    r"(?<!half )\b(?:an?|un|una)(?= (?:dollars?|bucks?|dolar|peso|hour|minute|hora)\b)", re.IGNORECASE
)
_AFTER = re.compile(rf"[\s-]*{_UNIT}", re.IGNORECASE)
_AT_HOUR = re.compile(r"\b(?:las?|at|past|to)\s$", re.IGNORECASE)
_ORDINAL = re.compile(
    rf"\b(?:(?P<ten>twenty|thirty)[ -])?(?P<word>{_ORDINAL_WORD})(?= (?:of|de) {_MONTH_NAME}\b)"
    rf"|(?<=[a-z] )(?P<late>{_ORDINAL_WORD})\b",
    re.IGNORECASE,
)
_MONTH_BEFORE = re.compile(rf"\b{_MONTH_NAME} (?:the )?$", re.IGNORECASE)


def digits(text: str) -> str:
    """The text with its number words as digits. A lone "one" or "una" stays a word unless a unit follows it, and
    "once" is 11 only where Spanish speaks of an hour or an amount."""
    plain = _ORDINAL.sub(_day_of_month, _ARTICLE_UNIT.sub("1", text))
    return _SEQUENCE.sub(_replaced, plain)


def _day_of_month(match: re.Match[str]) -> str:
    """ "The first of December" is the 1st; "the first one" stays."""
    if match["late"]:
        before = _MONTH_BEFORE.search(match.string[: match.start()])
        return str(_ORDINALS[match["late"].lower()]) if before else match.group()
    return str(
        {"twenty": 20, "thirty": 30}.get((match["ten"] or "").lower(), 0) + _ORDINALS[match["word"].lower()]
    )


def _replaced(match: re.Match[str]) -> str:
    words = re.findall(r"[a-z]+|\d+", match.group().lower())
    words = [word for word in words if word not in ("and", "y")] if _joined(match.group()) else words
    counts = bool(_AFTER.match(match.string, match.end())) or bool(
        _AT_HOUR.search(match.string[: match.start()])
    )
    if len(words) == 1 and not counts and (words[0] in _ARTICLES or words[0] in ("once", "grand", "mil")):
        return match.group()
    return " ".join(_values(words))


def _joined(text: str) -> bool:
    """Whether "and" or "y" stands inside one number: after hundreds in English, between tens and units in Spanish."""
    return bool(
        re.search(
            r"\b(?:hundred|thousand|mil) and |(?:\w+nta|veinte) y |\b\w*cientos? y ", text, re.IGNORECASE
        )
    ) or not re.search(r" (?:and|y) ", text)


def _values(words: list[str]) -> list[str]:
    done: list[str] = []
    total = current = 0
    level = 9
    for word in words:
        if word in ("and", "y"):
            done, total, current, level = [*done, str(total + current), word], 0, 0, 9
            continue
        rank, value = _rank(word)
        if rank == 3 and word in _TIMES:
            current = max(current, 1) * value
            if value == 1000:
                total, current = total + current, 0
            level = 3 if value == 1000 else 2
            continue
        # "nine thirty" is two numbers, "thirty nine" is one: a part has to be smaller than the one before it.
        if rank >= level:
            done, total, current = [*done, str(total + current)], 0, 0
        current, level = current + value, rank
    return [*done, str(total + current)]


def _rank(word: str) -> tuple[int, int]:
    if word.isdigit():
        return 0, int(word)
    if word in _TIMES:
        return 3, _TIMES[word]
    if word in _HUNDREDS:
        return 2, _HUNDREDS[word]
    if word in _TENS:
        return 1, _TENS[word]
    return 0, _SMALL[word]
