"""A mail as bytes on the wire: multipart or not, in any charset and transfer encoding, wrapped like format=flowed."""

from __future__ import annotations

import base64
import quopri

WRAPPED_AT = 72
HEAD = "From: Dana Reyes <dana@example.com>\r\nTo: shop@lakeside.example\r\nSubject: Re: Your request\r\nMIME-Version: 1.0\r\n"


def as_mime(plain: str, html: str, *, charset: str, encoding: str, flowed: bool = False) -> bytes:
    """A mail with these two texts, the empty one left out. Letters the charset lacks become `?` as in real life."""
    parts = []
    if plain:
        text = flow(plain) if flowed else plain
        parts.append(_part("plain", text, charset, encoding, "; format=flowed" if flowed else ""))
    if html:
        parts.append(_part("html", html, charset, encoding, ""))
    if len(parts) == 1:
        return HEAD.encode() + parts[0]
    body = b"".join(b"--=_b1\r\n" + part + b"\r\n" for part in parts)
    head = HEAD + 'Content-Type: multipart/alternative; boundary="=_b1"\r\n\r\n'
    return head.encode() + body + b"--=_b1--\r\n"


def flow(text: str) -> str:
    """Long lines broken softly: a line that ends with a space goes on in the next one (RFC 3676)."""
    return "\n".join(piece for line in text.split("\n") for piece in _soft(line))


def _soft(line: str) -> list[str]:
    mark = line[: len(line) - len(line.lstrip(">"))]
    words, lines, open_line = line[len(mark) :].split(" "), [], ""
    for number, word in enumerate(words):
        open_line = word if number == 0 else f"{open_line} {word}"
        if len(open_line) > WRAPPED_AT and number + 1 < len(words) and line != "-- ":
            lines.append(f"{mark}{open_line} ")
            open_line = " " if mark else ""
    return [*lines, f"{mark}{open_line}"]


def _part(kind: str, text: str, charset: str, encoding: str, more: str) -> bytes:
    data = text.replace("\n", "\r\n").encode(charset, "replace")
    coded = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(data)
    if encoding == "quoted-printable":
        coded = (
            coded.replace(b"\r\n", b"\n")
            .replace(b"=0D=0A", b"\n")
            .replace(b"=0D\n", b"\n")
            .replace(b"\n", b"\r\n")
        )
    head = (
        f"Content-Type: text/{kind}; charset={charset}{more}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + coded
