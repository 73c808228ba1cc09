"""Inbound mail in the shapes mail programs really send it."""

from __future__ import annotations

import json
import time

import pytest

from channels.email.charset import decode
from channels.email.form import BadForm, parse_form
from channels.email.words import strip_reply
from tests.standins.sendgrid import compose
from tests.unit.email_help import CONTENT_TYPE, REPLY, form, parsed, raw_mail


@pytest.mark.parametrize(
    "quoted",
    [
        "On Mon, Nov 23, 2026 at 9:00 AM North Tint <shop@north.example> wrote:\n> Can you come?\n",
        "On Mon, Nov 23, 2026 at 9:00\u202fAM North Tint <\nshop@north.example> wrote:\n\n> Can you come?\n",
        "On Nov 23, 2026, at 9:00 AM, North Tint <shop@north.example> wrote:\n\n> Can you come?\n",
        "Sent from my iPhone\n\nOn Nov 23, 2026, at 9:00 AM, North <shop@north.example> wrote:\n\n> Come?\n",
        "________________________________\nFrom: North Tint <shop@north.example>\n"
        "Sent: Monday, November 23, 2026 9:00 AM\nTo: Dana\nSubject: Tint\n\nCan you come? Reply STOP to stop.\n",
        "From: North Tint <shop@north.example>\nSent: Monday, November 23, 2026 9:00 AM\nTo: Dana\n"
        "Subject: Re: Tint\n\nCan you come?\n",
        "Get Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\nFrom: North <shop@n.example>\n"
        "Sent: Monday\nTo: Dana\nSubject: Tint\n\nCan you come?\n",
        "-----Original Message-----\nFrom: North\nSent: Monday\n\nCan you come?\n",
        "Sent from Yahoo Mail on Android\n\n"
        "On Mon, Nov 23, 2026 at 9:00 AM, North Tint<shop@north.example> wrote: Can you come? Reply STOP to stop.\n",
        "-- \nDana Reyes\n512 555 0100\n",
        "---------- Forwarded message ---------\nFrom: North <shop@north.example>\nDate: Mon\nSubject: x\n\nCome?",
        "> Can you come?\n> Reply STOP to stop.\n",
    ],
    ids=[
        "gmail", "gmail-wrapped", "apple", "iphone", "outlook", "outlook-no-rule", "outlook-ios",
        "original-message", "yahoo-android", "signature", "forwarded", "only-quotes",
    ],
)  # fmt: skip
def test_only_the_new_words_stay(quoted: str) -> None:
    assert strip_reply(f"{REPLY}\n\n{quoted}") == REPLY
    assert strip_reply(f"{REPLY}\r\n\r\n{quoted}".replace("\n", "\r\n")) == REPLY


@pytest.mark.parametrize(
    "text",
    [
        "Hi,\n\nThanks, but I meant Tuesday.\nBest, Dana",
        "I need:\n- front windows\n- windshield strip",
        "From: Chicago I would drive down.",
        "On Monday I wrote to your colleague.",
        "ok",
        "👍",
    ],
)
def test_what_only_looks_like_a_quote_stays(text: str) -> None:
    assert strip_reply(text) == text


def test_answers_below_the_quote_are_found() -> None:
    text = "On Mon, Nov 23, 2026 at 9:00 AM Shop <shop@north.example> wrote:\n> Which car?\n\nA Civic."
    assert strip_reply(text) == "A Civic."


def test_a_mail_that_is_all_quote_is_kept_whole() -> None:
    text = "> Which car?\n> Which day?"
    assert strip_reply(text) == text


@pytest.mark.parametrize(
    "text", ["On a " * 20_000, "On a a a a\n" * 9_000, "> " * 50_000, "From: \n" * 15_000, "\n" * 100_000]
)
def test_a_hostile_mail_is_cut_off_in_bounded_time(text: str) -> None:
    before = time.process_time()
    strip_reply(text)
    assert time.process_time() - before < 5, "quadratic again; it took minutes before the bound"


def test_raw_mode() -> None:
    mail = raw_mail(
        f"{REPLY}\n\nOn Mon, Nov 23, 2026 at 9:00 AM Shop <shop@north.example> wrote:\n> Come?\n",
        message_id="<a@mail.example>", in_reply_to="<two@north.example>",
        references="<one@north.example> <two@north.example>",
    )  # fmt: skip
    assert (mail.sender, mail.sender_name, mail.subject) == ("dana@example.com", "Dana Reyes", "Re: Tint")
    assert mail.text == REPLY
    assert "> Come?" in mail.full_text
    assert mail.message_id == "<a@mail.example>"
    assert mail.references == ("<one@north.example>", "<two@north.example>")
    assert mail.recipients == ("shop@north.example",)
    assert mail.automatic is None


def test_parsed_mode_uses_the_declared_charsets() -> None:
    mail = parsed(
        headers="Message-ID: <b@mail.example>\nIn-Reply-To: <one@north.example>\n",
        **{"from": "Zoë <zoe@example.com>"},
        subject="Größe".encode("cp850"),
        text="Caf\u00e9 – 40 \u20ac".encode("windows-1252"),
        charsets=json.dumps({"text": "windows-1252", "subject": "cp850", "from": "UTF-8"}),
    )
    assert (mail.text, mail.subject) == ("Café – 40 €", "Größe")
    assert (mail.sender, mail.sender_name) == ("zoe@example.com", "Zoë")
    assert (mail.message_id, mail.references) == ("<b@mail.example>", ("<one@north.example>",))


@pytest.mark.parametrize(
    ("raw", "declared", "text"),
    [
        (b"caf\xe9", "iso-8859-1", "café"),
        (b"\x93hi\x94", "iso-8859-1", "“hi”"),
        ("日本".encode("iso-2022-jp"), "iso-2022-jp", "日本"),
        ("שלום".encode("iso-8859-8"), "iso-8859-8-i", "שלום"),
        ("naïve".encode(), "x-no-such-charset", "naïve"),
        (b"caf\xe9", "utf-8", "café"),
        (b"caf\xe9", None, "café"),
        (b"aGk=", "base64", "aGk="),
        (b"a\x00b", "utf-8", "ab"),
        (b"\x81\x8d", "utf-8", "\x81\x8d"),
    ],
)
def test_charsets(raw: bytes, declared: str | None, text: str) -> None:
    assert decode(raw, declared) == text


def test_a_mail_with_only_a_subject_says_its_subject() -> None:
    assert parsed(headers="From: dana@example.com", subject="unsubscribe", text="").text == "unsubscribe"


def test_an_attached_mail_and_files_are_no_words_of_the_sender() -> None:
    inner = compose("x@example.com", "y@example.com", "inner", "STOP")
    source = (
        b"From: dana@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=Cp1252\r\n\r\nI\x92m coming\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n"
        b"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nSTOP\r\n--b--\r\n"
    )
    mail = parsed(email=source)
    assert mail.text == "I’m coming"
    assert mail.attachments == 2


def test_a_field_over_half_a_megabyte_and_binary_files_pass() -> None:
    body = form(text="x" * 700_000)[: -len("--xYzZY--\r\n")] + (
        b'--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\r\n\x00\r\n--xYzZ\r\n--xYzZY--\r\n"
    )
    found = parse_form(body, CONTENT_TYPE)
    assert len(found.fields["text"]) == 700_000
    assert len(found.files) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", CONTENT_TYPE),
        (b"hello", CONTENT_TYPE),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"--x--", "multipart/form-data"),
        (b"--xYzZY\r\nX: y\r\n\r\nz", "multipart/form-data; boundary=xYzZY"),
    ],
)
def test_what_is_no_form_is_refused_in_one_way(body: bytes, content_type: str) -> None:
    with pytest.raises(BadForm):
        parse_form(body, content_type)


def test_envelopes_of_odd_shape() -> None:
    assert parsed(envelope="nonsense").recipients == ()
    assert parsed(envelope='{"to": "A@B.example"}').recipients == ("a@b.example",)
    assert parsed(envelope='{"to": [1, "a@b.example"], "from": null}').envelope_from is None
    assert parsed(envelope='{"to": ["a@b.example"], "from": ""}').automatic is not None


def test_encoded_and_raw_eight_bit_headers() -> None:
    mail = parsed(
        email=b"From: =?utf-8?q?Jos=C3=A9_=22X=22?= <jose@example.com>\r\nSubject: Cotizaci\xc3\xb3n\r\n"
        b"Message-ID: <c@x.example>\r\n\r\nHola"
    )
    assert mail.sender == "jose@example.com"
    assert mail.sender_name is not None
    assert mail.sender_name.startswith("José")
    assert mail.subject == "Cotización"


def test_deeply_nested_mail_gives_its_source_and_does_not_fall() -> None:
    source = b"From: dana@example.com\r\n"
    for level in range(600):
        source += f"Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n".encode()
    mail = parsed(email=source + b"Content-Type: text/plain\r\n\r\nhello")
    assert mail.sender == "dana@example.com"
    assert mail.full_text
