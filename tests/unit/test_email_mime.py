"""Mails taken apart: words, files with their real names, reports; however they were put together."""

from __future__ import annotations

import time

import pytest

from channels.email.charset import decode
from channels.email.form import parse_form
from channels.email.headers import decode_words, parameters, parse_headers
from channels.email.mime import parse_mime
from channels.email.parse import dedupe_key, parse_email_plainly
from tests.standins.sendgrid import compose
from tests.unit.email_help import CONTENT_TYPE, form, parsed
from tests.unit.mime_help import TEXT, attached, mixed


def test_an_attached_mail_is_a_file_and_its_headers_a_report() -> None:
    inner = compose("x@example.com", "y@example.com", "Inner: a/b", "STOP", message_id="<inner@x>")
    content = parse_mime(mixed(TEXT, b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert content.plain == "Tuesday works"
    (file,) = content.files
    assert (file.name, file.content_type, file.content) == ("Inner_ a-b.eml", "message/rfc822", inner)
    (report,) = content.reports
    assert "Message-ID: <inner@x>" in report.text
    assert "STOP" not in report.text


def test_reports_and_invitations_are_for_machines() -> None:
    status = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nStatus: 5.1.1\r\n"
    headers = b"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <ours@x>\r\n"
    invitation = (
        b"Content-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR"
    )
    content = parse_mime(mixed(TEXT, status, headers, invitation, kind="report; report-type=delivery-status"))
    assert [report.content_type for report in content.reports] == [
        "message/delivery-status", "text/rfc822-headers", "text/calendar",
    ]  # fmt: skip
    assert "5.1.1" in content.reports[0].text
    assert content.files == ()


def test_words_in_several_parts_are_all_there() -> None:
    html = b"Content-Type: text/html\r\n\r\n<p>One <b>two</b></p>"
    footer = b"Content-Type: text/plain\r\n\r\nthree"
    content = parse_mime(mixed(html, attached(b'filename="a.pdf"'), footer))
    assert content.plain == "One two\nthree"
    assert "three" in content.html
    both = parse_mime(
        mixed(
            b"Content-Type: text/plain\r\n\r\nsame",
            b"Content-Type: text/html\r\n\r\n<p>same</p>",
            kind="alternative",
        )
    )
    assert (both.plain.strip(), both.html.strip()) == ("same", "<p>same</p>")


@pytest.mark.parametrize(
    "source",
    [
        mixed(b"Content-Type: text/plain; name=text_0.txt\r\nContent-Disposition: attachment; filename=t.txt\r\n\r\nhow much"),
        mixed(b"Content-Type: text/enriched\r\n\r\nhow much"),
        mixed(TEXT)[: -len("--b--\r\n")].replace(b"Tuesday works", b"how much"),
        mixed(b"", kind="mixed", preamble=b"how much\r\n"),
        b"From: x@y.example\r\nContent-Type: multipart/mixed\r\n\r\nhow much",
        b"From: x@y.example\r\nContent-Type: multipart/mixed; boundary=nowhere\r\n\r\nhow much",
        b"From: x@y.example\r\nhow much",
        b"From: x@y.example\rSubject: s\r\rhow much",
        b"\r\nhow much",
        b"From: x@y.example\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nhow much!",
        b"From: x@y.example\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naG93IG11Y2g",
        b"From: x@y.example\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nhow much",
        b"From: x@y.example\r\nContent-Type: nonsense\r\n\r\nhow much",
    ],
    ids=["gateway", "enriched", "cut-off", "preamble", "no-boundary", "wrong-boundary", "no-gap", "bare-cr", "no-head",
         "not-base64", "short-base64", "not-utf-16", "no-type"],
)  # fmt: skip
def test_broken_mails_still_say_what_was_written(source: bytes) -> None:
    assert "how much" in parsed(email=source).words.text


def test_the_sentence_about_mime_is_nobodys_words() -> None:
    source = mixed(
        attached(b'filename="a.pdf"'), preamble=b"This is a multi-part message in MIME format.\r\n"
    )
    assert parsed(email=source).words.full == ""


@pytest.mark.parametrize(
    "piece",
    [b"--b\r\n", b"\n--b", b"a:b\n", b" \n", b"\n", b"=?utf-8?q?a?= ", b";a=b",
     b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"],
    ids=["edges", "half-edges", "headers", "folds", "lines", "words", "parameters", "nests"],
)  # fmt: skip
def test_hostile_mails_take_bounded_time(piece: bytes) -> None:
    body = piece * (3_000_000 // len(piece))
    before = time.process_time()
    parse_mime(mixed(body))
    parse_mime(body)
    parse_mime(b"Subject: " + body.replace(b"\n", b"") + b"\r\n\r\nx")
    parse_email_plainly(form(email=body), CONTENT_TYPE)
    assert time.process_time() - before < 8


@pytest.mark.parametrize(
    ("raw", "declared", "text"),
    [
        ("café".encode(), "iso-8859-1", "café"),
        ("café ".encode() + b"\xff", "utf-8", "café ÿ"),
        (b"hi there", "utf-16", "hi there"),
        ("hi".encode("utf-16"), "utf-16", "hi"),
        (b"\xef\xbb\xbfhi", "utf-8", "hi"),
        (b"a\\u0041", "unicode_escape", "a\\u0041"),
        (b"abc-", "punycode", "abc-"),
        ("①日".encode("cp932"), "shift_jis", "①日"),
        ("가".encode("cp949"), "ks_c_5601-1987", "가"),
        ("€".encode(), "utf-8*en", "€"),
        (b"x", "a" * 5000, "x"),
        (b"x", "\x00", "x"),
        (b"\xed\xa0\x80x", "utf-8", "í\xa0€x"),
    ],
)
def test_charsets_as_they_are_meant(raw: bytes, declared: str, text: str) -> None:
    assert decode(raw, declared) == text


def test_headers_as_they_come() -> None:
    block = b"From someone\r\nA: b\r\n\tc\r\n  d\r\nA: second\r\nB : \xe9\r\x00Odd\xff: z\r\n"
    block += b"From: Jos\xc3\xa9 \x00x\r\n\r\nC: body"
    assert parse_headers(block) == {"a": "b c d", "b": "é", "from": "José x"}
    assert decode_words("=?utf-8?q?Jos=C3?= =?utf-8?q?=A9?= x =?nope?b?aGk=?= =?utf-8?b?a?=") == "José x hia"
    assert parameters("a; x*" + "9" * 5000 + "=y")[0] == "a"


def test_nothing_unstorable_comes_through() -> None:
    mail = parsed(
        envelope='{"to": ["Shop\\u0000@North.example\\ud800"], "from": "a\\u0000@b.example"}',
        headers=b"From: \x00Dana <dana@example.com>\r\nSubject: a\x00\xed\xa0\x80b\r\n",
        text=b"x\x00y",
        dkim=b"\x00{}",
    )
    assert (mail.recipients, mail.envelope_from) == (("shop@north.example",), "a@b.example")
    assert mail.words.text == "xy"
    for text in (mail.subject, mail.sender_name, *mail.headers.values(), *mail.checks.values()):
        assert text is not None
        assert "\x00" not in text
        text.encode()


def test_the_form_survives_what_frameworks_do_not() -> None:
    body = (
        b"\r\n--xYzZY\r\nX: no disposition\r\n\r\nlost to nobody\r\n"
        b'--xYzZY \r\ncontent-disposition: FORM-DATA; name="text"\r\n\r\nline\r\n--xYzZ\r\nend\r\n'
        b'--xYzZY\nContent-Disposition: form-data; name="email"; filename="mail.eml"\n\nSubject: s\n\nx\n'
        b'--xYzZY\r\nContent-Disposition: form-data; name="attachment7"\r\n\r\nfile'
    )
    found = parse_form(body, CONTENT_TYPE)
    assert found.fields == {"text": b"line\r\n--xYzZ\r\nend", "email": b"Subject: s\n\nx"}
    assert [(file.field, file.content) for file in found.files] == [("attachment7", b"file")]


def key(**fields: str | bytes) -> str:
    """The mark of a post by which it is recognised."""
    body = form(**fields)
    return dedupe_key(body, parse_form(body, CONTENT_TYPE))


def test_what_makes_a_post_the_same_mail() -> None:
    mail = compose("dana@example.com", "shop@north.example", "s", "hello", message_id="<a@b>")
    other = mail.replace(b"hello", b"other")
    same = key(email=mail)
    assert key(email=mail, spam_score="1.0", dkim="none") == same
    assert key(email=other) != same
    assert key(email=mail, envelope='{"to": ["shop+x@north.example"], "from": "dana@example.com"}') != same
    long = form(email=mail).replace(b"xYzZY", b"xYzZY1")
    assert dedupe_key(long, parse_form(long, CONTENT_TYPE + "1")) == same
    assert dedupe_key(b"junk", None) != dedupe_key(b"junk2", None)


def test_without_a_message_id_the_headers_tell_two_mails_apart() -> None:
    first = key(headers="Date: Mon, 23 Nov 2026 09:00:00 -0600\r\n", text="ok")
    assert first == key(headers="Date: Mon, 23 Nov 2026 09:00:00 -0600\r\n", text="ok")
    assert first != key(headers="Date: Mon, 23 Nov 2026 09:05:00 -0600\r\n", text="ok")
    with_id = "Message-ID: <a@b>\r\n"
    assert key(headers=f"{with_id}Received: x\r\n", text="ok") == key(
        headers=f"{with_id}Received: y\r\n", text="ok"
    )


def test_read_plainly_when_reading_fails() -> None:
    text = "Tuesday at 9 works, café.\n\nOn Mon, Nov 23, 2026 at 9:00 AM Shop <shop@north.example> wrote:\n> STOP"
    for mail in (
        compose("Dana <Dana@Example.com>", "shop@north.example", "Re: Tint", text, message_id="<a@b>"),
        compose(
            "Dana <Dana@Example.com>",
            "shop@north.example",
            "Re: Tint",
            text,
            html="<p>x</p>",
            message_id="<a@b>",
        ),
    ):
        plain = parse_email_plainly(form(email=mail), CONTENT_TYPE)
        assert plain.words.text == "Tuesday at 9 works, café."
        assert "> STOP" in plain.words.full
        assert (plain.sender, plain.message_id, plain.subject) == ("dana@example.com", "<a@b>", "Re: Tint")
        assert plain.recipients == ("shop@north.example",)
        assert plain.automatic is None
    html = parse_email_plainly(
        form(
            headers="From: a@b.example\r\nAuto-Submitted: auto-replied\r\n",
            html="<style>p{}</style><p>Hi<br>you</p>",
        ),
        CONTENT_TYPE,
    )
    assert html.words.text == "Hi\nyou"
    assert html.automatic is not None
    assert parse_email_plainly(b"", "").words.full == ""
