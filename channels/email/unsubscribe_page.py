"""What the page behind an unsubscribe link says: plain sentences in the person's language and one button.

No scripts, no styles, nothing from elsewhere: there is nothing on it that could tell anybody that it was opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from channels.email.layout import FOLDER


@dataclass(frozen=True)
class Standing:
    """What a link leads to: the shop, whether its mail is ended, and whether texts end or ended with it. `mailbox` and
    `phone` are where START opens them again."""

    shop: str
    language: str
    ended: bool
    texts_too: bool
    mailbox: str | None
    phone: str | None


class Words(NamedTuple):
    """The sentences of one language."""

    ask: str
    ask_texts: str
    ended: str
    ended_texts: str
    back: str
    back_texts: str
    button: str
    nowhere: str
    away: str


WORDS = {
    "en": Words(
        ask="Do you want to get no more emails from {shop}? Press the button and they stop.",
        ask_texts="Our text messages stop too.",
        ended="You are unsubscribed: {shop} sends you no more emails.",
        ended_texts="You are unsubscribed: {shop} sends you no more emails and no more text messages.",
        back="If you change your mind, write an email with the word START to {mailbox}.",
        back_texts="For text messages, text START to {phone}.",
        button="Unsubscribe",
        nowhere='This link does not lead to any of our emails. To stop them, reply "unsubscribe" to one.',
        away="This does not work at the moment, and nothing was changed. Please try again in a few minutes, or reply"
        ' "unsubscribe" to one of our emails.',
    ),
    "es": Words(
        ask="¿No quiere recibir más correos de {shop}? Pulse el botón y no le llegarán más.",
        ask_texts="Tampoco le llegarán más mensajes de texto nuestros.",
        ended="Listo: {shop} ya no le enviará correos.",
        ended_texts="Listo: {shop} ya no le enviará correos ni mensajes de texto.",
        back="Si cambia de opinión, envíe un correo con la palabra START a {mailbox}.",
        back_texts="Para los mensajes de texto, envíe START al {phone}.",
        button="No recibir más correos",
        nowhere='Este enlace no lleva a ninguno de nuestros correos. Para no recibirlos, responda "unsubscribe" a uno.',
        away="Ahora mismo no funciona y no se ha cambiado nada. Inténtelo de nuevo en unos minutos o responda"
        ' "unsubscribe" a uno de nuestros correos.',
    ),
}


def page(found: Standing) -> str:
    """The page of a link that leads to a mail of ours: the question with the button, or what was done."""
    words = WORDS["es" if found.language.lower().startswith("es") else "en"]
    return _render(found.language, found.shop, _ended(words, found) if found.ended else _question(words, found),
                   None if found.ended else words.button)  # fmt: skip


def nowhere_page() -> str:
    """The page of a link that nobody made; the language of who opened it is not known."""
    return _render("en", WORDS["en"].button, [words.nowhere for words in WORDS.values()])


def away_page() -> str:
    """The page for the time in which the database does not answer."""
    return _render("en", WORDS["en"].button, [words.away for words in WORDS.values()])


def _question(words: Words, found: Standing) -> list[str]:
    return [words.ask.format(shop=found.shop), *([words.ask_texts] if found.texts_too else [])]


def _ended(words: Words, found: Standing) -> list[str]:
    done = words.ended_texts if found.texts_too else words.ended
    lines = [done.format(shop=found.shop)]
    if found.mailbox:
        lines.append(words.back.format(mailbox=found.mailbox))
    if found.texts_too and found.phone:
        lines.append(words.back_texts.format(phone=found.phone))
    return lines


def _render(language: str, title: str, lines: list[str], button: str | None = None) -> str:
    code = "es" if language.lower().startswith("es") else "en"
    return _template().render(language=code, title=title, lines=lines, button=button)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("unsubscribe.html.j2")
