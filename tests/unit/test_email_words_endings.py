"""What stands below a person's words and is none of them: device lines, signatures, disclaimers."""

from __future__ import annotations

import pytest

from channels.email.lines import Line, plain_lines
from channels.email.quote_headers import find_headers
from channels.email.signatures import without_ending
from channels.email.words import strip_reply

QUOTE = "\n> Which day?\n"


def kinds(text: str) -> list[tuple[str, int, int]]:
    return [(one.kind, one.start, one.end) for one in find_headers(plain_lines(text)).values()]


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from my iPad Pro",
        "Sent from my T-Mobile 5G Device",
        "Sent from my Verizon, Samsung Galaxy smartphone",
        "Sent from my phone, please excuse typos and brevity",
        "Sent from Yahoo Mail on Android",
        "Sent from Yahoo Mail<https://mail.onelink.me/1> for iPhone",
        "Sent from Mail<https://go.microsoft.com/fwlink/?LinkId=5> for Windows",
        "Sent from the all new AOL app for iOS",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Sent with Proton Mail secure email.",
        "Enviado desde mi iPhone",
        "Enviado desde Outlook para Android",
        "Obtener Outlook para iOS",
        "Envoyé de mon iPhone",
        "Envoyé depuis Outlook",
        "Obtenir Outlook pour Android",
        "Von meinem iPhone gesendet",
        "Gesendet von meinem Samsung Galaxy Smartphone",
        "Gesendet mit der GMX Mail App",
        "Outlook für Android beziehen<https://aka.ms/x>",
        "Enviado do meu iPhone",
        "Obter o Outlook para iOS",
        "Inviato da iPhone",
        "Inviato dal mio Galaxy",
        "Scarica Outlook per Android",
    ],
)
def test_device_lines(line: str) -> None:
    assert strip_reply(f"Yes, Tuesday\n\n{line}") == "Yes, Tuesday"
    assert strip_reply(f"{line}\n\nYes, Tuesday") == "Yes, Tuesday", "people type below it, too"
    assert strip_reply(line) == line, "a mail that says nothing else"


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my desk, is much easier than my mobile phone.",
        "Sent you two pictures from my old iPhone",
        "Sent from my phone the pictures are coming",
        "Get my phone back",
        "Get outlook for the weather please",
        "Sent by mail",
        "I sent it from my iPhone",
        "Enviado por correo ayer",
        "Gesendet habe ich es am Montag",
    ],
)
def test_sentences_are_no_device_lines(line: str) -> None:
    assert strip_reply(f"Two things.\n\n{line}") == f"Two things.\n\n{line}"


@pytest.mark.parametrize(
    ("ending", "kept"),
    [
        ("-- \nDana Reyes\n512 555 0100", False),
        ("--\nDana Reyes\nExample Co.", False),
        ("-- \n" + "\n".join(f"line {n}" for n in range(25)), False),
        ("-- \n" + "\n".join(f"line {n}" for n in range(40)), True),
        ("--\nWhich of the two?", True),
        ("--\n- and the rear", True),
        ("--\nthis is one more sentence about the car that I would like to have done", True),
        ("Best,\nDana", True),
        ("- Dana", True),
    ],
)
def test_signatures(ending: str, kept: bool) -> None:
    text = f"Yes, Tuesday\n\n{ending}"
    assert strip_reply(text) == (text.replace("-- \n", "--\n") if kept else "Yes, Tuesday")


@pytest.mark.parametrize(
    ("paragraph", "kept"),
    [
        ("CONFIDENTIALITY NOTICE: this is private.\n\nDo not read on.", False),
        ("This e-mail and any attachments are confidential and intended for the addressee only.", False),
        ("This message\ncontains confidential information.", False),
        ("If you are not the intended recipient, delete it.", False),
        ("Please consider the environment before printing this email", False),
        ("Este mensaje y sus archivos adjuntos son confidenciales.", False),
        ("Ce message et ses pièces jointes sont confidentiels.", False),
        ("Diese E-Mail enthält vertrauliche Informationen.", False),
        ("Esta mensagem é confidencial e destina-se ao destinatário.", False),
        ("Questo messaggio è riservato al destinatario.", False),
        ("Virus-free.www.avast.com", False),
        ("This email is about the BMW.", True),
        ("If you are not open on Monday, tell me.", True),
        ("This is confidential, my wife must not know.", True),
    ],
)
def test_disclaimers(paragraph: str, kept: bool) -> None:
    text = f"Yes, Tuesday\n\n{paragraph}"
    assert strip_reply(text) == (text if kept else "Yes, Tuesday")


def test_a_disclaimer_over_words_keeps_the_words() -> None:
    for above in ("", "Hello\n\n"):
        text = f"{above}This e-mail and any attachments are confidential.\n\nYes, Tuesday"
        assert strip_reply(text) == text


def test_an_ending_is_cut_from_lines_and_nothing_else_changes() -> None:
    lines = [Line("Yes"), Line(""), Line("Dana", signature=True), Line("Sent from my iPhone")]
    assert [line.text for line in without_ending(lines)] == ["Yes"]
