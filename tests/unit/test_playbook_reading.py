"""What the playbook understands of one text: intents, cars, wishes, names."""

from __future__ import annotations

import pytest

from agent.playbook.intents import Intent, is_clear_yes, read_intents
from agent.playbook.people import read_email, read_name
from agent.playbook.text import gsm, is_gsm, plain
from agent.playbook.typos import Mender
from agent.playbook.vehicles import read_vehicle
from agent.playbook.wishes import collect

INTENTS: list[tuple[str, Intent]] = [
    ("How much is it?", Intent.PRICE),
    ("whats the price", Intent.PRICE),
    ("can i get a quote", Intent.PRICE),
    ("hwo much", Intent.PRICE),
    ("how long does it take", Intent.DURATION),
    ("can I book a time", Intent.BOOK),
    ("do you have any openings", Intent.BOOK),
    ("when can you fit me in", Intent.BOOK),
    ("can I stop by tomorrow", Intent.BOOK),
    ("what times do you have", Intent.BOOK),
    ("any other times?", Intent.OTHER_TIMES),
    ("anything earlier?", Intent.OTHER_TIMES),
    ("can we reschedule", Intent.MOVE),
    ("need to move my appt", Intent.MOVE),
    ("I can't make it tomorrow", Intent.MOVE),
    ("cancel my appointment", Intent.CANCEL),
    ("please cancle it", Intent.CANCEL),
    ("when is my appointment?", Intent.MINE),
    ("what are your hours", Intent.HOURS),
    ("are you open saturday", Intent.HOURS),
    ("what time do you close", Intent.HOURS),
    ("where are you located", Intent.ADDRESS),
    ("whats ur address", Intent.ADDRESS),
    ("what's your phone number", Intent.PHONE),
    ("what services do you offer", Intent.SERVICES),
    ("what do you guys do", Intent.SERVICES),
    ("can I talk to a person", Intent.PERSON),
    ("let me speak with the owner", Intent.PERSON),
    ("please call me", Intent.PERSON),
    ("are you a bot?", Intent.BOT),
    ("is this a real person", Intent.BOT),
    ("am I talking to a human or a robot?", Intent.BOT),
    ("r u real", Intent.BOT),
    ("who is this", Intent.BOT),
    ("this is unacceptable, I want a refund", Intent.COMPLAINT),
    ("you scratched my door", Intent.DAMAGE),
    ("the tint is bubbling already", Intent.DAMAGE),
    ("running 10 minutes late", Intent.LATE),
    ("any discount?", Intent.BARGAIN),
    ("can you do it for 300", Intent.BARGAIN),
    ("do you offer financing", Intent.BEYOND),
    ("what percentage is legal here", Intent.BEYOND),
    ("stop", Intent.STOP),
    ("Please stop texting me", Intent.STOP),
    ("remove me from your list", Intent.STOP),
    ("wrong number", Intent.STOP),
    ("not interested", Intent.DONE_ELSEWHERE),
    ("don't text me again", Intent.STOP),
    ("unsubscribe", Intent.STOP),
    ("none of those work", Intent.REFUSES),
    ("let me check with my wife", Intent.HESITATES),
    ("I'll get back to you", Intent.HESITATES),
    ("already got it done", Intent.DONE_ELSEWHERE),
    ("thank you!", Intent.THANKS),
    ("ok bye", Intent.THANKS),
    ("yes please", Intent.YES),
    ("sounds good", Intent.YES),
    ("nope", Intent.NO),
    ("Hi there", Intent.GREETING),
    ("hola, cuanto cuesta", Intent.SPANISH),
    ("¿Hablan español?", Intent.SPANISH),
    ("quiero una cita para mañana", Intent.SPANISH),
]


@pytest.mark.parametrize(("text", "intent"), INTENTS, ids=[case[0] for case in INTENTS])
def test_a_text_has_its_intent(text: str, intent: Intent) -> None:
    assert intent in read_intents(text)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("can I stop by tomorrow", Intent.STOP),
        ("I'm not interested in ceramic, just carbon", Intent.STOP),
        ("tint on a nissan la costa edition", Intent.SPANISH),
        ("can we reschedule and cancel tuesday", Intent.CANCEL),
        ("no problem, see you then", Intent.NO),
        ("i need a real good tint", Intent.BOT),
    ],
)
def test_a_text_has_not_this_intent(text: str, intent: Intent) -> None:
    assert intent not in read_intents(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021 honda civic", (2021, "Honda", "Civic", "sedan")),
        ("my f-150", (None, "Ford", "F-150", "truck")),
        ("I have a F 150", (None, "Ford", "F-150", "truck")),
        ("i have a tesla model 3", (None, "Tesla", "Model 3", "sedan")),
        ("its a 2019 Chevy Silverado", (2019, "Chevrolet", "Silverado", "truck")),
        ("toyta camry 2018", (2018, "Toyota", "Camry", "sedan")),
        ("'21 accord", (2021, "Honda", "Accord", "sedan")),
        ("rav 4", (None, "Toyota", "RAV4", "suv")),
        ("bmw 328i", (None, "BMW", "328I", "sedan")),
        ("ram 1500", (None, "Ram", "1500", "truck")),
        ("2019 toyota", (2019, "Toyota", None, None)),
        ("a minivan", (None, None, None, "van")),
        ("civic hatchback", (None, "Honda", "Civic", "hatchback")),
    ],
)
def test_a_car_is_read(text: str, expected: tuple[int | None, str | None, str | None, str | None]) -> None:
    car = read_vehicle(text)
    assert car is not None
    assert (car.year, car.make, car.model, car.body_style) == expected


@pytest.mark.parametrize(
    "text",
    [
        "please focus on this",
        "I'm Dana",
        "can I pick up my car at 5",
        "escape from work",
        "is it $300",
        "3 windows",
        "",
    ],
)
def test_everyday_words_are_no_car(text: str) -> None:
    assert read_vehicle(text) is None


def test_an_everyday_word_is_a_car_when_we_asked_for_one() -> None:
    car = read_vehicle("a focus", asked=True)
    assert car is not None
    assert (car.make, car.model) == ("Ford", "Focus")


@pytest.mark.parametrize(
    ("texts", "queries"),
    [
        (["how much for ceramic tint"], ["ceramic tint"]),
        (["tint please", "ceramic"], ["ceramic tint"]),
        (["carbon tint", "ceramic instead"], ["ceramic tint"]),
        (["oil change and brakes"], ["oil change", "brake"]),
        (["tint", "also an oil change"], ["tint", "oil change"]),
        (["tint", "actually just an oil change"], ["oil change"]),
        (["ceramic coating"], ["ceramic coating"]),
        (["tint the front two windows"], ["front tint"]),
        (["remove old tint"], ["tint removal"]),
        (["how much is bumper repair"], ["bumper repair"]),
        (["can I book tomorrow"], []),
        (["I need tuesday"], []),
    ],
)
def test_a_wish_is_collected_over_texts(texts: list[str], queries: list[str]) -> None:
    assert [wish.query for wish in collect(texts)] == queries


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I'm Dana", ("Dana", None)),
        ("my name is dana", ("Dana", None)),
        ("This is Dana Smith, I want tint", ("Dana", "Smith")),
        ("9 works, I'm Dana", ("Dana", None)),
        ("I'm interested", None),
        ("It's Friday", None),
        ("i'm good", None),
    ],
)
def test_a_name_is_read(text: str, name: tuple[str, str | None] | None) -> None:
    assert read_name(text) == name


def test_an_email_address_is_read() -> None:
    assert read_email("mail me at Dana.X@Example.com.") == "dana.x@example.com"
    assert read_email("no @ here") is None


def test_text_messages_hold_gsm_characters_only() -> None:
    assert gsm("José’s café – 5½ ☕") == "José's café - 5 "
    assert is_gsm(gsm("“Tint” … ñandú 漢字"))


@pytest.mark.parametrize(
    "text",
    ["si", "si por favor", "esta bien", "claro", "perfecto", "dale", "sale", "va", "sí, me queda bien"],
)
def test_a_yes_in_spanish_is_clear(text: str) -> None:
    assert is_clear_yes(text)


@pytest.mark.parametrize(
    "text",
    ["si puedo le aviso", "va a llover", "sale caro", "claro que no", "sí pero otro día", "no", "bueno, pero a las 4",
     "si el martes no llueve", "esta bien, ¿cuánto cuesta?", "si?"],
)  # fmt: skip
def test_what_only_begins_like_a_spanish_yes_is_none(text: str) -> None:
    assert not is_clear_yes(text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cermaic windsheild apointment tomorow", "ceramic windshield appointment tomorrow"),
        ("satruday mornign", "saturday morning"),
        (
            "quite a friend found my charger in the window seat",
            "quite a friend found my charger in the window seat",
        ),
        ("mondays and sundays, Maria", "mondays and sundays, maria"),
        ("cuando puedo en abril", "cuando puedo en abril"),
    ],
)
def test_typing_errors_are_read_over_and_real_words_stay(typed: str, meant: str) -> None:
    assert plain(typed) == meant


def test_a_word_between_two_known_ones_is_left_alone() -> None:
    mender = Mender(["coating", "boating"])
    assert mender.meant("koating") is None
    assert mender.meant("coatng") == "coating"


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("ceramic, actually carbon", ["carbon"]),
        ("tint my car, no wait an oil change", ["oil change"]),
        ("full tint, actually make it friday", ["full tint"]),
        ("polarizado cerámico completo", ["full ceramic tint"]),
        ("cambio de aceite y frenos", ["oil change", "brake"]),
        ("quitar el polarizado viejo", ["tint removal"]),
        ("just the front two, carbon", ["front carbon tint"]),
    ],
)
def test_a_corrected_or_spanish_wish_is_read(text: str, queries: list[str]) -> None:
    assert [wish.query for wish in collect([text])] == queries
