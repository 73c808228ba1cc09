"""Replies in the shapes of mail programs: every program in every language, as a whole mail and as its plain text alone."""

from __future__ import annotations

import html as markup
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
SHOP = "Lakeside Window Tint <shop@lakeside.example>"
TIGHT = "Lakeside Window Tint<shop@lakeside.example>"
_PLACE = re.compile(r"\{(?:(html|wrapped):)?([a-z_]+)\}")
# Filled in by whoever makes the mail.
_OURS = ("ours", "ours_html")


def rows() -> Iterator[dict[str, object]]:
    """A row of `tests.email_set.cases.make_case` for each program, language and form."""
    languages = yaml.safe_load((FOLDER / "languages.yaml").read_text(encoding="utf-8"))
    clients = yaml.safe_load((FOLDER / "clients.yaml").read_text(encoding="utf-8"))
    for number, client in enumerate(clients):
        for step, (language, words) in enumerate(languages.items()):
            message = words["messages"][(number + step) % len(words["messages"])].strip()
            whole = _row(client, language, words, message, number)
            yield whole
            if "plain" in whole and "html" in whole:
                other = words["messages"][(number + step + 1) % len(words["messages"])].strip()
                alone = _row(client, language, words, other, number + 1)
                del alone["html"]
                yield {**alone, "id": f"{alone['id']}-plain"}


def _row(
    client: dict[str, Any], language: str, words: dict[str, Any], message: str, number: int
) -> dict[str, object]:
    said = {
        **words,
        **words["labels"],
        "text": message,
        "text_html": divs(message),
        "text_word": word(message),
    }
    row: dict[str, object] = {
        "id": f"{client['client']}-{language}",
        "client": client["client"],
        "language": language,
        "charset": _charset(words["charsets"], message, number),
        "encoding": client.get("encoding", "quoted-printable"),
        "flowed": client.get("flowed", False),
        "expect": message,
    }
    return row | {part: _filled(client[part], said) for part in ("plain", "html") if part in client}


def _charset(charsets: list[str], message: str, number: int) -> str:
    """One of the language's charsets in turn, if it has all the letters."""
    charset = charsets[number % len(charsets)]
    return charset if message.encode(charset, "replace").decode(charset) == message else "utf-8"


def _filled(shape: str, said: dict[str, Any]) -> str:
    def fill(match: re.Match[str]) -> str:
        form, name = match.groups()
        if name in _OURS:
            return match.group()
        text = str(said[name]).replace("{shop}", SHOP).replace("{tight}", TIGHT)
        if form == "html":
            return markup.escape(text)
        return "\n".join(textwrap.wrap(text, 76, break_long_words=False)) if form == "wrapped" else text

    return _PLACE.sub(fill, shape)


def divs(message: str) -> str:
    """As Gmail, Apple Mail and most others write: a line is a div, an empty one holds a break."""
    return "".join(f"<div>{markup.escape(line) or '<br>'}</div>" for line in message.split("\n"))


def word(message: str) -> str:
    """As Outlook for Windows writes."""
    lines = (markup.escape(line) or "&nbsp;" for line in message.split("\n"))
    return "".join(f"<p class=MsoNormal>{line}<o:p></o:p></p>" for line in lines)
