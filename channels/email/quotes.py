"""Which lines of a mail are the person's own, and which are the mail they answer or pass on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from channels.email.lines import Line, says_something
from channels.email.quote_headers import Header, find_headers


class Part(Enum):
    """Whose a line is. INTRODUCTION: a program's line over a quote. REST: quoted to the end, without marks."""

    OWN = "own"
    QUOTE = "quote"
    INTRODUCTION = "introduction"
    REST = "rest"


@dataclass(frozen=True)
class Divided:
    """The lines and what each is. `forwarded_from`: the first line of a mail that is passed on, if one is."""

    lines: list[Line]
    parts: list[Part]
    forwarded_from: int | None = None


def divide(lines: list[Line]) -> Divided:
    """Tell the lines apart. What has no sign of being quoted is the person's own."""
    return _Divider(lines).divided()


class _Divider:
    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._headers = find_headers(lines)
        self._boxes_with_cites = {line.box for line in lines if line.box and line.depth}
        sure = [number for number, line in enumerate(lines) if line.starts_rest == "surely"]
        self._last_sure = sure[-1] if sure else -1
        self._parts: list[Part] = []
        self._has_own = False
        self._introduced = False

    def divided(self) -> Divided:
        at = 0
        while at < len(self._lines):
            header = self._header(at)
            if header is None:
                self._take(at)
                at += 1
                continue
            if header.kind == "forwarded" and not self._lines[at].depth:
                return self._rest(at, forwarded_from=header.end)
            if not self._goes_on_marked(header):
                return self._rest(at, forwarded_from=None)
            self._parts += [Part.INTRODUCTION] * (header.end - at)
            self._introduced = True
            at = header.end
        return Divided(self._lines, self._parts)

    def _header(self, at: int) -> Header | None:
        line = self._lines[at]
        if line.starts_rest == "surely" or (line.starts_rest == "maybe" and at > self._last_sure):
            return self._headers.get(at) or Header("original", at, at)
        if line.starts_rest == "header" and self._looks_like_header(at):
            return self._headers.get(at) or Header("original", at, at)
        return self._headers.get(at)

    def _looks_like_header(self, at: int) -> bool:
        """Outlook's line over a quote, above labels in a language nobody listed."""
        labels = self._lines[at : at + 6]
        return sum(":" in line.text[:40] for line in labels) >= 3

    def _goes_on_marked(self, header: Header) -> bool:
        """Whether the quote below says of itself where it ends."""
        if header.kind == "one_line":
            return False
        if header.kind != "attribution" and (self._has_own or header.start == header.end):
            # Below a block of headers a mark is that of an older mail, quoted inside the quote.
            return False
        following = next((line for line in self._lines[header.end :] if not line.blank), None)
        return following is not None and bool(following.depth or following.maybe or following.whole)

    def _take(self, at: int) -> None:
        line = self._lines[at]
        part = self._part(line)
        self._parts.append(part)
        if part is Part.INTRODUCTION:
            self._introduced = True
        elif not line.blank:
            self._introduced = self._introduced and part is Part.QUOTE
            self._has_own = self._has_own or (part is Part.OWN and says_something(line.text))

    def _part(self, line: Line) -> Part:
        if line.introduces:
            return Part.INTRODUCTION
        if line.depth or line.whole or (line.maybe and self._introduced):
            return Part.QUOTE
        if line.box and line.box not in self._boxes_with_cites:
            return Part.QUOTE
        return Part.OWN

    def _rest(self, at: int, *, forwarded_from: int | None) -> Divided:
        rest = [Part.REST] * (len(self._lines) - at)
        return Divided(self._lines, self._parts + rest, forwarded_from)
