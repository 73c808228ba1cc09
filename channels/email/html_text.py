"""HTML mail to plain text, and the part of it the person wrote."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_MAX_HTML = 300_000
_MAX_TAG = 4_000
_SILENT = frozenset({"script", "style", "head", "title", "template", "noscript", "svg"})
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6", "header", "footer")
_LAYOUT = ("address", "article", "blockquote", "div", "fieldset", "form", "hr", "main", "p", "pre", "section")
_BLOCKS = frozenset({*_HEADINGS, *_LAYOUT, "dl", "dt", "dd", "li", "ol", "ul", "table", "tr"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
# What mail programs wrap around the quoted mail; the element goes, what follows stays (messaging facts 4.6).
_QUOTES = frozenset({"gmail_quote", "gmail_extra", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote"})
# What Outlook puts before the quoted mail: everything from here on goes.
_QUOTE_STARTS = frozenset({"appendonsend", "divrplyfwdmsg", "stopspelling"})


class _TextOf(HTMLParser):
    def __init__(self, *, without_quotes: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._without_quotes = without_quotes
        self._skipped: str | None = None
        self._depth = 0
        self._ended = False
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped is not None:
            self._depth += tag == self._skipped
            return
        if self._without_quotes and self._quote(tag, dict(attrs)):
            return
        if tag in _SILENT:
            self._skip(tag)
        elif tag == "br" or tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        elif tag in {"td", "th"}:
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped is not None:
            self._depth -= tag == self._skipped
            if self._depth == 0:
                self._skipped = None
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._skipped is None and not self._ended:
            self.parts.append(re.sub(r"\s+", " ", data))

    def _quote(self, tag: str, attrs: dict[str, str | None]) -> bool:
        if (attrs.get("id") or "").lower().removeprefix("x_") in _QUOTE_STARTS:
            self._ended = True
            return True
        classes = set((attrs.get("class") or "").lower().split())
        cited = tag == "blockquote" and (attrs.get("type") or "").lower() == "cite"
        if cited or classes & _QUOTES:
            self._skip(tag)
            return True
        return False

    def _skip(self, tag: str) -> None:
        if tag not in _VOID:
            self._skipped, self._depth = tag, 1


def html_to_text(html: str, *, without_quotes: bool = False) -> str:
    """Plain text of an HTML mail, lines where blocks begin and end; never raises.

    `without_quotes` leaves out what Gmail, Apple Mail, Yahoo, Thunderbird and Outlook mark as the quoted
    mail. Only the first 300,000 characters are read: the answer is at the top and the raw mail is kept.
    """
    parser = _TextOf(without_quotes=without_quotes)
    try:
        parser.feed(_tamed(html[:_MAX_HTML]))
        parser.close()
    except (AssertionError, ValueError):
        # html.parser gives up on some malformed declarations; what it read so far stands.
        pass
    lines = [re.sub(r"[ \xa0\t]+", " ", line).strip() for line in "".join(parser.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _tamed(html: str) -> str:
    """Leave nothing on which html.parser takes quadratic time (minutes for one mail): a `<` that closes nowhere is
    text, and a tag longer than any real one (a picture inside its own address) goes."""
    last_comment_end = html.rfind("-->")
    first, *pieces = html.split("<")
    kept, position = [first], len(first)
    for piece in pieces:
        end = piece.find(">")
        if piece.startswith("!--"):
            kept.append(("<" if position < last_comment_end else "&lt;") + piece)
        elif end < 0:
            kept.append("&lt;" + piece)
        else:
            kept.append("<" + piece if end <= _MAX_TAG else piece[end + 1 :])
        position += len(piece) + 1
    return "".join(kept)
