"""In which encoding and with which delimiter a file was written: what spreadsheets really save."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

CHUNK = 1 << 20
SAMPLE_LINES = 50
DELIMITERS = ",;\t|"
NAMES = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


class NotATable(ValueError):
    """The file as a whole cannot be read as a table. The message says what to do about it."""


def encoding_of(path: Path) -> str:
    """The encoding of a file: what its first bytes say, else UTF-8 if all of it is, else Windows' western one.

    Raises NotATable for what is no text at all.
    """
    with path.open("rb") as file:
        first = file.read(4096)
        if first.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise NotATable("this is a workbook, not a CSV file: save it as CSV UTF-8 and import that")
        if first.startswith(b"%PDF"):
            raise NotATable("this is a PDF file, not a CSV file")
        if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\0" in first:
            return _without_mark(first)
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _without_mark(first: bytes) -> str:
    """Nearly every other byte of western text in UTF-16 is zero."""
    half = len(first) // 2
    even, odd = first[0::2].count(0), first[1::2].count(0)
    if odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.7 * half and odd < 0.05 * half:
        return "utf-16-be"
    raise NotATable("this is no text file: it holds zero bytes")


def delimiter_of(lines: Sequence[str]) -> str:
    """The delimiter of a file by its first lines: the one that makes the most of them equally wide, and wide at all."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = Counter(
            len(row) for row in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, row))
        )
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(1, 0))
        score = (count / max(1, sum(widths.values())), width) if width > 1 else (0.0, 0)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _widths(lines: Sequence[str], delimiter: str) -> Counter[int]:
    widths: Counter[int] = Counter()
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if any(map(str.strip, row)):
                widths[len(row)] += 1
    except csv.Error:
        # A quotation mark that is not closed; what was read until then tells enough.
        return widths
    return widths


def told_delimiter(line: str) -> str | None:
    """The delimiter of Excel's own first line `sep=;`, or None when the line is no such line."""
    text = line.strip().strip('"')
    if len(text) == 5 and text[:4].lower() == "sep=":
        return text[4]
    # The tab of `sep=<tab>` was stripped.
    return "\t" if text.lower() == "sep=" and "\t" in line else None
