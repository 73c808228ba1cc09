"""A labelled table of customers' answers: which of them may book, which may not, and which have to be asked back.

"yes" writes; everything else writes nothing. "no" are words that agree to nothing here, "ask" are words that agree but
say something else beside it, fit several times or name another one.
"""

from __future__ import annotations

from datetime import date, datetime

import pytest

from agent.tools.acceptance import Table, accepts
from agent.tools.cancel_words import Visit, asked_about, asks_to_cancel, work_words
from agent.tools.named import Shown

MONDAY = date(2026, 11, 23)
KNOWN = frozenset(
    (
        "full",
        "car",
        "tint",
        "sedan",
        "ceramic",
        "film",
        "dana",
        "north",
        "2021",
        "honda",
        "civic",
        "$449",
        "449",
    )
)


def shown(number: int, day: int, hour: int, minute: int = 0) -> Shown:
    moment = datetime(2026, 11, day, hour, minute)  # noqa: DTZ001 - the shop's wall clock, as the reader compares it
    return Shown(number, f"Nov {day} at {hour}:{minute:02d}", moment, moment)


TUE_9, WED_1 = shown(1, 24, 9), shown(2, 25, 13, 30)
# Our text: "Tue, Nov 24 at 9:00 AM is open, the ceramic film is $449. Shall I book it for you?"
ONE_YES = [
    "yes", "Yes!", "yep", "yup", "yeah", "yep works", "ok perfect thanks", "sure book it", "yes please, thanks!", "sure",
    "ok", "ok thanks", "great thanks", "perfect", "yes tuesday 9 works", "9am is great", "yes, my name is Dana",
    "yes! I'll be there", "sounds good", "sounds great, see you then", "that works for me", "that works, thank you so much!",
    "yes please book it", "book it please", "let's do it", "lets do it", "go ahead", "please do", "I'll take it", "done deal",
    "works for me!", "tuesday at 9 is perfect", "tomorrow at 9 works", "tomorrow 9am please", "Yes that would be great",
    "yes that time works great for us", "I'm in", "count me in", "absolutely, thank you", "of course", "definitely!",
    "yes, see you tuesday", "see you tomorrow at 9", "I'll be there at 9", "we can make it", "we'll be there tuesday morning",
    "yes for the civic", "yes the ceramic, tuesday", "yes, $449 works", "yes 9", "9", "tues 9am",
    "yes sir", "yes ma'am, thanks a lot", "Hi, yes please", "hey yes that works", "hello! yes tuesday is good for me",
    "sorry for the late reply, yes", "yes, looking forward to it", "yes thank you, have a great day", "yes! thanks, bye",
    "yes, where are you located?", "yes, how long does it take?", "yes. do I have to wait there?", "no problem, yes book it",
    "yes if that's ok", "can you book it for tuesday at 9?", "lol yes please", "👍", "yes 👍", "Y", "yes, I'm free then",
    "yes, I'm Dana", "yes, dana north", "all set, book it", "yes I would like that", "yes I do", "I confirm tuesday at 9",
    "sí", "si", "si por favor", "dale", "sí, gracias", "claro que sí", "claro", "está bien", "perfecto, gracias",
    "de acuerdo",
    "sí, mañana a las 9", "el martes a las 9 está bien", "me funciona", "me queda bien el martes", "sí, me llamo Dana",
    "ahí estaré", "nos vemos el martes", "sí, resérvelo por favor", "vale", "listo", "adelante, muchas gracias", "lo tomo",
    "sí, agéndela", "sí, confirmo", "ya está bien, gracias", "sí, ¿dónde están ubicados?", "buenas tardes, sí por favor",
]  # fmt: skip
ONE_ASK = [
    "yes sorry i meant the carbon", "yes this is pricey", "sí perdón quise decir carbono",
    "yes for free", "yes i have to go first",
    "yes for $300", "ok 449 works, book it", "yes but only for $300", "ok for 300", "I'll take it for 400",
    "book it, 400 total right?", "go for 400",
    "do it for 400", "yes tuesday for 300", "yes with the military discount", "yes with 10% off",
    "yes and the windshield too",
    "yes and throw in the sunstrip", "yes a person please", "yes a human please", "yes you are a bot",
    "yes i am still deciding",
    "yes provided it's under 400", "ok as long as the removal is included", "yes depending on price", "yes the carbon one",
    "yes with carbon", "that works for my neighbor", "sounds good, i'll let you know", "i'll take a look",
    "i'll have to check",
    "i'll do some research", "hold that thought", "hold it for now", "lock in the price first",
    "let's go with the cheaper one",
    "i'd go with dyed", "perfect and cheap?! yes free", "tuesday was great thanks", "yes it was great last time", "ok 10",
    "yes 10", "yes, 9:30", "yes friday", "yes at 2", "yes how much is it", "yes, how much is it?", "yes what does it cost?",
    "yes. is that with tax?", "yes, can you do the windshield too?", "yes, can i bring 2 cars?", "yes, do you take cash?",
    "yes for my truck", "it is a truck actually, yes", "sure, my wife will drop it", "sounds expensive, yes",
    "yes I saw your text",
    "yes I got it, thanks", "see you on tuesday's show", "my friend can do tuesday, yes", "yes!!! jk", "deal, 300",
    "i guess so yes",
    "yes probably", "yes hopefully", "sounds good let me ask my wife", "yes, I moved to texas", "yes let me talk to someone",
    "sí por 300", "sí, por $300", "sí con el descuento", "sí y el parabrisas también", "sí, una persona por favor",
    "sí, ¿cuánto cuesta?", "sí me haces descuento", "sí, en carbono", "bueno, lo consulto con mi esposa, sí", "sí, a las 10",
    "sí, el viernes", "can i get the carbon instead, yes", "if you give me the discount, yes", "unless it rains, yes",
    "if its under 400, yes please", "si me hace descuento, sí",
]  # fmt: skip
ONE_NO = [
    "no", "no thanks", "nope", "not sure", "maybe", "ok wait", "hold on", "i'm good", "i'm good thanks", "we're good, thanks",
    "i'm good, we went elsewhere", "yeah right", "yeah no", "haha yeah no", "yes no maybe", "ok later", "ok bye", "k bye",
    "ok. bye", "bueno bye", "yes stop", "ok remove me", "yes cancel it", "yes, unless it rains", "yes if it's cheaper",
    "yes if you give me the military discount", "yes but how much is it", "yes? who is this", "yes to what?", "works?",
    "thanks", "hello", "good morning", "how much is it?", "do you have anything later?", "the first one", "the second one",
    "the last one", "the fourth one", "yes for my other car, a ford f150", "no the other one",
    "i'll confirm tomorrow", "ok i'll confirm", "i will confirm with you later", "i might", "i need to think",
    "ok, i have to go?",
    "yes 👎", "👎", "don't book it", "tuesday works but not 9", "what a deal", "is that a deal?", "",
    "ya veremos", "ya no", "ya", "voy a ver", "voy a ver y le digo", "mañana te confirmo", "te confirmo mañana",
    "luego confirmo",
    "confirmo después", "voy a pensarlo", "sí, voy a preguntar", "no gracias", "quizás", "sí, pero con cerámica no",
    "si puedo",
    "ahí estaré si puedo", "claro si baja el precio", "¿algo más tarde?", "ya tengo cita en otro lado", "ya fui con otro",
    "quien eres? si?", "buenos días",
]  # fmt: skip
# Our text: "I have Tue, Nov 24 at 9:00 AM or Wed, Nov 25 at 1:30 PM. Which one works for you?"
SEVERAL = [
    ("the first one", "yes"), ("first", "yes"), ("the first works", "yes"), ("option 1 please", "yes"), ("#1", "yes"),
    ("tuesday", "yes"), ("tuesday works", "yes"), ("tue 9", "yes"), ("9am is great", "yes"), ("9", "yes"),
    ("the 9 am one", "yes"),
    ("tomorrow", "yes"), ("the 24th please", "yes"), ("yes tuesday 9 works", "yes"), ("i'll take tuesday, thanks!", "yes"),
    ("the earliest one", "yes"), ("tuesday, my name is Dana", "yes"), ("el martes", "yes"), ("la primera, gracias", "yes"),
    ("mañana a las 9 por favor", "yes"), ("either works", "yes"), ("any of those is fine", "yes"), ("cualquiera", "no"),
    ("the second one", "other"), ("wednesday works", "other"), ("1:30", "other"), ("yes, the last one", "other"),
    ("la segunda", "other"), ("friday please", "other"), ("yes at 10", "other"), ("el miércoles está bien", "other"),
    ("yes", "which"), ("yes both", "ask"), ("sounds good", "which"), ("tuesday or wednesday", "which"), ("sí", "which"),
    ("yes tuesday for $300", "more"), ("the first one if it's still $449", "no"), ("tuesday and the windshield", "ask"),
    ("the first one for my neighbor", "ask"), ("tuesday with the discount please", "ask"), ("tuesday was great thanks",
    "ask"),
    ("whichever is cheaper", "ask"), ("neither", "no"), ("none of those", "no"), ("is tuesday still open?", "no"),
    ("tuesday?", "no"), ("maybe tuesday", "no"), ("tuesday i work", "no"), ("the third one", "no"), ("martes quizás", "no"),
    ("la primera con descuento", "ask"), ("el martes te confirmo", "ask"),
]  # fmt: skip


def one_time(words: str) -> str:
    return accepts([words], Table((TUE_9,), TUE_9, frozenset({1}), True, MONDAY, KNOWN))


@pytest.mark.parametrize("words", ONE_YES)
def test_a_plain_yes_books_the_one_time(words: str) -> None:
    assert one_time(words) == "yes"


@pytest.mark.parametrize("words", ONE_ASK)
def test_a_yes_with_something_else_is_asked_back(words: str) -> None:
    assert one_time(words) in ("more", "other", "which", "no")


@pytest.mark.parametrize("words", ONE_NO)
def test_what_is_no_yes_books_nothing(words: str) -> None:
    assert one_time(words) == "no"


@pytest.mark.parametrize(("words", "label"), SEVERAL)
def test_answers_to_several_times(words: str, label: str) -> None:
    table = Table((TUE_9, WED_1), TUE_9, frozenset({1, 2}), True, MONDAY, KNOWN)
    reading = accepts([words], table)
    assert reading == label or (label == "ask" and reading != "yes")


def test_several_unanswered_messages_are_one_answer() -> None:
    table = Table((TUE_9,), TUE_9, frozenset({1}), True, MONDAY, KNOWN)
    assert accepts(["can you do 300 for it?", "ok yes book it"], table) == "more"
    assert accepts(["what about sunday?", "never mind, yes book it"], table) == "yes"
    assert accepts(["yes", "and the windshield"], table) == "more"
    assert accepts(["hi", "yes please", "thanks"], table) == "yes"


def test_only_what_was_told_is_repeated() -> None:
    nothing_known = Table((TUE_9,), TUE_9, frozenset({1}), True, MONDAY)
    assert accepts(["yes, $449 works"], nothing_known) == "more"
    assert accepts(["yes the ceramic"], nothing_known) == "more"
    # The day of the month as an amount is no day.
    assert accepts(["yes for $24"], nothing_known) == "more"


VISIT = Visit(TUE_9, work_words(["Full car tint, sedan, ceramic film"]))
ASKED = "Do you want me to cancel your appointment on Tue, Nov 24 at 9:00 AM?"
CANCEL = [
    ("cancel", "yes"), ("please cancel", "yes"), ("cancel it", "yes"), ("i need to cancel", "yes"),
    ("cancel my appointment", "yes"),
    ("i have to cancel tomorrow, sorry", "yes"), ("can you cancel my appointment?", "yes"),
    ("I'd like to cancel please", "yes"),
    ("cancel the tint", "yes"), ("cancel my car's appointment", "yes"), ("i'm cancelling my appointment", "yes"),
    ("hi, please cancel my tuesday 9 am appointment, thanks", "yes"), ("quiero cancelar mi cita", "yes"),
    ("cancele la cita", "yes"),
    ("cancela por favor", "yes"), ("puede cancelar mi cita?", "yes"), ("we want to cancel the appointment", "yes"),
    ("cancel please. something came up", "yes"), ("something came up, i need to cancel", "yes"),
    ("if it rains, cancel", "no"), ("cancel. only if it rains", "no"), ("my flight got cancelled", "no"),
    ("they cancelled my insurance", "no"), ("my meeting was cancelled so i can come early", "no"),
    ("my other appointment was canceled so I can make it", "no"), ("cancelled flight, running late", "no"),
    ("i might cancel", "no"), ("maybe cancel", "no"), ("cancel the sunroof part", "no"),
    ("cancel the windshield, keep the rest", "no"),
    ("cancel if it rains", "no"), ("cancel only if you can't do ceramic", "no"), ("cancel unless you can do 300", "no"),
    ("i want to cancel my gym", "no"), ("put me on the cancellation list", "no"), ("is there a cancellation list", "no"),
    ("do you take cancellations", "no"), ("what if i cancel", "no"), ("should i cancel?", "no"), ("no need to cancel", "no"),
    ("i dont want to cancel", "no"), ("cancel it and move to friday", "no"), ("please cancel and rebook", "no"),
    ("cancelaron mi vuelo", "no"), ("se canceló mi junta", "no"), ("si llueve cancelo", "no"), ("tal vez cancele", "no"),
]  # fmt: skip
CANCEL_ASKED = [
    ("yes", "yes"), ("yes please", "yes"), ("yes cancel it", "yes"), ("sí, por favor", "yes"), ("ok", "yes"),
    ("please do", "yes"),
    ("yes, sorry", "yes"), ("yes, something came up", "yes"), ("yes cancel tuesday", "yes"), ("cancel it, thanks", "yes"),
    ("no", "no"), ("keep it", "no"), ("maybe", "no"), ("yes if it rains", "no"), ("yes and book friday", "no"),
    ("yes but move it to friday", "no"), ("yes a person please", "no"), ("my flight got cancelled", "no"),
    ("ya veremos", "no"),
    ("i might cancel", "no"), ("cancel the sunroof part", "no"), ("sounds good, i'll let you know", "no"),
    ("yes the gym one", "no"), ("mañana te confirmo", "no"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "label"), CANCEL)
def test_only_a_plain_wish_cancels(words: str, label: str) -> None:
    reading = asks_to_cancel([words], [VISIT], None, MONDAY).reading
    assert (reading == "yes") == (label == "yes")


@pytest.mark.parametrize(("words", "label"), CANCEL_ASKED)
def test_only_a_plain_answer_cancels(words: str, label: str) -> None:
    asked = asked_about(ASKED, [VISIT], MONDAY)
    reading = asks_to_cancel([words], [VISIT], asked, MONDAY).reading
    assert (reading == "yes") == (label == "yes")
