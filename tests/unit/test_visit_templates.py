"""What belongs to an appointment: the time word for word, no advertising, no single word that would be a stop."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

from channels.consent import read_consent
from channels.templates import Shop, Variables, render
from channels.templates.plain import septets

NAMES = ("confirmation", "reminder_48h", "reminder_3h")
SHOP = Shop("Lakeside Window Tint", "2200 N Lake Shore Service Rd, Chicago, IL 60614", "(312) 555-0100")
BARE = Variables(shop=Shop("Lakeside Window Tint", ""), visit="Thu, Dec 3 at 2:00 PM")
FULL = replace(BARE, shop=SHOP, first_name="Dana", car="2021 Honda Civic", request="ceramic tint")
LONG = replace(
    FULL,
    shop=replace(
        SHOP, name="Superlative Automotive Window Tinting & Paint Protection of Greater Chicagoland"
    ),
    first_name="Maximiliana-Konstantina Wolfeschlegelsteinhausen",
    visit="drop off Wed, Nov 25 between 10:30 AM and 12:30 PM",
)
ALL = list(product(NAMES, ("sms", "email"), ("en", "es"), (BARE, FULL, LONG), (True, False)))


@pytest.mark.parametrize(("name", "channel", "language", "base", "confirmed"), ALL)
def test_each_says_when_and_whose_shop(
    name: str, channel: str, language: str, base: Variables, confirmed: bool
) -> None:
    body = render(name, channel, replace(base, language=language, visit_confirmed=confirmed)).body
    assert base.visit is not None
    assert base.visit in body
    assert base.shop.name[:20] in body
    assert "None" not in body
    assert not re.search(r"\$|https?:|\bSTOP\b", body), (
        "no price, no link; the line on STOP is courtesy's to add"
    )
    if channel == "sms":
        assert septets(body) <= 306
        assert (base is LONG) or septets(body) <= 160, "one segment"


@pytest.mark.parametrize(("name", "language"), list(product(NAMES[1:], ("en", "es"))))
def test_who_has_confirmed_is_not_asked(name: str, language: str) -> None:
    asks = render(name, "sms", replace(FULL, language=language)).body
    knows = render(name, "sms", replace(FULL, language=language, visit_confirmed=True)).body
    word = "Responda C para confirmar" if language == "es" else "Reply C to confirm"
    assert word in asks
    assert word not in knows


@pytest.mark.parametrize(
    ("name", "channel", "language"), list(product(NAMES, ("sms", "email"), ("en", "es")))
)
def test_none_invites_a_word_that_stops(name: str, channel: str, language: str) -> None:
    body = render(name, channel, replace(FULL, language=language)).body
    invited = re.findall(r"\b(?:[Rr]eply|[Rr]esponda)(?: with the word| con la palabra)? \"?(\w+)", body)
    assert not [word for word in invited if (found := read_consent(word)) and found.meaning == "stop"]
    assert not re.search(r"\bcancel", body, re.IGNORECASE)


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_has_a_subject_and_the_way(name: str) -> None:
    mail = render(name, "email", FULL)
    assert mail.subject
    assert SHOP.address in mail.body
    assert "Where:" not in render(name, "email", BARE).body
