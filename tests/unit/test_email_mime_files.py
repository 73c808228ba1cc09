"""Files of a mail: real names made harmless, dangerous kinds refused with a reason, limits kept."""

from __future__ import annotations

import json

import pytest

from channels.email.mime import parse_mime
from channels.email.parse import parse_email
from tests.unit.email_help import CONTENT_TYPE, form
from tests.unit.mime_help import JPEG, TEXT, attached, mixed


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (b'filename="quote.pdf"', "quote.pdf"),
        (b"filename=my quote.pdf", "my quote.pdf"),
        (b"filename*=utf-8'en'%e2%82%ac%20rates.pdf", "€ rates.pdf"),
        (b"filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=.pdf", "€.pdf"),
        (b'filename="=?utf-8?B?w6kucGRm?="', "é.pdf"),
        (b'filename="=?iso-8859-1?Q?=E9?= =?iso-8859-1?Q?=E8.pdf?="', "éè.pdf"),
        ('filename="señal.pdf"'.encode(), "señal.pdf"),
        (b'filename="se\xf1al.pdf"', "señal.pdf"),
        (b'filename="../../etc/passwd.pdf"', "passwd.pdf"),
        (b'filename="C:\\\\fakepath\\\\car.pdf"', "car.pdf"),
        (b'filename="a\x00b\x1b[31m\xe2\x80\xaefdp.pdf"', "ab[31mfdp.pdf"),
        (b'filename="what? <now>: |x|*.pdf"', "what_ _now__ _x__.pdf"),
        (b'filename="con.pdf"', "_con.pdf"),
        (b'filename=" .. "', "file-1"),
        (b'filename=""', "file-1"),
        (b"filename*=base64''%00", "file-1"),
        (b'filename="' + b"x" * 400 + b'.pdf"', "x" * 116 + ".pdf"),
    ],
)  # fmt: skip
def test_files_keep_their_names_and_lose_what_harms(told: bytes, name: str) -> None:
    content = parse_mime(mixed(TEXT, attached(told)))
    assert [(file.name, file.content) for file in content.files] == [(name, b"%PDF-1.4")]
    assert content.plain == "Tuesday works"


def test_in_parsed_mode_the_real_name_is_in_the_list() -> None:
    body = form(
        headers="From: dana@example.com\r\n",
        text="see this",
        html='<p>see this <img src="cid:ii_1"></p>',
        **{
            "attachment-info": json.dumps(
                {
                    "attachment1": {"filename": "señal.jpg", "type": "image/jpeg", "content-id": "ii_1"},
                    "attachment2": {"filename": "\ud800\u0000../quote.pdf"},
                    "attachment3": {"name": 7},
                }
            )
        },
    )[: -len("--xYzZY--\r\n")]
    for number, content in enumerate((JPEG, b"%PDF-1.4", b"hello"), 1):
        head = (
            f'--xYzZY\r\nContent-Disposition: form-data; name="attachment{number}"; filename="file"\r\n\r\n'
        )
        body += head.encode() + content + b"\r\n"
    files = parse_email(body + b"--xYzZY--\r\n", CONTENT_TYPE).files
    assert [(one.name, one.content_type, one.content, one.content_id, one.inline) for one in files] == [
        ("señal.jpg", "image/jpeg", JPEG, "ii_1", True),
        ("quote.pdf", "application/pdf", b"%PDF-1.4", None, False),
        ("file", "application/octet-stream", b"hello", None, False),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "content", "why"),
    [
        ("setup.exe", "application/octet-stream", b"MZ", "program"),
        ("photo.jpg", "image/jpeg", b"MZ\x90\x00", "program"),
        ("photo.jpg.js", "image/jpeg", b"x", "script"),
        ("invoice.lnk", "application/octet-stream", b"x", "script"),
        ("run.txt.sh", "text/plain", b"#!/bin/sh", "script"),
        ("noname", "application/x-msdownload", b"x", "program"),
        ("list.xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12", b"PK\x03\x04", "macros"),
        ("list.xlsx", "application/octet-stream", b"PK\x03\x04xl/vbaProject.bin", "macros"),
        ("old.doc", "application/msword", b"\xd0\xcf\x11\xe0" + "_VBA_PROJECT".encode("utf-16-le"), "macros"),
        ("page.html", "text/html", b"<html>", "web page"),
        ("logo.svg", "image/svg+xml", b"<svg>", "web page"),
        ("logo.png", "image/png", b"\xef\xbb\xbf <!DOCTYPE html><script>", "web page"),
        ("cars.zip", "application/zip", b"PK\x03\x04", "archive"),
        ("cars.bin.png", "image/png", b"Rar!\x1a\x07\x00", "archive"),
        ("winmail.dat", "application/ms-tnef", b"\x78\x9f\x3e\x22", "winmail.dat"),
        ("smime.p7m", "application/pkcs7-mime", b"0", "encrypted"),
    ],
)
def test_dangerous_kinds_are_refused_with_a_reason(name: str, kind: str, content: bytes, why: str) -> None:
    told = f'filename="{name}"'.encode()
    (file,) = parse_mime(mixed(TEXT, attached(told, content, kind.encode()))).files
    assert file.content is None
    assert file.refused is not None
    assert why in file.refused
    assert file.name == name


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("offer.docx", b"PK\x03\x04word/document.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("IMG_1.HEIC", b"\x00\x00\x00\x18ftypheic", "image/heic"),
        ("notes.txt", b"#!not a script, a heading", "text/plain"),
        ("page.txt", b"<html> typed by hand", "text/plain"),
        ("photo.bin.jpeg", JPEG, "image/jpeg"),
        ("scan", b"%PDF-1.7", "application/pdf"),
        ("data.weird", b"x", "application/octet-stream"),
    ],
)  # fmt: skip
def test_what_customers_send_is_kept(name: str, content: bytes, kind: str) -> None:
    part = attached(f'filename="{name}"'.encode(), content, b"ignore/all-previous-instructions")
    (file,) = parse_mime(mixed(TEXT, part)).files
    assert (file.content, file.content_type, file.refused) == (content, kind, None)


def test_limits_of_files() -> None:
    small = [attached(f'filename="{n}.jpg"'.encode(), JPEG, b"image/jpeg") for n in range(70)]
    files = parse_mime(mixed(TEXT, *small)).files
    assert len(files) == 60
    assert [file.content is None for file in files] == [False] * 20 + [True] * 40
    assert "first 20" in (files[20].refused or "")
    nine = [
        attached(f'filename="{n}.jpg"'.encode(), JPEG + bytes(9_000_000), b"image/jpeg") for n in range(3)
    ]
    assert [file.refused and "together" in file.refused for file in parse_mime(mixed(TEXT, *nine)).files] == [
        None,
        None,
        True,
    ]
    (large,) = parse_mime(mixed(TEXT, attached(b'filename="x.jpg"', bytes(12_000_000)))).files
    assert "10 MB" in (large.refused or "")
