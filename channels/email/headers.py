"""The header block of a mail and what is written in a header: RFC 2047 words, parameters (RFC 2231); never raises."""

from __future__ import annotations

import binascii
import re
from email.message import Message
from email.policy import compat32
from typing import Any

from channels.email.charset import decode
from crm.text import storable

MOST_HEADERS = 1000
LONGEST = 20_000
LONGEST_BLOCK = 300_000
# What a header's name may consist of; anything else begins the body.
_LINE = re.compile(rb"[!-9;-~]+[ \t]*:")
_NAME = re.compile(rb"[!-9;-~]+")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")


def parse_headers(block: bytes) -> dict[str, str]:
    """The header block of a mail, by lower-case name, the first of each; words are not decoded."""
    headers: dict[str, str] = {}
    for name, value in _fields(block[: min(split_head(block)[0], LONGEST_BLOCK)]):
        # Bytes that are no ASCII: mail programs send UTF-8 there, or the local charset.
        headers.setdefault(name, " ".join(decode(value[:LONGEST], None).split()))
        if len(headers) >= MOST_HEADERS:
            break
    return headers


def split_head(raw: bytes, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """(where the header block ends, where the body begins) of what stands between `start` and `end`.

    An empty line is between them, or nothing where a line comes that can be no header.
    """
    end = len(raw) if end is None else end
    place = start
    while place < end:
        if place - start > LONGEST_BLOCK:
            # Nobody's headers; line by line, megabytes of them would take long.
            gap = _EMPTY_LINE.search(raw, place - 1, end)
            return (end, end) if gap is None else (gap.start() + 1, gap.end())
        line_end = raw.find(b"\n", place, end)
        following = end if line_end < 0 else line_end + 1
        line = raw[place : min(following, place + 1000)]
        if not line.strip(b"\r\n"):
            return place, following
        # The first line of a mailbox file, and of some broken relays.
        is_envelope = place == start and line.startswith((b"From ", b">From "))
        if not (is_envelope or line[:1] in (b" ", b"\t") or _LINE.match(line)):
            return place, place
        place = following
    return end, end


def _fields(block: bytes) -> list[tuple[str, bytes]]:
    """(lower-case name, value) of each header, folded lines joined."""
    found: list[tuple[str, list[bytes]]] = []
    for line in block.splitlines():
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            if found and len(found[-1][1]) < LONGEST // 40:
                found[-1][1].append(line)
        elif colon and _NAME.fullmatch(name.strip()):
            found.append((name.strip().decode("latin-1").lower(), [value]))
    return [(name, b" ".join(lines)) for name, lines in found]


def decode_words(value: str) -> str:
    """A header's RFC 2047 words as text; what cannot be decoded stays as it is.

    Neighbours in one charset are joined as bytes first: some programs cut a letter in two.
    """
    pieces: list[str] = []
    waiting, charset, place = b"", "", 0
    text = _BETWEEN_WORDS.sub("", value)
    for word in _WORD.finditer(text):
        between = text[place : word.start()]
        if waiting and (between or word.group(1).lower() != charset):
            pieces.append(decode(waiting, charset))
            waiting = b""
        pieces.append(between)
        waiting, charset = waiting + _word_bytes(word.group(2), word.group(3)), word.group(1).lower()
        place = word.end()
    if waiting:
        pieces.append(decode(waiting, charset))
    return storable("".join([*pieces, text[place:]]))


def _word_bytes(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    return base64_bytes(raw)


def base64_bytes(raw: bytes) -> bytes:
    """Base64 with anything between the letters, and with an end that is missing; what is none comes back as it is."""
    for padding in (b"", b"=", b"=="):
        try:
            return binascii.a2b_base64(raw + padding)
        except binascii.Error:
            continue
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
    try:
        # One letter too many at the end is a cut.
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4]) or raw
    except binascii.Error:
        return raw


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """The lower-case main value of a header such as Content-Type, and its parameters by lower-case name, decoded."""
    main = value.partition(";")[0].strip().lower()
    holder: Message[str, str] = Message(policy=compat32)
    holder["content-type"] = value[:LONGEST]
    try:
        given: list[tuple[str, Any]] = list(holder.get_params(failobj=[]))
    except (ValueError, LookupError, TypeError):
        # Numbers of thousands of digits and other traps in RFC 2231's notation.
        return main, {}
    found: dict[str, str] = {}
    for name, one in given[1:]:
        found.setdefault(name.strip().lower(), decode_words(_parameter(one)))
    return main, found


def _parameter(value: Any) -> str:
    if isinstance(value, tuple):
        charset, _, text = value
        return decode(str(text).encode("latin-1", "replace"), charset)
    return storable(str(value))
