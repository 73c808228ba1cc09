"""The lines of a mail, from its plain text or its HTML, with what is known of each."""

from __future__ import annotations

import re
from dataclasses import dataclass

_QUOTE_MARK = re.compile(r"(?:[ \t\xa0]{0,3}>)+")
# Deeper quotes are shown as deep as this: nobody counts them.
_DEEPEST = 20
_LETTER = re.compile(r"[^\W_]|[\u2190-\u2bff\u3030\U0001f000-\U0001faff]")
_BLANKS = re.compile(r"\n{3,}")


@dataclass(slots=True)
class Line:
    """One line. `depth`: how deep it is quoted, by `>` or by the HTML. The rest only HTML tells:

    `introduces`: the program says itself that this line introduces a quote. `signature`: that it is the signature.
    `whole`: all of it is the quoted mail, answers are not to be expected inside. `maybe`: in a block quote that nobody
    says is the quoted mail: people indent with it, too. `box`: the number of the wrapper around quote and answers.
    `starts_rest`: from here on everything is the quoted mail ("surely"), or is unless something surer comes ("maybe").
    """

    text: str
    depth: int = 0
    introduces: bool = False
    signature: bool = False
    whole: bool = False
    maybe: bool = False
    box: int = 0
    starts_rest: str = ""

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def marked(self) -> str:
        """The line as plain text shows it."""
        return f"{'>' * min(self.depth, _DEEPEST)} {self.text}".rstrip() if self.depth else self.text


def unmarked(text: str) -> tuple[str, int]:
    """A line without the `>` at its beginning, and how many there were."""
    mark = _QUOTE_MARK.match(text)
    return (text[mark.end() :].strip(), mark.group().count(">")) if mark else (text, 0)


def plain_lines(text: str) -> list[Line]:
    """The lines of a plain text; `>` at the beginning, however many, is what quotes them."""
    return [_plain_line(line) for line in text.split("\n")]


def _plain_line(line: str) -> Line:
    # The blank behind `-- ` stays: it tells a signature's mark from a line of hyphens.
    return Line(*unmarked(line))


def one_newline(text: str) -> str:
    """The text with one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")


def joined(lines: list[str]) -> str:
    """Lines as a text without more than one blank line in a row, and none around it."""
    return _BLANKS.sub("\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def says_something(text: str) -> bool:
    """Whether there is a letter, a digit or a symbol such as a thumb in it. "Y" and "2" are answers, "--" is none."""
    return _LETTER.search(text) is not None


def says_anything(lines: list[Line]) -> bool:
    """Whether any of the lines says something."""
    return any(says_something(line.text) for line in lines)
