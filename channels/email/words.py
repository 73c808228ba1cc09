"""What the person wrote in a mail, from its plain text and its HTML.

The HTML comes first where there is one: mail programs mark there what they quote, and only there can be seen what is
hidden. The text of the same mail is read when the HTML says nothing, and beside it when it says something else (Apple
Mail puts the words in one part and "Sent from my iPhone" in another).
"""

from __future__ import annotations

import re
from dataclasses import replace

from channels.email.footers import without_our_footers
from channels.email.html_text import html_lines
from channels.email.lines import Line, joined, one_newline, plain_lines, says_anything, says_something
from channels.email.mail import Words
from channels.email.quote_headers import introduces_forward
from channels.email.quotes import Divided, Part, divide
from channels.email.signatures import without_ending

MAX_TEXT = 100_000
# Two texts of one mail say the same when at most this share of one's words is missing in the other: programs wrap,
# stress and hyphenate differently.
_MISSING = 0.3
_TOKEN = re.compile(r"\w+")
_LINK = re.compile(r"<?https?://[^\s>]{1,2000}>?|\[(?:image|cid):[^\]\n]{0,300}\]")


def read_words(plain: str, html: str) -> Words:
    """What the person wrote now, and everything that stands in the mail; never raises, in linear time.

    `text` is empty only when no letter, digit or symbol is to be seen anywhere: a mail that is nothing but a quotation
    gives the quotation, its lines behind `>` where the mail marks them. `forwarded`: `text` is what somebody else wrote
    and the sender passed on without a line of their own. Texts are cut after 100,000 characters.
    """
    plain = one_newline(plain).strip()[:MAX_TEXT]
    seen = html_lines(html) if html.strip() else []
    if not says_anything(seen):
        if says_something(plain) or not html.strip():
            return _words(plain_lines(plain), plain)
        # Nothing is to be seen at all. Rather a hidden word than a lost mail.
        seen = html_lines(html, everything=True)
    shown = _text(seen)[:MAX_TEXT]
    from_html = _words(_within(seen), shown)
    if not says_something(plain):
        return from_html
    return _both(from_html, _words(plain_lines(plain), plain), html)


def strip_reply(text: str) -> str:
    """The person's own words in a plain text."""
    return read_words(text, "").text


def _words(lines: list[Line], full: str) -> Words:
    divided = divide(without_our_footers(lines))
    runs = _runs(divided)
    if any(part is Part.OWN for part, _ in runs):
        text, inline = _own(runs)
        return Words(text[:MAX_TEXT], full, inline=inline)
    return _nothing_own(divided, lines, full)


def _runs(divided: Divided) -> list[tuple[Part, list[Line]]]:
    """The mail as runs of own and quoted lines in turn, without what says nothing."""
    runs: list[tuple[Part, list[Line]]] = []
    for line, part in zip(divided.lines, divided.parts, strict=True):
        if part is Part.INTRODUCTION:
            continue
        if runs and (runs[-1][0] is part or (line.blank and part is Part.OWN)):
            runs[-1][1].append(line)
        else:
            runs.append((part, [line]))
    trimmed = [(part, without_ending(lines) if part is Part.OWN else lines) for part, lines in runs]
    return [(part, lines) for part, lines in trimmed if says_anything(lines)]


def _own(runs: list[tuple[Part, list[Line]]]) -> tuple[str, bool]:
    """The person's runs; with the quotes they answer in between when they answer between the quotes."""
    own = [number for number, (part, _) in enumerate(runs) if part is Part.OWN]
    quotes = [number for number, (part, _) in enumerate(runs) if part is Part.QUOTE]
    inline = any(quotes and quotes[0] < number < quotes[-1] for number in own)
    if not inline:
        return "\n\n".join(_text(runs[number][1]) for number in own), False
    told: list[str] = []
    for number, (part, lines) in enumerate(runs[: own[-1] + 1]):
        told.append(_text(lines) if part is Part.OWN else _as_quote(lines))
        if number < own[-1]:
            told.append("" if part is Part.OWN else "\n")
    return joined("\n".join(told).split("\n")), True


def _as_quote(lines: list[Line]) -> str:
    quoted = [replace(line, text=line.text.strip(), depth=max(line.depth, 1)) for line in lines]
    return joined([line.marked for line in quoted if not line.blank])


def _nothing_own(divided: Divided, lines: list[Line], full: str) -> Words:
    """Nobody wrote a line of their own: what was passed on, or everything there is."""
    start = divided.forwarded_from
    if start is None:
        start = _quoted_forward(divided.lines)
    if start is not None and says_anything(divided.lines[start:]):
        depth = min(line.depth for line in divided.lines[start:] if not line.blank)
        passed_on = [replace(line, depth=max(line.depth - depth, 0)) for line in divided.lines[start:]]
        return Words(_text(passed_on)[:MAX_TEXT], full, forwarded=True)
    if says_anything(divided.lines):
        return Words(_text(divided.lines)[:MAX_TEXT], full)
    # Nothing but our own footer came back: it is shown as what it is, a quotation. Or nobody said anything.
    return Words((_as_quote if says_anything(lines) else _text)(lines)[:MAX_TEXT], full)


def _quoted_forward(lines: list[Line]) -> int | None:
    """The line after Apple Mail's "Begin forwarded message:", which it puts inside the quote."""
    first = next((number for number, line in enumerate(lines) if not line.blank), 0)
    return first + 1 if lines and introduces_forward(lines[first].text) else None


def _both(from_html: Words, from_plain: Words, html: str) -> Words:
    """One reading of two texts: the HTML's where it holds what the plain text says, else both one after the other."""
    html_known, plain_known = _tokens(from_html.full), _tokens(from_plain.full)
    full = _both_full(from_html, from_plain, html_known, plain_known)
    if not _covers(html_known, _tokens(from_plain.text), _MISSING) and not from_plain.forwarded:
        # The plain text may say what the HTML hides; then it is still nobody's word.
        html_known |= _tokens(_text(html_lines(html, everything=True))[:MAX_TEXT])
    if _covers(html_known, _tokens(from_plain.text), _MISSING) or from_plain.forwarded:
        return Words(from_html.text, full, from_html.inline, from_html.forwarded)
    if (
        from_html.forwarded
        or _covers(plain_known, _tokens(from_html.text), _MISSING)
        or _is_ending(from_html.full)
    ):
        return Words(from_plain.text, full, from_plain.inline, from_plain.forwarded)
    text = f"{from_plain.text}\n\n{from_html.text}"[:MAX_TEXT]
    return Words(text, full, from_html.inline or from_plain.inline)


def _both_full(from_html: Words, from_plain: Words, html_known: set[str], plain_known: set[str]) -> str:
    """Every word of both: one of the two where it has all, else both."""
    if _covers(plain_known, html_known, 0):
        return from_plain.full
    if _covers(html_known, plain_known, 0):
        return from_html.full
    return f"{from_plain.full}\n\n{from_html.full}"


def _covers(known: set[str], said: set[str], missing: float) -> bool:
    """Whether the words said are known, but for a share of them."""
    return len(said - known) <= missing * len(said)


def _is_ending(text: str) -> bool:
    return not says_anything(without_ending(plain_lines(text)))


def _tokens(text: str) -> set[str]:
    return set(_TOKEN.findall(_LINK.sub(" ", text).casefold()))


def _within(lines: list[Line]) -> list[Line]:
    """The lines that fit into the longest text there is."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line.text) + 1
        if size > MAX_TEXT:
            return lines[: number + 1]
    return lines


def _text(lines: list[Line]) -> str:
    return joined([line.marked for line in lines])
