"""HTML of strangers as tags and texts, in time linear in its length.

The standard library's parser takes quadratic time on some inputs (minutes for one mail), keeps reading a tag that never
closes, and drops what follows an open `<title>`. This reads what browsers show of real mail, and when in doubt shows more.
"""

from __future__ import annotations

import html as markup
import re
from collections.abc import Iterator
from typing import NamedTuple

from channels.email.html_style import Attributes

# A picture inside its own address may be megabytes before the first word.
MAX_RAW = 8_000_000
MAX_TAGS = 30_000
MAX_TEXT = 200_000
_MAX_TAG = 4_000
_MAX_QUOTED_VALUES = 64

_RAW_TEXT = ("script", "style", "title")
_END_OF_RAW = {name: re.compile(rf"</{name}", re.IGNORECASE) for name in _RAW_TEXT}
_VALUE_OR_END = re.compile(r"=\s{0,4}([\"'])|>")
_NAME = re.compile(r"[a-zA-Z][^\s/>]{0,60}")
_ATTRIBUTE = re.compile(r"([^\s=/>\"']{1,100})(?:\s{0,4}=\s{0,4}(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+)))?")
# int() refuses thousands of digits, and no letter has such a number.
_NO_LETTER = re.compile(
    r"&#(?:0*[1-9]\d{7,}|[xX]0*[1-9a-fA-F][0-9a-fA-F]{6,}|0{20,}\d*|[xX]0{20,}[0-9a-fA-F]*);?"
)


class Token(NamedTuple):
    """A text (`name` empty), an opening tag, or a closing one."""

    name: str
    text: str = ""
    closes: bool = False
    attributes: Attributes = {}  # noqa: RUF012 - never changed; a tuple's default is shared


def tokens(html: str) -> Iterator[Token]:
    """The tags and texts of an HTML text, without comments, declarations, scripts and style sheets.

    Stops after 30,000 tags or 200,000 characters of text; never raises.
    """
    reader = _Reader(html[:MAX_RAW])
    tags = letters = 0
    while tags < MAX_TAGS and letters < MAX_TEXT and (found := reader.next()) is not None:
        tags += bool(found.name)
        letters += len(found.text)
        if found.name or found.text:
            yield found


class _Reader:
    def __init__(self, html: str) -> None:
        self._html = html
        self._position = 0
        # Where the last end of each kind is: a search for an end that never comes is made once.
        self._last_comment_end = html.rfind("-->")
        self._last_bracket = html.rfind(">")
        self._raw_ends = {
            name: max((found.start() for found in end.finditer(html)), default=-1)
            for name, end in _END_OF_RAW.items()
        }

    def next(self) -> Token | None:
        """The next token, an empty one for what is left out, None at the end."""
        if self._position >= len(self._html):
            return None
        if self._html[self._position] == "<" and (found := self._markup()) is not None:
            return found
        start = self._position
        end = self._html.find("<", start + 1)
        self._position = end if end >= 0 else len(self._html)
        return Token("", _unescaped(self._html[start : self._position]))

    def _markup(self) -> Token | None:
        """What begins at this `<`; None when it is a plain character."""
        start = self._position
        if self._html.startswith("<!--", start):
            # A comment that never ends hides nothing.
            end = self._html.find("-->", start + 2) + 3 if start < self._last_comment_end else start + 4
            self._position = end
            return Token("")
        following = self._html[start + 1 : start + 2]
        if start > self._last_bracket or not (following in ("/", "!", "?") or following.isalpha()):
            return None
        end = self._tag_end(start)
        tag, self._position = self._html[start + 1 : end], end + 1
        closes = tag.startswith("/")
        name = _NAME.match(tag, 1 if closes else 0)
        if name is None or len(tag) > _MAX_TAG:
            return Token("")
        return self._tag(name.group().lower(), tag, name.end(), closes)

    def _tag(self, name: str, tag: str, name_end: int, closes: bool) -> Token:
        if closes:
            return Token(name, closes=True)
        if name in _RAW_TEXT:
            if self._position <= self._raw_ends[name]:
                found = _END_OF_RAW[name].search(self._html, self._position)
                self._position = found.start() if found else len(self._html)
            return Token("")
        return Token(name, attributes=_attributes(tag, name_end))

    def _tag_end(self, start: int) -> int:
        """The `>` that ends the tag: the first that is not inside a quoted value, if it comes soon; else the first."""
        nearest = self._html.find(">", start)
        limit, position = start + _MAX_TAG, start + 1
        if nearest > limit:
            return nearest
        for _ in range(_MAX_QUOTED_VALUES):
            found = _VALUE_OR_END.search(self._html, position, limit)
            if found is None:
                break
            if not found.group(1):
                return found.start()
            closing = self._html.find(found.group(1), found.end(), limit)
            if closing < 0:
                break
            position = closing + 1
        return nearest


def _attributes(tag: str, start: int) -> Attributes:
    found: Attributes = {}
    for name, double, single, bare in _ATTRIBUTE.findall(tag, start):
        found.setdefault(name.lower(), _unescaped(double or single or bare))
    return found


def _unescaped(text: str) -> str:
    return markup.unescape(_NO_LETTER.sub("\ufffd", text)) if "&" in text else text
