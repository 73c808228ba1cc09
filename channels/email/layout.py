"""The HTML beside a mail's plain text: the same words in the same order, made from the text alone.

What is sent is the row to the letter, so this adds nothing that is to be read: it only knows paragraphs, lists with a
dash, the part below a line `--`, and links. Only addresses of our own become links; a mail program that makes links of
other words does that with the plain text too. One column without tables, pictures or colours: every program shows it,
in the dark as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

FOLDER = Path(__file__).parent / "layouts"
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_BULLET = re.compile(r"^\s{0,3}[-*•]\s+(?=\S)")
# The dash pair that mail programs know as the beginning of a signature (RFC 3676, 4.3); with or without its blank.
_RULE = re.compile(r"^-- ?$", re.MULTILINE)


class Piece(NamedTuple):
    """Some words of a line; with an address they are a link."""

    text: str
    url: str | None = None


Line = tuple[Piece, ...]


@dataclass(frozen=True)
class Block:
    """A paragraph or a list. Each item has one line or more; a paragraph is one item."""

    kind: Literal["paragraph", "list"]
    items: tuple[tuple[Line, ...], ...]


def html_body(text: str, *, subject: str = "", our_hosts: tuple[str, ...] = ()) -> str:
    """The page for a text. Everything is escaped; `our_hosts` are the hosts that links may lead to, their subdomains
    included. The same text always gives the same page."""
    whole = re.sub(r"\r\n?", "\n", text).strip("\n")
    head, _, tail = _split(whole)
    return _layout().render(
        subject=subject, body=_blocks(head, our_hosts), footer=_blocks(tail, our_hosts) if tail else ()
    )


def is_ours(url: str, our_hosts: tuple[str, ...]) -> bool:
    """Whether an address of a web page leads to one of these hosts or below it."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    # A name and a password in front of the host are how an address pretends to lead elsewhere.
    return "@" not in parts.netloc and any(
        host == one or host.endswith(f".{one}") for one in our_hosts if one
    )


@lru_cache(maxsize=1)
def _layout() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("mail.html.j2")


def _split(text: str) -> tuple[str, str, str]:
    """The text before and after its last `--` line; a text of the footer alone is all body."""
    found = list(_RULE.finditer(text))
    if not found or not text[: found[-1].start()].strip():
        return text, "", ""
    return text[: found[-1].start()], found[-1].group(), text[found[-1].end() :]


def _blocks(text: str, our_hosts: tuple[str, ...]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for paragraph in re.split(r"\n[ \t]*\n+", text.strip("\n")):
        for is_list, items in _runs(paragraph.split("\n")):
            lines = tuple(tuple(_pieces(line, our_hosts) for line in item) for item in items)
            blocks.append(Block("list" if is_list else "paragraph", lines))
    return tuple(blocks)


def _runs(lines: list[str]) -> list[tuple[bool, list[list[str]]]]:
    """The lines of a paragraph as runs of list items and of plain lines. An indented line goes on with its item."""
    runs: list[tuple[bool, list[list[str]]]] = []
    for line in lines:
        if _BULLET.match(line):
            if not runs or not runs[-1][0]:
                runs.append((True, []))
            runs[-1][1].append([_BULLET.sub("", line)])
        elif runs and (not runs[-1][0] or line.startswith("  ")):
            runs[-1][1][-1].append(line.strip() if runs[-1][0] else line)
        elif line.strip():
            runs.append((False, [[line]]))
    return runs


def _pieces(line: str, our_hosts: tuple[str, ...]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    position = 0
    for match in _LINK.finditer(line):
        if is_ours(match.group(), our_hosts):
            pieces += [Piece(line[position : match.start()]), Piece(match.group(), match.group())]
            position = match.end()
    return tuple(piece for piece in [*pieces, Piece(line[position:])] if piece.text)
