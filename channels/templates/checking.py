"""Looking at a template before it is used: filled in for everybody it may meet, and held against what the law and the
carriers want in it (messaging facts 3.4, 3.5, 4.4)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jinja2 import nodes

from channels.templates.claims import false_claims
from channels.templates.plain import gsm7, short
from channels.templates.render import TEXT_ROOMS, Rendered, TemplateFailed, render_body
from channels.templates.samples import SHOP, TIMES, WITHOUT_VISIT, cases
from channels.templates.sandbox import Refused, compiled, parsed
from channels.templates.variables import Shop, Variables

LONGEST_GOOD_SUBJECT = 78
_AUTOMATED = re.compile(r"automat|\bvirtual\b|\bAI\b|\bbot\b", re.IGNORECASE)
_COMMERCIAL = re.compile(r"commercial|comercial|advertis|publici", re.IGNORECASE)
_LITERALS = (
    ("perhaps an amount", re.compile(r"\b(?:from|only|just|desde|solo)\s+\d{2,4}\b", re.IGNORECASE)),
    ("a percentage", re.compile(r"\d\s?%|\bpercent\b", re.IGNORECASE)),
    (
        "a weekday",
        re.compile(
            r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:lunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bado"
            r"|domingo)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "a promise",
        re.compile(r"\b(?:free|discount|guarantee|lifetime|gratis|descuento|garant[ií]a)\w*", re.I),
    ),
    (
        "a day",
        re.compile(r"\b(?:tonight|tomorrow|esta noche)\b|(?<!la )\bma[nñ]ana\b", re.IGNORECASE),
    ),
    (
        "a link",
        re.compile(
            r"https?:|www\.|\b[\w-]+\.(?:com|net|org|ly|io|co|us|me|app|shop|biz|info|site|link)\b|\b[\w-]+\.[a-z]{2,}/\w",
            re.IGNORECASE,
        ),
    ),
    ("a phone number", re.compile(r"\d{3}[\s).-]*\d{3}[\s.-]*\d{4}")),
)


@dataclass(frozen=True)
class Use:
    """How a template is used: `plan` and `step` for people; `marketing`: it is advertising, with all duties; `offers`: the
    step looks up free times; `visit`: it belongs to an appointment."""

    plan: str
    step: int
    marketing: bool = True
    offers: bool = False
    visit: bool = False


@dataclass(frozen=True)
class Problem:
    """What is wrong; an error keeps the words from being stored, a warning does not."""

    level: Literal["error", "warning"]
    sentence: str


def check_words(
    name: str,
    channel: str,
    language: str,
    source: str,
    uses: tuple[Use, ...] = (),
    shop: Shop = SHOP,
) -> list[Problem]:
    """Everything that is wrong with these words for this template, errors first. Never raises for any text."""
    try:
        compiled(source)
    except Refused as error:
        return [Problem("error", str(error))]
    found = list(
        dict.fromkeys(
            [*_filled_in(name, channel, language, source, uses, shop), *_written(channel, source, uses)]
        )
    )
    return sorted(found, key=lambda one: one.level)


def _filled_in(
    name: str, channel: str, language: str, source: str, uses: tuple[Use, ...], shop: Shop
) -> Iterator[Problem]:
    failed: dict[str, list[str]] = {}
    about_visit = bool(uses) and all(use.visit for use in uses)
    for what, variables in cases(shop, language).items():
        if about_visit and what == WITHOUT_VISIT:
            continue
        try:
            rendered = render_body(name, channel, source, variables)
        except TemplateFailed as error:
            failed.setdefault(str(error), []).append(what)
            continue
        for one in _duties(channel, rendered, variables, uses):
            failed.setdefault(one, []).append(what)
        if what == "with everything known":
            yield from _looks(channel, rendered, uses)
    for sentence, whom in failed.items():
        more = f" and {len(whom) - 1} more" if len(whom) > 1 else ""
        yield Problem("error", f"for somebody {whom[0]}{more}: {sentence}")


def _duties(channel: str, rendered: Rendered, variables: Variables, uses: tuple[Use, ...]) -> Iterator[str]:
    """What has to be in every message, whoever gets it."""
    marketing = not uses or any(use.marketing for use in uses)
    body, shop = rendered.body, variables.shop
    # In the smallest room there is, a name of any length is cut to this.
    if gsm7(short(shop.name, TEXT_ROOMS[-1].shop)[:20]) not in gsm7(body):
        yield "the shop is not named (shop.name)"
    if any(use.visit for use in uses) and gsm7(variables.visit or "") not in gsm7(body):
        yield "the time of the visit is not said (visit)"
    if not marketing:
        return
    if channel == "email":
        if shop.address not in body:
            yield "the postal address is missing, which the law wants in every commercial email (shop.address)"
        if "unsubscribe" not in body.lower():
            yield 'how to stop these emails is missing: reply "unsubscribe"'
        if variables.unsubscribe and variables.unsubscribe not in body:
            yield "the link that stops these emails is missing (unsubscribe)"
    elif variables.first_text:
        if not re.search(r"\bSTOP\b", body):
            yield "a first text has to say how to stop: Reply STOP to opt out"
        if not _AUTOMATED.search(body):
            yield "a first text has to say that an automated assistant writes (assistant)"


def _looks(channel: str, rendered: Rendered, uses: tuple[Use, ...]) -> Iterator[Problem]:
    if channel == "email":
        if len(rendered.subject or "") > LONGEST_GOOD_SUBJECT:
            yield Problem(
                "warning", f"the subject is longer than {LONGEST_GOOD_SUBJECT} characters and will be cut"
            )
        if any(use.marketing for use in uses) and not _COMMERCIAL.search(rendered.body):
            yield Problem("warning", "the email does not say that it is a commercial message")
    for use in uses:
        if use.offers and not any(label in rendered.body for label in TIMES):
            yield Problem(
                "warning",
                f"step {use.step} of the plan {use.plan} looks up free times, and these words name none",
            )


def _written(channel: str, source: str, uses: tuple[Use, ...]) -> Iterator[Problem]:
    """What stands in the words themselves, which is the same for everybody and for ever."""
    tree = parsed(source)
    quoted = [str(node.value) for node in tree.find_all(nodes.Const) if not str(node.value).endswith(".j2")]
    words = " ".join([*(node.data for node in tree.find_all(nodes.TemplateData)), *quoted])
    subject = source.partition("\n")[0].removeprefix("Subject:") if source.startswith("Subject:") else None
    about_visit = bool(uses) and all(use.visit or use.plan == "no_show" for use in uses)
    for sentence in false_claims(channel, words, subject, about_visit=about_visit):
        yield Problem("error", sentence)
    for what, pattern in _LITERALS:
        if match := pattern.search(words):
            said = " ".join(match.group().split())
            yield Problem(
                "warning",
                f'"{said}" is {what} that stands in the words and will be sent when it is no longer true',
            )
    lost = sorted({letter for letter in words if not letter.isspace() and not gsm7(letter)})
    if channel == "sms" and lost:
        named = ", ".join(unicodedata.name(letter, "a sign").lower() for letter in lost[:5])
        yield Problem("warning", f"these cannot be in a text and are left out: {named}")
