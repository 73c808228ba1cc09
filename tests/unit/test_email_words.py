"""The words of a person in a plain text: every kind of line that mail programs put around them, and what only looks
like one."""

from __future__ import annotations

import pytest

from channels.consent import read_message
from channels.email.layout import html_body
from channels.email.lines import Line, plain_lines
from channels.email.quote_headers import find_headers, introduces_forward
from channels.email.words import MAX_TEXT, read_words, strip_reply
from channels.templates import names, render
from tests.email_set.cases import SHOP, as_html, our_mail, quoted
from tests.unit.test_templates import FULL, LONG

QUOTE = "\n> Which day?\n"


def kinds(text: str) -> list[tuple[str, int, int]]:
    return [(one.kind, one.start, one.end) for one in find_headers(plain_lines(text)).values()]


@pytest.mark.parametrize(
    "line",
    [
        "On Mon, Nov 23, 2026 at 9:00 AM North Tint <shop@north.example> wrote:",
        "On 11/23/26, 9:00 AM, North Tint <shop@north.example> wrote:",
        "In a message dated 11/23/2026 9:00:00 AM Central Standard Time, shop@north.example writes:",
        "El lun, 23 nov 2026 a las 9:00, North (<shop@north.example>) escribió:",
        "Le lun. 23 nov. 2026 à 09:00, North <shop@north.example> a écrit\u00a0:",
        "Am 23.11.2026 um 09:00 schrieb North <shop@north.example>:",
        "North <shop@north.example> schrieb am Mo., 23. Nov. 2026, 09:00:",
        "Am Montag, 23. November 2026 um 09:00 hat North <a@north.example> Folgendes geschrieben:",
        "Em seg., 23 de nov. de 2026 às 09:00, North <shop@north.example> escreveu:",
        "North <shop@north.example> escreveu (segunda, 23/11/2026 à(s) 09:00):",
        "Il giorno lun 23 nov 2026 alle ore 09:00 North <shop@north.example> ha scritto:",
        "2026年11月23日(月) 9:00 North <shop@north.example>:",
        "пн, 23 нояб. 2026 г. в 09:00, North <shop@north.example>:",
        "Op ma 23 nov 2026 om 09:00 schreef North <shop@north.example>:",
    ],
)
def test_attributions(line: str) -> None:
    assert kinds(f"Yes\n\n{line}\n{QUOTE}") == [("attribution", 2, 3)]
    assert kinds(f"Yes\n\n{line}\nWhich day?") == [("attribution", 2, 3)], "the quote may have lost its marks"


@pytest.mark.parametrize(
    "lines",
    [
        ["On Mon, Nov 23, 2026 at 9:00 AM North Tint <", "shop@north.example> wrote:"],
        ["On Mon, Nov 23, 2026 at 9:00 AM", "North Tint of Chicago", "<shop@north.example>", "wrote:"],
        ["El lun, 23 nov 2026 a las 9:00, North (<shop@north.example>)", "escribió:"],
        ["02.04.2026 14:20 пользователь \"shop@north.example\" <", "shop@north.example> написал:"],
        ["ma 23. marrask. 2026 klo 9.14 North (shop@north.example)", "kirjoitti:"],
    ],
)  # fmt: skip
def test_attributions_in_several_lines(lines: list[str]) -> None:
    text = "\n".join(["Yes", "", *lines, "", "> Which day?"])
    assert kinds(text) == [("attribution", 2, 2 + len(lines))]
    assert strip_reply(text) == "Yes"


@pytest.mark.parametrize(
    "line",
    [
        "On Tuesday I wrote:",
        "On Nov 23, 2026 at 9:00 I wrote:",
        "On 11/23/2026 at 9:00 you wrote:",
        "On November 20, 2026 at 9:30 AM your colleague wrote:",
        "My number is 312 555 0100 and my mail is a@b.example:",
        "El 23/11/2026 a las 9:00 usted escribió:",
        "Am 23.11.2026 um 9:00 schrieb ich:",
        "Here is what I need by 9:30 on 11/23/2026:",
        "On my car the tint was from 2019, he wrote:",
        "On the papers of the car from 2019 Sam wrote:",
        "On 11/23/2026 at 9:30 I wrote to shop@north.example:",
        "Am 23.11.2026 um 9:30 schrieb ich an shop@north.example:",
    ],
)
def test_sentences_are_no_attributions(line: str) -> None:
    text = f"Hello,\n{line}\nplease use 20 percent"
    assert kinds(text) == []
    assert strip_reply(text) == text


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("From: a@b.example\nSent: Monday\nSubject: x", True),
        ("From: North\nSent: Monday, November 23, 2026 9:00 AM\nTo: Dana\nSubject: x", True),
        ("*From:* North <a@b.example>\n*Date:* Monday\n*To:* Dana", True),
        ("De : North\nEnvoyé : lundi 23 novembre 2026 09:00\nÀ : Luc\nObjet : x", True),
        ("From: a@b.example\n\nSent: Monday\n\nTo: Dana", True),
        ("From: a@b.example\nTo: c@d.example,\n e@f.example,\n g@h.example\nSubject: x", True),
        ("From: Denver\nTo: Chicago\nDate: next Tuesday", False),
        ("From: Denver\nTo: Chicago\nDate: Tuesday 9:00", False),
        ("From: a@b.example\nTo: me", False),
        ("Date: 11/23/2026 9:00\nTo: the shop\nCc: nobody", False),
        ("From: a@b.example\n1\n2\n3\n4\n5\nSent: Monday\nSubject: x", False),
    ],
)
def test_blocks_of_headers(block: str, found: bool) -> None:
    text = f"Yes\n\n{block}\n\nWhich day?"
    assert [kind for kind, _, _ in kinds(text)] == (["block"] if found else [])
    assert strip_reply(text) == ("Yes" if found else text)


def test_marks_of_writing_direction_are_no_letters() -> None:
    sent = "Отправлено: ~четверг~, ~26~ ~июня~ ~2014~ г. ~15~:~05".replace("~", "\u200e")
    block = f"От: A\n{sent}\nКому: B"
    assert strip_reply(f"Да\n\n{block}\n\nПривет") == "Да"


def test_a_line_that_names_nobody_reaches_no_further_up() -> None:
    text = "Hi\n\nCall me\nnow please\nat the shop they said 23.11.2026 9:00\n<a@b.example>:"
    assert strip_reply(text) == text


def test_a_persons_own_label_above_a_block_stays() -> None:
    text = "Pick up\nFrom: Naperville\n\nFrom: a@b.example\nSent: Monday\nTo: Dana\nSubject: x\n\nWhich day?"
    assert strip_reply(text) == "Pick up\nFrom: Naperville"


@pytest.mark.parametrize(
    "line",
    [
        "-----Original Message-----",
        "----- Mensaje original -----",
        "-------- Message d'origine --------",
        "-----Ursprüngliche Nachricht-----",
        "-------- Mensagem original --------",
        "-------- Messaggio originale --------",
        "------- Original Message -------",
        "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐",
    ],
)
def test_separators(line: str) -> None:
    assert strip_reply(f"Yes\n\n{line}\nWhich day?") == "Yes"


@pytest.mark.parametrize(
    "line",
    [
        "---------- Forwarded message ---------",
        "Begin forwarded message:",
        "-------- Mensaje reenviado --------",
        "Inicio del mensaje reenviado:",
        "-------- Message transféré --------",
        "Début du message réexpédié :",
        "-------- Weitergeleitete Nachricht --------",
        "Anfang der weitergeleiteten Nachricht:",
        "-------- Mensagem encaminhada --------",
        "Início da mensagem encaminhada:",
        "-------- Messaggio Inoltrato --------",
        "Inizio messaggio inoltrato:",
    ],
)
def test_forwards(line: str) -> None:
    assert introduces_forward(line)
    mail = f"{line}\nFrom: Sam <sam@example.org>\n\nStop by on Friday."
    with_a_line = read_words(f"Can you do this?\n\n{mail}", "")
    assert (with_a_line.text, with_a_line.forwarded) == ("Can you do this?", False)
    alone = read_words(mail, "")
    assert (alone.text, alone.forwarded) == ("From: Sam <sam@example.org>\n\nStop by on Friday.", True)
    assert line in alone.full


def test_a_forward_below_a_device_line_is_bare() -> None:
    words = read_words("Sent from my iPhone\n\nBegin forwarded message:\n\nFrom: Sam\n\nCome by.", "")
    assert (words.text, words.forwarded) == ("From: Sam\n\nCome by.", True)


def test_marks_below_a_block_are_those_of_an_older_mail() -> None:
    block = "From: a@b.example\nSent: Monday\nTo: Dana\nSubject: x\n"
    assert strip_reply(f"Yes\n\n{block}\n> Older\n\nWhich day?") == "Yes"
    assert strip_reply(f"{block}\n> Which day?\n\nFriday") == "Friday", "below a block that marks its quote"


def test_words_about_forwarding_are_no_forward() -> None:
    assert not introduces_forward("I forwarded your message to my wife")
    assert not introduces_forward("- original message -")


@pytest.mark.parametrize(
    "text", ["Y", "2", "k", "ok", "👍", "好", "?!", "I need:\n- front windows\n- windshield strip"]
)
def test_short_answers_and_lists_stay(text: str) -> None:
    assert strip_reply(text) == text
    answered = strip_reply(f"{text}\n\nOn Mon, Nov 23, 2026 at 9:00 AM N <a@b.example> wrote:\n{QUOTE}")
    assert answered.startswith(text)


def test_answers_between_the_lines() -> None:
    words = read_words(
        "see below\n\n> Which car?\n>\n> Really?\n\nCivic\n\n> Which day?\nFriday\n\n> Bye\n", ""
    )
    assert words.inline
    assert words.text == "see below\n\n> Which car?\n> Really?\n\nCivic\n\n> Which day?\n\nFriday"


def test_answers_below_are_no_answers_between() -> None:
    words = read_words("On 11/23/26 9:14 AM, North wrote:\n> Which car?\n>> Hi\n\nCivic\n\n-- \nDana\n", "")
    assert (words.text, words.inline) == ("Civic", False)


def test_above_and_below() -> None:
    words = read_words("Hi!\n\nOn 11/23/26 9:14 AM, North wrote:\n> Which car?\n\nCivic", "")
    assert (words.text, words.inline) == ("Hi!\n\nCivic", False)


def test_hyphens_above_all_words_are_no_signature() -> None:
    text = "--\nTuesday works\n\nOn Mon, Nov 23, 2026 at 9:00 AM N <a@b.example> wrote:\n> Which day?"
    assert strip_reply(text) == "--\nTuesday works"


def test_quotes_are_shown_no_deeper_than_anybody_counts() -> None:
    assert Line("a", depth=2).marked == ">> a"
    assert Line("a", depth=500).marked == f"{'>' * 20} a"


def test_a_mail_that_is_all_quote_is_kept_with_its_marks() -> None:
    words = read_words("> Which car?\n> Which day?", "")
    assert words.text == "> Which car?\n> Which day?"


def test_nothing_is_nothing() -> None:
    for text in ("", " \n\t\n", "\n\n\n"):
        assert read_words(text, "") == read_words("", text) == read_words(text, text)
        assert read_words(text, "").text == ""


def test_line_ends_of_every_kind() -> None:
    text = "Yes\n\nOn Mon, Nov 23, 2026 at 9:00 AM N <a@b.example> wrote:\n> Which day?"
    for end in ("\n", "\r\n", "\r"):
        assert strip_reply(text.replace("\n", end)) == "Yes"


def test_long_mails_are_cut_and_never_empty() -> None:
    words = read_words("\n" * 300_000 + "a" * 300_000, "")
    assert len(words.text) == len(words.full) == MAX_TEXT


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("link", [None, "https://leads.example/u/abc"])
def test_a_mail_of_ours_that_comes_back_is_nobodys_stop(name: str, language: str, link: str | None) -> None:
    """Each of our mails in shapes without any sign that it is a quotation. Its footer tells how to stop."""
    from dataclasses import replace

    for base in (FULL, LONG):
        body = render(
            name, "email", replace(base, language=language, unsubscribe=link, visit="Thu, Dec 3 at 2:00 PM")
        ).body
        shapes = [
            (f"How much is it?\n\n{body}", ""),
            (f"How much is it?\n\n{quoted(body)}", ""),
            ("How much is it?\n\n" + body.replace("\n", "\n| "), ""),
            (f"How much is it?\n\n{quoted(_wrapped(body))}".replace("\n> request", "\nrequest"), ""),
            ("", f"<div>How much is it?</div>{html_body(body)}"),
            ("", f"<div>How much is it?</div>{as_html(body)}"),
            (body, html_body(body)),
        ]
        for plain, html in shapes:
            words = read_words(plain, html)
            assert words.text
            assert "leads.example" not in words.text or "| " in words.text
            assert read_message(words.text, None, automatic=False, channel="email") is None, words.text


def _wrapped(body: str) -> str:
    words, lines = body.split(" "), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 60:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(lines)


def test_a_stop_above_our_footer_is_heard() -> None:
    for text in ("unsubscribe", "Please stop these emails", 'I will reply "unsubscribe" then: unsubscribe'):
        for quote in (our_mail("hello", "en"), quoted(our_mail("hello", "en"))):
            words = read_words(f"{text}\n\n{quote}", "").text
            found = read_message(words, None, automatic=False, channel="email")
            assert found is not None, words
            assert found.meaning == "stop"


def test_only_our_footer_comes_back_as_a_quotation() -> None:
    body = our_mail("hello", "en")
    footer = body[body.index("This is a commercial message") :]
    assert SHOP.name in footer
    text = read_words(footer, "").text
    assert text
    assert all(line.startswith(">") for line in text.split("\n"))
