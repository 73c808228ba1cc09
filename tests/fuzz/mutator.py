"""Breaking posts at random: bytes, lines, words that parsers stumble over, and pieces of one post inside another."""

from __future__ import annotations

from random import Random

from tests.fuzz.seeds import CONTENT_TYPE

_TOKENS = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n\n", b"\r\n\r\n", b"\r\n--xYzZY\r\n", b"\r\n--xYzZY--\r\n", b"--b1_\r\n",
    b"--b1_--", b"boundary=", b"boundary=\"\"", b"charset=utf-7", b"charset=unicode_escape", b"charset=idna", b"charset=base64",
    b"charset=\"\x00\"", b"charset=utf-16", b"=?utf-8?b?", b"=?utf-8?q?=?=", b"?=", b"filename*99999999999999999999=x",
    b"filename*0*=", b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n", b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n", b"Content-Disposition: form-data; name=\"\"\r\n", b"name=\"email\"",
    b"name=\"envelope\"", b"name=\"headers\"", b"\\u0000", b"\\ud800", b"[[[[[[[[", b"{\"a\":" * 50, b"1e99999",
    b"<!--", b"<![CDATA[", b"<blockquote", b"&#xD800;", b"&#0;", b"> > > ", b"On a, b wrote:\n", b"From: ",
    b"Message-ID: <", b"=\r\n", b"=0", b"====",
    b"filename*" + b"9" * 5000 + b"=x", b"\x00: x\r\n",
    b"%PDF-", b"MZ", b"PK\x03\x04", b"\xe2\x80\xae", b"\x1b$B", b"+ADw-", b" " * 300, b"a" * 2000, b"\t", b";", b"\"", b"STOP",
)  # fmt: skip
_TYPES = (
    "multipart/form-data", "multipart/form-data; boundary=\"xYzZY\"", "multipart/form-data; boundary=xYzZY; charset=utf-7",
    "multipart/form-data;boundary=other", "application/x-www-form-urlencoded", "text/plain", "",
    "multipart/form-data; boundary*=utf-8''xYzZY", "multipart/form-data; boundary=", "multipart/mixed; boundary=xYzZY",
    "multipart/form-data; boundary*0=xY; boundary*1=zZY", "MULTIPART/FORM-DATA; Boundary=xYzZY",
    "multipart/form-data; boundary=\xff",
)  # fmt: skip
LONGEST = 60_000


def mutated(random: Random, posts: list[bytes]) -> tuple[bytes, str]:
    """(body, Content-Type) of one broken post."""
    body = bytearray(random.choice(posts))
    for _ in range(random.choice((1, 1, 2, 2, 3, 5, 8, 20))):
        random.choice(_MUTATIONS)(random, body, posts)
        del body[LONGEST:]
    content_type = CONTENT_TYPE if random.random() < 0.97 else random.choice(_TYPES)
    return bytes(body), content_type


def _place(random: Random, body: bytearray) -> int:
    """Somewhere; more often where a line begins, because that is where meaning is."""
    place = random.randrange(len(body) + 1)
    line = body.find(b"\n", place)
    return line + 1 if line >= 0 and random.random() < 0.5 else place


def _flip(random: Random, body: bytearray, posts: list[bytes]) -> None:
    for _ in range(random.choice((1, 1, 4, 30))):
        if body:
            body[random.randrange(len(body))] = random.randrange(256)


def _insert(random: Random, body: bytearray, posts: list[bytes]) -> None:
    place = _place(random, body)
    body[place:place] = random.choice(_TOKENS) * random.choice((1, 1, 1, 3))


def _noise(random: Random, body: bytearray, posts: list[bytes]) -> None:
    place = _place(random, body)
    body[place:place] = random.randbytes(random.choice((1, 3, 40)))


def _remove(random: Random, body: bytearray, posts: list[bytes]) -> None:
    place = _place(random, body)
    del body[place : place + random.choice((1, 2, 10, 100, 1000))]


def _remove_line(random: Random, body: bytearray, posts: list[bytes]) -> None:
    place = _place(random, body)
    end = body.find(b"\n", place)
    del body[place : end + 1 if end >= 0 else len(body)]


def _cut(random: Random, body: bytearray, posts: list[bytes]) -> None:
    if random.random() < 0.3:
        del body[_place(random, body) :]


def _repeat(random: Random, body: bytearray, posts: list[bytes]) -> None:
    place = _place(random, body)
    piece = body[place : place + random.choice((5, 80, 400))]
    body[place:place] = piece * random.choice((1, 2, 30))


def _splice(random: Random, body: bytearray, posts: list[bytes]) -> None:
    other = random.choice(posts)
    start = random.randrange(len(other))
    place = _place(random, body)
    body[place:place] = other[start : start + random.choice((50, 500, 3000))]


def _swap_token(random: Random, body: bytearray, posts: list[bytes]) -> None:
    pairs = ((b"\r\n", b"\n"), (b"\n", b"\r"), (b"utf-8", b"x-none"), (b"text/plain", b"text/html"), (b"b1_", b"b2_"),
             (b"base64", b"8bit"), (b"shop@north", b"nobody@else"), (b"multipart/mixed", b"multipart/digest"),
             (b"name=", b"n="), (b": ", b":"), (b"email", b"headers"), (b"text", b"html"), (b"<", b"&lt;"))  # fmt: skip
    old, new = random.choice(pairs)
    body[:] = body.replace(old, new, random.choice((1, 2, -1)))


def _move(random: Random, body: bytearray, posts: list[bytes]) -> None:
    place = _place(random, body)
    piece = body[place : place + random.choice((20, 200, 2000))]
    del body[place : place + len(piece)]
    place = _place(random, body)
    body[place:place] = piece


_MUTATIONS = (
    _flip,
    _insert,
    _insert,
    _noise,
    _remove,
    _remove_line,
    _cut,
    _repeat,
    _splice,
    _swap_token,
    _move,
)
