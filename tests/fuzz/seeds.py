"""Posts of SendGrid's as they really look, in both modes: what the mutator starts from."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

from tests.standins.sendgrid import compose

BOUNDARY = b"xYzZY"
CONTENT_TYPE = "multipart/form-data; boundary=xYzZY"
TO = "shop@north.example"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def form(fields: Mapping[str, bytes], files: Mapping[str, tuple[str, str, bytes]] | None = None) -> bytes:
    """A multipart body; `files` is field -> (filename, type, content)."""
    edge = b"--" + BOUNDARY + b"\r\n"
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in fields.items()
    ]
    for name, (filename, kind, content) in (files or {}).items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(edge + part for part in parts) + b"--" + BOUNDARY + b"--\r\n"


def common(sender: str = "dana@example.com", to: str = TO) -> dict[str, bytes]:
    """The fields of either mode."""
    return {
        "dkim": b"{@example.com : pass}",
        "SPF": b"pass",
        "sender_ip": b"192.0.2.10",
        "envelope": json.dumps({"to": [to], "from": sender}).encode(),
        "from": f"Dana <{sender}>".encode(),
        "to": to.encode(),
        "subject": b"Re: Tint",
        "charsets": json.dumps(
            {"to": "UTF-8", "subject": "UTF-8", "from": "UTF-8", "text": "UTF-8"}
        ).encode(),
    }


def raw_posts() -> list[bytes]:
    """Whole mails, posted in raw mode."""
    plain = compose(
        "Dana <dana@example.com>", TO, "Re: Tint", "Tuesday at 9 works.\n\n> Which day?", message_id="<a@b>"
    )
    mails = [
        plain,
        compose("José <jose@example.com>", TO, "¿Cuánto?", "Hola\n", html="<p>Hola <b>señor</b></p>", message_id=""),
        _mixed(), _related(), _bounce(plain), _forwarded(plain), _japanese(), _outlook(), _calendar(), _odd_names(), _mms(),
    ]  # fmt: skip
    # The same in every run, so that a case's number is enough to see it again.
    dated = [re.sub(rb"Date: [^\r\n]*", b"Date: Mon, 23 Nov 2026 09:00:00 -0600", mail) for mail in mails]
    return [form({**common(), "email": mail}) for mail in dated]


def parsed_posts() -> list[bytes]:
    """The same kinds in parsed mode."""
    headers = b"Received: by x\r\nMessage-ID: <c@mail.example>\r\nFrom: Dana <dana@example.com>\r\nSubject: Re: Tint\r\n"
    info = {
        "attachment1": {
            "filename": "señal ±.png",
            "name": "señal ±.png",
            "type": "image/png",
            "content-id": "ii_1",
        },
        "attachment2": {"filename": "quote.pdf", "type": "application/pdf"},
    }
    files = {
        "attachment1": ("se_al.png", "image/png", PNG),
        "attachment2": ("quote.pdf", "application/pdf", b"%PDF-1.4\r\n\x00\xff"),
    }
    charsets = json.dumps({"text": "windows-1252", "subject": "cp850", "html": "utf-8"}).encode()
    return [
        form({**common(), "headers": headers, "text": b"Tuesday at 9 works.\r\n"}),
        form({**common(), "headers": headers, "html": b"<html><body><p>Hi &amp; bye</p></body></html>"}),
        form(
            {
                **common(), "headers": headers, "text": b"caf\xe9 \x93x\x94", "subject": b"Gr\x94\xe1e", "charsets": charsets,
                "html": b"<p>caf\xc3\xa9</p><img src='cid:ii_1'>", "attachments": b"2",
                "attachment-info": json.dumps(info).encode(), "content-ids": b'{"ii_1": "attachment1"}',
            },
            files,
        ),
        form({**common(""), "headers": b"Auto-Submitted: auto-replied\r\nSubject: Out of office\r\n", "text": b"away"}),
        form({**common(), "headers": b"From: x\r\n", "text": b"", "subject": b"STOP"}),
    ]  # fmt: skip


def _parts(kind: str, *parts: bytes, head: bytes = b"") -> bytes:
    edge = b"--b1_\r\n"
    top = b"From: Dana <dana@example.com>\r\nTo: shop@north.example\r\nSubject: Tint\r\nMessage-ID: <m@x.example>\r\n"
    kind_line = f'MIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary="b1_"\r\n\r\n'.encode()
    return top + head + kind_line + b"".join(edge + part + b"\r\n" for part in parts) + b"--b1_--\r\n"


def _mixed() -> bytes:
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIt=E2=80=99s it=\r\n."
    picture = (
        b'Content-Type: image/jpeg; name="IMG 1.jpg"\r\nContent-Transfer-Encoding: base64\r\n'
        b'Content-Disposition: attachment; filename="IMG 1.jpg"\r\n\r\n'
        + base64.encodebytes(b"\xff\xd8\xff" + bytes(99))
    )
    return _parts("mixed", text, picture)


def _related() -> bytes:
    html = b'Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>caf\xe9<img src="cid:logo@x"></p>'
    logo = (
        b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(PNG)
    )
    return _parts("related", html, logo)


def _bounce(original: bytes) -> bytes:
    status = (
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; dana@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no\r\n"
    )
    whole = b"Content-Type: message/rfc822\r\n\r\n" + original
    return _parts("report; report-type=delivery-status", b"\r\nYour mail failed.", status, whole)


def _forwarded(original: bytes) -> bytes:
    return _parts(
        "mixed",
        b"Content-Type: text/plain\r\n\r\nsee this",
        b"Content-Type: message/rfc822\r\n\r\n" + original,
    )


def _japanese() -> bytes:
    head = "From: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= <j@example.jp>\r\n"
    head += "Subject: =?utf-8?q?=E6=97=A5?=\r\n =?utf-8?q?=E6=9C=AC?=\r\n"
    return (
        head.encode()
        + b"Content-Type: text/plain; charset=ISO-2022-JP\r\n\r\n"
        + "日本語".encode("iso-2022-jp")
    )


def _outlook() -> bytes:
    text = b'Content-Type: text/plain; charset="us-ascii"\r\n\r\nSee attached.'
    tnef = (
        b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + base64.b64encode(b"\x78\x9f\x3e\x22" + bytes(50))
    )
    return _parts("mixed", text, tnef, head=b"X-Mailer: Microsoft Outlook 16.0\r\nAuto-Submitted: no\r\n")


def _calendar() -> bytes:
    ics = b"Content-Type: text/calendar; charset=utf-8; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR"
    return _parts("alternative", b"Content-Type: text/plain\r\n\r\nAccepted", ics)


def _odd_names() -> bytes:
    text = b"Content-Type: text/plain\r\n\r\nfiles"
    names = (
        b"filename*0*=utf-8''%e2%82%ac%20; filename*1*=rates; filename*2=.pdf", b"filename=\"=?utf-8?B?4oKsLnBkZg==?=\"",
        b"filename=\"../../etc/passwd\"", b"filename*=unknown''%ff%fe.txt", b"filename=\"photo.jpg.exe\"",
    )  # fmt: skip
    files = [
        b"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; " + one + b"\r\n\r\nx"
        for one in names
    ]
    return _parts("mixed", text, *files)


def _mms() -> bytes:
    text = b"Content-Type: text/plain; name=text_0.txt\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nhow much?"
    return _parts("mixed", text)
