"""Whole mails with the words a person wrote in them, and how well those words are found.

Two sets: `tests/email_set` (its misses may be mended) and `tests/email_held_out` (written before the rules, only ever
scored). A case holds a plain text, an HTML text or both; they become a MIME mail in the charset and encoding of the
case and are taken apart again by the product. `{ours}`, `{>ours}` and `{ours_html}` stand for a mail of ours as it
leaves, its footer included: plain, quoted, and as HTML.
"""

from __future__ import annotations

import html as markup
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from channels.email.mail import Words
from channels.email.mime import parse_mime
from channels.email.words import read_words
from channels.templates import Shop, Variables, names, render
from tests.email_set import shapes
from tests.email_set.mime_mail import as_mime

TESTS = Path(__file__).parents[1]
TUNED, HELD_OUT = TESTS / "email_set", TESTS / "email_held_out"
SHOP = Shop(
    "Lakeside Window Tint", "2200 N Lake Shore Service Rd, Chicago, IL 60614", "(312) 555-0100", "Mon-Fri"
)


@dataclass(frozen=True)
class Case:
    """One mail and the words that are its writer's own."""

    id: str
    client: str
    language: str
    raw: bytes
    expect: str
    inline: bool
    forwarded: bool


@dataclass(frozen=True)
class Result:
    """What was read in one case."""

    case: Case
    text: str
    inline: bool = False
    forwarded: bool = False

    @property
    def exact(self) -> bool:
        """The same words in the same order, quote marks included; how lines are wrapped does not matter."""
        return self.text.split() == self.case.expect.split()

    @property
    def told(self) -> bool:
        """The words are exact, and so is what kind of words they are."""
        return self.exact and (self.inline, self.forwarded) == (self.case.inline, self.case.forwarded)


def our_mail(key: str, language: str) -> str:
    """One of the mails the cadence sends, chosen by `key`, as plain text."""
    wanted = "es" if language == "es" else "en"
    every = names()
    variables = Variables(
        shop=SHOP,
        first_name="Dana",
        car="2021 Honda Civic",
        request="ceramic tint",
        language=wanted,
        visit="Thu, Dec 3 at 2:00 PM",
    )
    return render(every[zlib.crc32(key.encode()) % len(every)], "email", variables).body.strip()


def quoted(text: str) -> str:
    """The text as a mail program quotes it in plain text."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def as_html(text: str) -> str:
    """The text in the HTML our mails have."""
    paragraphs = [markup.escape(one).replace("\n", "<br>") for one in re.split(r"\n{2,}", text)]
    return "".join(f'<p style="margin:0 0 16px">{one}</p>' for one in paragraphs)


def filled(text: str, ours: str) -> str:
    """A case's text with our mail in its places."""
    for name, words in (("{ours}", ours), ("{>ours}", quoted(ours)), ("{ours_html}", as_html(ours))):
        text = text.replace(name, words)
    return text


def load(folder: Path) -> list[Case]:
    """The cases of a set: those of its YAML files, and for the tuned set those made of the shapes of mail programs."""
    made = [make_case(row) for row in shapes.rows()] if folder == TUNED else []
    return made + [case for file in sorted(folder.glob("*.yaml")) for case in _cases(file)]


def _cases(file: Path) -> Iterator[Case]:
    rows = yaml.safe_load(file.read_text(encoding="utf-8"))
    for row in rows:
        yield make_case(row)


def make_case(row: dict[str, object]) -> Case:
    """A case of a row: id, expect, plain and/or html, and optionally client, language, charset, encoding, flowed,
    inline, forwarded."""
    language = str(row.get("language", "en"))
    ours = our_mail(str(row["id"]), language)
    plain, html = (filled(str(row.get(part) or ""), ours) for part in ("plain", "html"))
    raw = as_mime(
        plain,
        html,
        charset=str(row.get("charset", "utf-8")),
        encoding=str(row.get("encoding", "quoted-printable")),
        flowed=bool(row.get("flowed")),
    )
    return Case(
        id=str(row["id"]),
        client=str(row.get("client", row["id"])),
        language=language,
        raw=raw,
        expect=filled(str(row["expect"]), ours),
        inline=bool(row.get("inline")),
        forwarded=bool(row.get("forwarded")),
    )


Reader = Callable[[str, str], Words]


def read(case: Case, reader: Reader = read_words) -> Result:
    """The case through the product: MIME, then the words."""
    plain, html = _parts(case.raw)
    words = reader(plain, html)
    return Result(case, words.text, words.inline, words.forwarded)


@lru_cache(maxsize=1024)
def _parts(raw: bytes) -> tuple[str, str]:
    content = parse_mime(raw)
    return content.plain, content.html


def score(cases: list[Case], reader: Reader = read_words) -> list[Result]:
    """Every case read."""
    return [read(case, reader) for case in cases]
