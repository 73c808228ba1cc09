"""What holds inside the open elements of an HTML mail, and the lines that grow from their words."""

from __future__ import annotations

import re
from typing import NamedTuple

from channels.email.lines import Line, unmarked

_NO_WIDTH = re.compile("[\u00ad\u034f\u180e\u200b\u2060\ufeff]")
_SPACE_IN_LINE = re.compile(r"[^\S\n]+|\xa0")


class State(NamedTuple):
    """What holds inside the open elements."""

    gone: bool = False
    tiny: bool = False
    invisible: bool = False
    aside: bool = False
    keeps_lines: bool = False
    depth: int = 0
    introduces: bool = False
    signature: bool = False
    whole: bool = False
    maybe: bool = False
    box: int = 0


class Open:
    """An open element. `count` numbers the items of a list, `number` the elements of the page."""

    __slots__ = ("count", "name", "number", "state")

    def __init__(self, name: str, state: State, number: int) -> None:
        self.name, self.state, self.number, self.count = name, state, number, 0


class GrowingLines:
    """The lines that grow while the tags are read."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._text: list[str] = []
        self._state = State()
        self._starts_rest = ""
        self._held = False

    def add(self, text: str, state: State) -> None:
        """Text in the open line; the first visible piece decides whose line it is."""
        if not self._text:
            if not text.strip() and not state.keeps_lines:
                return
            self._state, self._held = state, False
        self._text.append(text)

    def hold(self) -> None:
        """A blank that does not break: an otherwise empty line is one that somebody wanted."""
        self._held = not self._text

    def end(self) -> bool:
        """End the open line; False when there was none."""
        if not self._text:
            held, self._held = self._held, False
            if held and self.lines and self.lines[-1].text:
                self._put("")
            return held
        text, self._text = _SPACE_IN_LINE.sub(" ", _NO_WIDTH.sub("", "".join(self._text))).strip(), []
        self._put(text)
        return True

    def blank(self) -> None:
        """An empty line, unless there is one."""
        self.end()
        if self.lines and self.lines[-1].text:
            self._put("")

    def rest_starts(self, how: str) -> None:
        """The next line is the first of what is quoted to the end."""
        self.end()
        self._starts_rest = how

    def turn(self, state: State) -> None:
        """Empty lines from here on belong to this state."""
        if not self._text:
            self._state = state

    def _put(self, text: str) -> None:
        state = self._state
        # Somebody's plain text shown as HTML keeps its own marks.
        text, marks = unmarked(text)
        line = Line(
            text, state.depth + marks, state.introduces, state.signature, state.whole, state.maybe, state.box,
        )  # fmt: skip
        if text:
            line.starts_rest, self._starts_rest = self._starts_rest, ""
        self.lines.append(line)
