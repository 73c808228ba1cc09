"""HTML mail as lines: what a person sees of it, and which of it their mail program marks as quoted or as signature."""

from __future__ import annotations

import re

from channels.email.html_elements import GrowingLines, Open, State
from channels.email.html_style import Attributes, look_of, role_of
from channels.email.html_tokens import Token, tokens
from channels.email.lines import Line, joined, says_anything

_MAX_DEPTH = 400
# How far up an end tag of a mere style looks for its beginning.
_NEAR = 12
_SILENT = frozenset({"template", "svg", "math", "datalist", "object", "audio", "video", "canvas", "map"})
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
})  # fmt: skip
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6", "header", "footer")
_BLOCKS = frozenset({
    *_HEADINGS, "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figure", "form", "head", "hr", "html", "li", "main", "nav", "ol", "option", "p", "pre", "section",
    "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
})  # fmt: skip
# Cells stand side by side, and what only holds cells or lines makes no line of its own.
_NO_LINE = frozenset({"td", "th", "body", "head", "html"})
_SPACED = frozenset({*_HEADINGS, "blockquote", "dl", "ol", "p", "pre", "table", "ul"})
_SPACE = re.compile(r"[\s\xa0]+")


class _Page:
    """The elements that are open, and the lines so far. Elements numbered in `shown` hide nothing, with `everything`
    none does."""

    def __init__(self, shown: frozenset[int], *, asides: bool, everything: bool) -> None:
        self._shown, self._asides, self._everything = shown, asides, everything
        self._number = 0
        # Hidden elements that nothing ended: what hides must say how far.
        self.unended: set[int] = set()
        self._stack: list[Open] = [Open("", State(), 0)]
        self._open: dict[str, int] = {}
        self._too_deep = 0
        self._boxes = 0
        self.out = GrowingLines()

    @property
    def _state(self) -> State:
        return self._stack[-1].state

    def _hides(self, state: State) -> bool:
        if self._everything:
            return False
        return state.gone or state.tiny or state.invisible or (state.aside and not self._asides)

    def take(self, token: Token) -> None:
        """One tag or text."""
        if not token.name:
            self._words(token.text)
        elif token.closes:
            self._close(token.name)
        else:
            self._begin(token.name, token.attributes)

    def _words(self, text: str) -> None:
        state = self._state
        if self._hides(state):
            return
        if "\xa0" in text and not text.strip():
            self.out.hold()
        if not state.keeps_lines:
            self.out.add(_SPACE.sub(" ", text), state)
            return
        first, *more = text.split("\n")
        self.out.add(first, state)
        for line in more:
            if not self.out.end():
                self.out.blank()
            self.out.add(line, state)

    def _begin(self, name: str, attributes: Attributes) -> None:
        if name == "br":
            if not self.out.end() and not self._hides(self._state):
                self.out.blank()
            return
        if name == "p" or name == "li":
            self._close_near(name)
        state = self._inside(name, attributes)
        if name in _BLOCKS:
            self._edge(name, attributes, state)
        if name == "img" and not self._hides(state):
            self.out.add(_emoji(attributes), state)
        if name in _VOID:
            return
        if len(self._stack) > _MAX_DEPTH:
            self._too_deep += 1
            return
        self._stack.append(Open(name, state, self._number))
        self._open[name] = self._open.get(name, 0) + 1

    def _edge(self, name: str, attributes: Attributes, state: State) -> None:
        """The line that ends where a block begins, and what begins there."""
        if name in ("td", "th"):
            self.out.add(" ", self._state)
        if name not in _NO_LINE:
            self.out.end()
        if attributes:
            rest = role_of(name, attributes).starts_rest
            if rest or (look_of(attributes).outlook_header and not self._hides(state)):
                self.out.rest_starts(rest or "header")
        if state != self._state:
            self.out.end()
        self.out.turn(state)
        if name in _SPACED and not _is_word_paragraph(attributes):
            self.out.blank()
        if name == "li" and not self._hides(state):
            self.out.add(self._bullet(), state)

    def _bullet(self) -> str:
        around = next((one for one in reversed(self._stack[-_NEAR:]) if one.name in ("ol", "ul")), None)
        if around is None or around.name == "ul":
            return "- "
        around.count += 1
        return f"{around.count}. "

    def _inside(self, name: str, attributes: Attributes) -> State:
        state = self._state
        self._number += 1
        if not attributes:
            return self._plain_inside(name, state)
        look, role = look_of(attributes), role_of(name, attributes)
        cites = role.cites or (name == "blockquote" and look.bordered)
        self._boxes += role.box
        aside = (attributes.get("aria-hidden") or "").lower() == "true"
        return State(
            gone=state.gone or name in _SILENT or (look.gone and self._number not in self._shown),
            tiny=state.tiny if look.tiny is None else look.tiny,
            invisible=state.invisible if look.invisible is None else look.invisible,
            aside=state.aside or aside,
            keeps_lines=name == "pre"
            or (state.keeps_lines if look.keeps_lines is None else look.keeps_lines),
            depth=state.depth + cites,
            introduces=state.introduces or role.introduces,
            signature=state.signature or role.signature,
            whole=state.whole or role.whole,
            maybe=state.maybe or (name == "blockquote" and not cites),
            box=state.box or (self._boxes if role.box else 0),
        )

    def _plain_inside(self, name: str, state: State) -> State:
        if name in _SILENT:
            return state._replace(gone=True)
        if name == "blockquote":
            return state._replace(maybe=True)
        return state._replace(keeps_lines=True) if name == "pre" else state

    def _close(self, name: str) -> None:
        if self._too_deep and name not in _VOID:
            self._too_deep -= 1
        elif self._open.get(name):
            if name in _BLOCKS:
                self._pop_to(name)
            else:
                self._close_near(name)
        if name in _BLOCKS and name not in _NO_LINE:
            self.out.end()
            if name in _SPACED:
                self.out.turn(self._state)

    def _close_near(self, name: str) -> None:
        """Close the innermost element of this name, unless it is far up or a block is in between."""
        for above in range(1, min(_NEAR, len(self._stack) - 1) + 1):
            found = self._stack[-above].name
            if found == name:
                self._pop_to(name)
                return
            if found in _BLOCKS:
                return

    def _pop_to(self, name: str) -> None:
        before = self._state
        while (closed := self._stack.pop()).name != name:
            self._open[closed.name] -= 1
            self._ended_by_another(closed)
        self._open[name] -= 1
        if self._state != before:
            if name in _BLOCKS:
                self.out.end()
            self.out.turn(self._state)

    def _ended_by_another(self, closed: Open) -> None:
        # An end tag of a paragraph or a list item may be left out, that of a hidden box may not.
        if closed.state.gone and closed.name not in ("p", "li") and not self._stack[-1].state.gone:
            self.unended.add(closed.number)

    def finish(self) -> None:
        """The end of the page."""
        while len(self._stack) > 1:
            self._ended_by_another(self._stack.pop())
        self.out.end()


def html_lines(html: str, *, everything: bool = False) -> list[Line]:
    """The lines of an HTML mail that can be seen; never raises.

    What `aria-hidden` keeps from being read aloud is no words of a person, unless there is nothing else. What hides and
    never ends hides nothing: a stop behind it may be the person's. With `everything` hidden text is shown, too.
    """
    page = _read(html, everything=everything)
    if page.unended:
        page = _read(html, frozenset(page.unended), everything=everything)
    if not says_anything(page.out.lines) and "aria-hidden" in html.lower():
        page = _read(html, asides=True, everything=everything)
    return page.out.lines


def _read(
    html: str, shown: frozenset[int] = frozenset(), *, asides: bool = False, everything: bool = False
) -> _Page:
    page = _Page(shown, asides=asides, everything=everything)
    for token in tokens(html):
        page.take(token)
    page.finish()
    return page


def html_to_text(html: str) -> str:
    """An HTML mail as plain text, quoted lines behind `>`; never raises. Hidden text only when there is no other."""
    lines = html_lines(html)
    if not says_anything(lines):
        lines = html_lines(html, everything=True)
    return joined([line.marked for line in lines])


def _is_word_paragraph(attributes: Attributes) -> bool:
    """A paragraph of Word or Outlook, which is one line."""
    return (attributes.get("class") or "").lower().removeprefix("x_").startswith("mso")


def _emoji(attributes: Attributes) -> str:
    """Gmail and others send pictures of emoji; a thumb may be the whole answer. Words of a picture are no text."""
    words = attributes.get("alt") or ""
    return (
        words if len(words) <= 12 and not words.isascii() and not any(one.isalpha() for one in words) else ""
    )
