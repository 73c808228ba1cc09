"""Making up whole, correct mails of odd shapes with a word in them that has to be found again."""

from __future__ import annotations

import base64
import json
import quopri
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

from tests.fuzz.seeds import PNG, common, form

_CHARSETS = (
    "utf-8",
    "windows-1252",
    "iso-8859-1",
    "us-ascii",
    "utf-16",
    "iso-8859-15",
    "gb2312",
    "x-none",
    None,
)
_LINES = (
    "Tuesday works",
    "caf\u00e9 please",
    "how much is it?",
    "",
    "- front windows",
    "  indented",
    "5 < 6 & 7",
)
_NAMES = (
    "car.jpg",
    "mein Auto \u00e4\u00f6.png",
    "\u8eca.pdf",
    "a/b\\c.txt",
    'quo"te.csv',
    "x" * 200 + ".jpg",
    "no ending",
    ".hidden",
)
_CONTENTS = (
    PNG,
    b"%PDF-1.4 x",
    b"",
    bytes(range(256)) * 9,
    b"plain text\r\n--b\r\n",
    b"\xff\xd8\xff\xe0" + b"\x00" * 500,
)


@dataclass
class Made:
    """A post, the word its text holds, and the contents of its files in order."""

    body: bytes
    word: str
    files: list[bytes] = field(default_factory=list)


def made_up(random: Random) -> Made:
    """A correct post in one of the modes."""
    word = f"q{random.randrange(10**9):09d}z"
    return _raw(random, word) if random.random() < 0.6 else _parsed(random, word)


def _text(random: Random, word: str) -> str:
    lines = [random.choice(_LINES) for _ in range(random.randrange(5))]
    lines.insert(random.randrange(len(lines) + 1), f"{word} works")
    return "\n".join(lines)


def _encoded(text: str, charset: str | None) -> bytes:
    try:
        return text.encode(charset or "utf-8")
    except (UnicodeError, LookupError):
        return text.encode()


def _parsed(random: Random, word: str) -> Made:
    charset = random.choice([one for one in _CHARSETS if one])
    kind = random.choice(("text", "html"))
    text = _text(random, word)
    if kind == "html":
        text = "<p>" + text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>") + "</p>"
    fields = {
        **common(),
        "headers": b"Message-ID: <p@x.example>\r\nFrom: dana@example.com\r\n",
        kind: _encoded(text, charset),
    }
    fields["charsets"] = json.dumps({kind: charset}).encode()
    files, info, contents = {}, {}, []
    for number in range(1, random.choice((1, 1, 2, 4))):
        name, content = random.choice(_NAMES), random.choice(_CONTENTS)
        files[f"attachment{number}"] = (f"file{number}", "application/octet-stream", content)
        info[f"attachment{number}"] = {"filename": name, "type": "application/octet-stream"}
        contents.append(content)
    fields["attachment-info"] = json.dumps(info).encode()
    items = list(fields.items())
    random.shuffle(items)
    return Made(form(dict(items), files), word, contents)


def _raw(random: Random, word: str) -> Made:
    contents: list[bytes] = []
    end = random.choice((b"\r\n", b"\r\n", b"\n"))
    mail = _top(random, end) + _tree(random, word, random.randrange(6), contents, end)
    return Made(form({**common(), "email": mail}), word, contents)


def _top(random: Random, end: bytes) -> bytes:
    lines = [
        b"From: Dana <dana@example.com>",
        b"Subject: =?utf-8?q?Caf=C3=A9?=",
        b"MIME-Version: 1.0",
        b"X-Odd: \xff\xfe",
    ]
    lines += (
        [b"Message-ID: <r@x.example>", b"Received: from a" + end + b"\tby b"] if random.random() < 0.9 else []
    )
    random.shuffle(lines)
    return b"".join(line + end for line in lines)


def _tree(random: Random, word: str, depth: int, contents: list[bytes], end: bytes) -> bytes:
    """A part with its headers; the word is in it somewhere."""
    if depth == 0:
        return _leaf(random, word, end)
    boundary = f"b{depth}{random.choice(('', '=', '_x', '.y', ' z'))}{depth}".encode()
    kind = random.choice((b"mixed", b"alternative", b"related", b"signed"))
    parts = [_tree(random, word, depth - 1, contents, end)]
    for _ in range(random.choice((0, 0, 1, 2))):
        content = random.choice(_CONTENTS)
        parts.append(_file(random, content, end))
        contents.append(content)
    head = b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"' + end + end
    preamble = b"This is a multi-part message in MIME format." + end if random.random() < 0.5 else b""
    edge = b"--" + boundary
    closing = edge + b"--" + end if random.random() < 0.9 or depth > 1 else b""
    return head + preamble + b"".join(edge + end + part + end for part in parts) + closing


def _leaf(random: Random, word: str, end: bytes) -> bytes:
    charset = random.choice(_CHARSETS)
    data = _encoded(_text(random, word).replace("\n", end.decode()), charset)
    head = b"Content-Type: text/plain" + (f"; charset={charset}".encode() if charset else b"") + end
    return head + _transfer(random, data, end, wide=charset == "utf-16")


def _file(random: Random, content: bytes, end: bytes) -> bytes:
    name = random.choice(_NAMES)
    told = random.choice(
        (
            b"filename*=utf-8''" + quote(name).encode(),
            b'filename="=?utf-8?b?' + base64.b64encode(name.encode()) + b'?="',
            b'filename="' + name.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"',
        )
    )
    head = b"Content-Type: application/octet-stream" + end + b"Content-Disposition: attachment; " + told + end
    return (
        head
        + b"Content-Transfer-Encoding: base64"
        + end
        + end
        + base64.encodebytes(content).replace(b"\n", end)
    )


def _transfer(random: Random, data: bytes, end: bytes, *, wide: bool) -> bytes:
    how = random.choice(("base64",) if wide else ("base64", "quoted-printable", "8bit", ""))
    if how == "base64":
        data = base64.encodebytes(data).replace(b"\n", end)
    elif how == "quoted-printable":
        data = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", end)
    return (f"Content-Transfer-Encoding: {how}".encode() + end if how else b"") + end + data
