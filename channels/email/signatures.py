"""What stands below a person's words and is none of them: signatures, device lines, disclaimers.

When in doubt it stays: a lost sentence is worse than a kept name.
"""

from __future__ import annotations

import re

from channels.email.lines import Line, says_something
from channels.email.wordings import JUDGED, load_wordings

_RULE = re.compile(r"[\s_\-–—=*~]{3,}")
_MAX_SIGNATURE = 15
_MAX_SURE_SIGNATURE = 30
_LONGEST_SIGNATURE_LINE = 120
_WORDS_OF_A_SENTENCE = 10
_MAX_DISCLAIMER_LINES = 60


def without_ending(lines: list[Line]) -> list[Line]:
    """A run of the person's lines without what programs and offices add to it."""
    own = _without_tail(_without_signature([line for line in lines if not line.signature]))
    own = _without_tail(_without_disclaimer(own))
    return [line for line in own if not _is_device_line(line)]


def _without_signature(lines: list[Line]) -> list[Line]:
    """Cut at the first `--` that has words above it and something like a signature below."""
    said = False
    for number, line in enumerate(lines):
        if (
            said
            and line.text.strip() == "--"
            and _is_signature(
                lines[number + 1 : number + 2 + 2 * _MAX_SURE_SIGNATURE], sure=line.text == "-- "
            )
        ):
            return lines[:number]
        said = said or says_something(line.text)
    return lines


def _is_signature(below: list[Line], *, sure: bool) -> bool:
    """Whether these lines could be a name, a company, a telephone number. `sure`: the mark above was the exact one
    (RFC 3676), which people do not type."""
    allowed = _MAX_SURE_SIGNATURE if sure else _MAX_SIGNATURE
    words = [line.text.strip() for line in below if not line.blank]
    if len(words) > allowed or len(below) > 2 * allowed:
        return False
    return sure or not any(_is_sentence(text) for text in words)


def _is_sentence(text: str) -> bool:
    if text.startswith(("- ", "* ", "• ")) or text.endswith("?"):
        return True
    return len(text) > _LONGEST_SIGNATURE_LINE or len(text.split()) > _WORDS_OF_A_SENTENCE


def _without_tail(lines: list[Line]) -> list[Line]:
    end = len(lines)
    while end and (
        lines[end - 1].blank or _RULE.fullmatch(lines[end - 1].text) or _is_device_line(lines[end - 1])
    ):
        end -= 1
    return lines[:end]


def _is_device_line(line: Line) -> bool:
    text = line.text.strip()
    return len(text) < JUDGED and load_wordings().device.fullmatch(text) is not None


def _without_disclaimer(lines: list[Line]) -> list[Line]:
    words = load_wordings()
    starts = [
        number for number, line in enumerate(lines) if not line.blank and _starts_paragraph(lines, number)
    ]
    for number in starts:
        is_rest = words.disclaimer_rest.match(lines[number].text[:JUDGED])
        if is_rest and len(lines) - number <= _MAX_DISCLAIMER_LINES:
            return lines[:number]
    end = len(lines)
    for number in reversed(starts):
        paragraph = " ".join(line.text for line in lines[number : min(end, number + 4)])
        if not words.disclaimer.match(paragraph[:JUDGED]):
            break
        end = number
    return lines[:end]


def _starts_paragraph(lines: list[Line], number: int) -> bool:
    return number == 0 or lines[number - 1].blank or bool(_RULE.fullmatch(lines[number - 1].text))
