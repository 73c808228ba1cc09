"""Every template, with everything missing and with everything too long."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

from channels.templates import ServiceLine, Shop, TemplateFailed, Variables, names, render
from channels.templates.plain import gsm7, plain_name, plain_words, septets, short
from channels.templates.variables import disclosed

SHOP = Shop(
    "Lakeside Window Tint", "2200 N Lake Shore Service Rd, Chicago, IL 60614", "(312) 555-0100", "Mon-Fri"
)
CERAMIC = ServiceLine(
    "Full car tint, sedan, ceramic film", "$449", "2 h 30 min", "Lifetime warranty.", "sunroof"
)
QUOTED = ServiceLine("Paint correction", None, "6 h")
TIMES = ("Tue, Nov 24 at 9:00 AM", "Wed, Nov 25 at 12:30 PM")
FULL = Variables(
    shop=SHOP,
    first_name="Dana",
    car="2021 Honda Civic",
    request="ceramic tint",
    services=(CERAMIC, QUOTED),
    times=TIMES,
    facts={"Do you work on leased cars?": "Yes, with the lessor's consent."},
    about="PPF on the hood",
)
LONG = replace(
    FULL,
    shop=replace(
        SHOP, name="Superlative Automotive Window Tinting & Paint Protection of Greater Chicagoland"
    ),
    assistant="Constantinopolitania the Great and Wise",
    first_name="Maximiliana-Konstantina Wolfeschlegelsteinhausen",
    car="2021 Mercedes-Benz AMG GLE 63 S 4MATIC+ Coupe Long Wheelbase Edition {One}",
    request="full ceramic tint on [all] windows, please " * 5,
    services=(
        replace(
            CERAMIC, name="Full car tint, sedan, ceramic film with a lifetime warranty", price="$1,449.50"
        ),
    ),
    times=("Wed, Nov 25 at 12:30 PM", "Thu, Dec 31 at 10:30 AM"),
    about="the full front of the car and whether that would be possible in January",
)
GONE: dict[str, dict[str, object]] = {
    "name": {"first_name": None}, "car": {"car": None}, "request": {"request": None}, "services":
    {"services": ()}, "times": {"times": ()}, "one time": {"times": TIMES[:1]}, "facts": {"facts": {}},
    "about": {"about": None}, "second text": {"first_text": False}, "all": {"first_name": None, "car": None, "request": None,
    "services": (), "times": (), "facts": {}},
}  # fmt: skip
# What belongs to an appointment is no advertising and reads otherwise: tests/unit/test_visit_templates.py.
ADS = [name for name in names() if name not in ("confirmation", "reminder_48h", "reminder_3h")]
CASES = [
    pytest.param(name, replace(base, **gone), id=f"{name}-{size}-without-{what}")  # type: ignore[arg-type]
    for name, (size, base), (what, gone) in product(
        ADS, (("full", FULL), ("long", LONG)), {"nothing": {}, **GONE}.items()
    )
]


def test_each_has_both_channels() -> None:
    assert len(ADS) >= 17
    coming = replace(FULL, visit="Tue, Nov 24 at 9:00 AM")
    for name in names():
        assert render(name, "sms", coming).subject is None
        assert render(name, "email", coming).subject


@pytest.mark.parametrize("name", ["confirmation", "reminder_48h", "reminder_3h"])
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_a_visit_that_is_none_is_never_spoken_of(name: str, channel: str) -> None:
    with pytest.raises(TemplateFailed):
        render(name, channel, FULL)


@pytest.mark.parametrize(("name", "variables"), CASES)
def test_texts(name: str, variables: Variables) -> None:
    body = render(name, "sms", variables).body
    assert septets(body) <= 306
    assert variables.shop.name[:20] in body
    assert "None" not in body
    assert "  " not in body
    if variables.first_text:
        assert "automated assistant" in body
        assert body.endswith("Msg & data rates may apply. Reply STOP to opt out, HELP for help")
    else:
        assert body.endswith("Reply STOP to opt out")


@pytest.mark.parametrize(("name", "variables"), CASES)
def test_emails(name: str, variables: Variables) -> None:
    email = render(name, "email", variables)
    assert email.subject
    assert "\n" not in email.subject
    assert "None" not in email.body
    for needed in (variables.shop.address, 'reply "unsubscribe"', "received a request from you", "automated"):
        assert needed in email.body


@pytest.mark.parametrize("channel", ["sms", "email"])
@pytest.mark.parametrize("name", ADS)
def test_no_price_and_no_time_that_was_not_given(name: str, channel: str) -> None:
    bare = replace(FULL, services=(), times=(), shop=replace(SHOP, hours=""))
    body = render(name, channel, bare).body
    assert not re.search(r"\$|\b\d{1,2}:\d\d|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", body)
    allowed = {"$449"}
    assert set(re.findall(r"\$[\d,.]*\d", render(name, channel, FULL).body)) <= allowed
    clocks = re.findall(r"\d{1,2}:\d\d [AP]M", render(name, channel, FULL).body)
    assert set(clocks) <= {"9:00 AM", "12:30 PM"}


def test_the_first_text_names_shop_car_and_request_and_asks_one_question() -> None:
    body = render("hello", "sms", FULL).body
    for needed in ("Lakeside Window Tint", "2021 Honda Civic", "ceramic tint", "automated assistant"):
        assert needed in body
    assert body.count("?") == 1


@pytest.mark.parametrize("name", ["two_times", "this_week", "new_times"])
def test_times_or_a_question(name: str) -> None:
    for channel in ("sms", "email"):
        assert all(label in render(name, channel, FULL).body for label in TIMES)
        assert "Which day would suit you?" in render(name, channel, replace(FULL, times=())).body


@pytest.mark.parametrize(
    "wish",
    [
        "see http://evil.example",
        "win at evil.com",
        "mail me@evil.org",
        "call +1 (312) 555-0177 now",
        "",
        "👍",
        None,
    ],
)
def test_a_form_cannot_send_links_to_strangers(wish: str | None) -> None:
    assert plain_words(wish) is None
    assert '"' not in render("hello", "sms", replace(FULL, request=wish)).body


@pytest.mark.parametrize(
    ("raw", "name"),
    [("José", "José"), ("Jiří", "Jiri"), ("Anne-Marie", "Anne-Marie"), ("O’Neil", "O'Neil"), ("Дмитрий",
    None), ("Win $500", None), ("a\nb", "a b"), ("R2D2", None), ("   ", None)],
)  # fmt: skip
def test_names(raw: str, name: str | None) -> None:
    assert plain_name(raw) == name
    if name:
        assert septets(name) >= len(name)


def test_plain_pieces() -> None:
    assert gsm7("“Zoë’s” – 100 €…") == '"Zoe\'s" - 100 €...'
    assert septets("[€]") == 6
    with pytest.raises(ValueError, match="GSM-7"):
        septets("👍")
    assert short("all windows please", 14) == "all windows.."
    assert disclosed("Max") == "Max, the automated assistant"
    assert disclosed("the shop's automated assistant") == "the automated assistant"


def test_failures_are_named() -> None:
    with pytest.raises(TemplateFailed, match=r"nothing\.sms"):
        render("nothing", "sms", FULL)
    with pytest.raises(TemplateFailed, match="longer than"):
        render("two_times", "sms", replace(FULL, times=("x" * 200, "y" * 200)))


@pytest.mark.parametrize(("name", "variables"), CASES)
def test_spanish_texts(name: str, variables: Variables) -> None:
    body = render(name, "sms", replace(variables, language="es")).body
    assert septets(body) <= 306
    assert variables.shop.name[:20] in body
    assert body.startswith("Hola")
    assert "None" not in body
    for english in ("your", "Reply", "automated", "Which", "this is"):
        assert english not in body
    assert "Responda STOP para salir" in body
    assert ("asistente automatico" in body) is variables.first_text


@pytest.mark.parametrize(("name", "variables"), CASES)
def test_spanish_emails(name: str, variables: Variables) -> None:
    email = render(name, "email", replace(variables, language="es"))
    assert email.subject
    assert "None" not in email.body
    for needed in (variables.shop.address, 'responda "unsubscribe"', "una solicitud suya", "automatico"):
        assert needed in email.body
    for english in ("your", "Reply", "automated", "Which day"):
        assert english not in email.body


def test_a_language_without_templates_gets_english() -> None:
    for language in ("fr", "../en", ""):
        assert render("hello", "sms", replace(FULL, language=language)) == render("hello", "sms", FULL)


def test_a_follow_up_says_what_it_is_about_and_nothing_that_was_smuggled_in() -> None:
    assert "about: PPF on the hood" in render("follow_up", "sms", FULL).body
    assert "sobre: PPF on the hood" in render("follow_up", "email", replace(FULL, language="es")).body
    link = replace(FULL, about="see http://evil.example")
    assert "evil" not in render("follow_up", "sms", link).body
