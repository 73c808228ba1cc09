"""Multipart mails for the tests of taking them apart."""

from __future__ import annotations

import base64

TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nTuesday works"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256))


def mixed(*parts: bytes, kind: str = "mixed", preamble: bytes = b"") -> bytes:
    """A multipart mail of these parts."""
    head = f'From: Dana <dana@example.com>\r\nContent-Type: multipart/{kind}; boundary="b"\r\n\r\n'.encode()
    return head + preamble + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def attached(name: bytes, content: bytes = b"%PDF-1.4", kind: bytes = b"application/pdf") -> bytes:
    """A part that is a file; `name` is the parameter as it stands in the header."""
    return (
        b"Content-Type: " + kind + b"\r\nContent-Disposition: attachment; " + name + b"\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)
    )
