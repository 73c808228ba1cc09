"""Which words take a shown time, and which ask to cancel: English and Spanish, plain, doubtful and mixed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.tools.acceptance import Table, accepts
from agent.tools.cancel_words import Visit, asked_about, asks_to_cancel
from agent.tools.guards import why_not
from agent.tools.named import Shown, folded, read_named

MONDAY = date(2026, 11, 23)


def shown(number: int, day: int, hour: int, minute: int = 0, until: int | None = None) -> Shown:
    first = datetime(2026, 11, day, hour, minute)  # noqa: DTZ001 - the shop's wall clock, as the reader compares it
    return Shown(number, f"{day} {hour}:{minute:02d}", first, first.replace(hour=until) if until else first)


TUE_9, TUE_1PM, WED_9 = shown(1, 24, 9), shown(2, 24, 13), shown(3, 25, 9)
THREE = (TUE_9, TUE_1PM, WED_9)
ONLY = (Visit(replace(TUE_9, label="Tue, Nov 24 at 9:00 AM"), frozenset()),)


def reads(words: str | list[str], *times: Shown, this: Shown = TUE_9, question: bool = True) -> str:
    table = Table(times, this, frozenset(one.id for one in times), question, MONDAY)
    return accepts([words] if isinstance(words, str) else words, table)


@pytest.mark.parametrize(
    "words",
    [
        "the first one", "1st", "#1", "option 1", "tuesday at 9", "tue 9am works", "9 am on tuesday please",
        "Tue, Nov 24 at 9:00 AM works for me, please book it", "can I take tuesday at 9?", "the 24th at 9", "11/24 9am",
        "could you book me for tues at 9?", "tomorrow at 9 please", "tomorrow morning works", "ok 9am tuesday, no problem",
        "lets do tues 9", "I want the tuesday 9am", "yes tuesday, the 9am one", "tuesday works, before noon", "either works",
        "nine am tuesday", "wendsday no, tuesday morning works", "not wednesday. tuesday 9 is good", "Tuesday, 9 am",
        "mañana a las 9", "el martes a las 9 está bien", "la primera", "la primera por favor", "sí, el martes a las 9",
        "mar, 24 nov a las 9:00", "resérveme el martes a las nueve", "¿puedo ir el martes a las 9?",
        "el 24 de noviembre por la mañana", "sorry for the delay, tuesday at 9 works", "can't wait! tuesday 9 please",
        "Book the 9 am on Tuesday. Do I have to wait there?",
    ],
)  # fmt: skip
def test_words_that_take_one_of_three(words: str) -> None:
    assert reads(words, *THREE) == "yes"
    for other in THREE[1:]:
        if "either" not in words:
            assert reads(words, *THREE, this=other) in ("other", "no")


@pytest.mark.parametrize(
    ("words", "reading"),
    [
        ("yes", "which"), ("sounds good", "which"), ("tuesday", "which"), ("9 works", "which"), ("1", "which"),
        ("tuesday or wednesday at 9", "which"), ("1pm", "other"), ("I'll take the second", "other"), ("friday please", "other"),
        ("wednesday at 9", "other"), ("la última", "other"), ("10 works", "other"), ("yes, 10", "other"),
        ("is tuesday at 9 still open?", "no"), ("what about tuesday at 9", "no"), ("tuesday at 9?", "no"),
        ("how much is it?", "no"), ("maybe tuesday at 9", "no"), ("tuesday 9 no wait", "no"), ("no puedo el martes", "no"),
        ("Great, how much is the tuesday 9 one?", "no"), ("tuesday at 9 if its under $300", "no"), ("", "no"), ("?!", "no"),
        ("I need to think about it", "no"), ("tuesday at 9 I have a dentist", "no"),
        ("tuesday 9 but cheaper somewhere else", "no"),
        ("quizás el martes a las 9", "no"), ("¿a qué hora cierran el martes?", "no"), ("hello", "no"), ("2021 honda civic", "no"),
        ("319 dollars", "no"), ("I have 2 cars", "no"),
    ],
)  # fmt: skip
def test_words_that_do_not(words: str, reading: str) -> None:
    assert reads(words, *THREE) == reading


@pytest.mark.parametrize(
    ("words", "reading"),
    [
        ("yes", "yes"), ("Yes please!", "yes"), ("ok", "yes"), ("ok thanks", "yes"), ("sure", "yes"), ("👍", "yes"), ("k", "yes"),
        ("book it", "yes"), ("perfect thank you", "yes"), ("that works", "yes"), ("do it", "yes"), ("please do", "yes"),
        ("I'm in", "yes"), ("yes, how much is it?", "more"), ("yes. I have a question", "more"), ("yes tuesday", "yes"),
        ("9", "yes"),
        ("sí", "yes"), ("si", "yes"), ("si por favor", "yes"), ("claro que sí", "yes"), ("dale", "yes"),
        ("Perfecto, gracias", "yes"),
        ("está bien", "yes"), ("me funciona", "yes"), ("yes if that's ok", "yes"),
        ("thanks", "no"), ("great, how much is it?", "no"), ("yes but how much is it", "no"),
        ("yes. isn't there anything earlier?", "no"), ("no thanks", "no"), ("¿algo más temprano?", "no"),
        ("no problem", "no"), ("not sure", "no"), ("si puedo", "no"), ("yes if it's cheaper", "no"), ("ok wait", "no"),
        ("do you have anything later?", "no"), ("something later?", "no"), ("good morning", "no"), ("buenos días", "no"),
        ("I want to know the price", "no"), ("yes friday", "other"), ("yes at 10", "other"), ("don't book it", "no"),
    ],
)  # fmt: skip
def test_answers_to_one_shown_time(words: str, reading: str) -> None:
    assert reads(words, TUE_9) == reading


def test_a_mild_yes_needs_a_question_of_ours() -> None:
    assert reads("ok", TUE_9, question=False) == "no"
    assert reads("yes please", TUE_9, question=False) == "yes"


def test_the_last_word_of_several_messages_counts() -> None:
    assert reads(["yes", "wait no"], TUE_9) == "no"
    assert reads(["no", "ok yes, book it"], TUE_9) == "yes"
    assert reads(["tuesday", "9 am"], *THREE) == "yes"
    assert reads(["tuesday", "1 pm"], *THREE) == "other"


def test_a_window_to_leave_the_car_is_taken_at_any_time_in_it() -> None:
    window = shown(7, 24, 9, until=10)
    for words in (
        "drop off Tue, Nov 24 between 9:00 and 10:00 AM works",
        "9:30 tuesday works",
        "tuesday at 10 please",
    ):
        assert reads(words, window, WED_9, this=window) == "yes"
    assert reads("tuesday at 11 please", window, WED_9, this=window) == "other"


@pytest.mark.parametrize(
    ("words", "reading"),
    [
        ("Please cancel my appointment", "yes"), ("I need to cancel", "yes"), ("can you cancel my appointment?", "yes"),
        ("cancel my tuesday appointment", "yes"), ("quiero cancelar mi cita", "yes"), ("¿puede cancelar mi cita?", "yes"),
        ("ya no quiero la cita", "yes"), ("call it off", "yes"), ("no, cancel it", "yes"),
        ("cancel friday please", "other"), ("don't cancel", "no"), ("no cancele", "no"), ("cancel it. no wait, keep it", "no"),
        ("if i cancel do i pay?", "no"), ("what's your cancellation policy?", "no"), ("can I cancel for free?", "no"),
        ("how do I cancel?", "no"), ("I can't make it tomorrow", "no"), ("yes", "no"), ("", "no"),
    ],
)  # fmt: skip
def test_asking_to_cancel(words: str, reading: str) -> None:
    assert asks_to_cancel([words], ONLY, None, MONDAY).reading == reading


@pytest.mark.parametrize(
    ("words", "reading"),
    [("yes", "yes"), ("ok", "yes"), ("sí", "yes"), ("yes cancel it", "yes"), ("please do", "yes"), ("no", "no"),
     ("no, keep it", "no"), ("wait", "no"), ("what does it cost?", "no")],
)  # fmt: skip
def test_answers_to_our_question_whether_to_cancel(words: str, reading: str) -> None:
    assert asks_to_cancel([words], ONLY, frozenset({1}), MONDAY).reading == reading


def test_which_texts_ask_whether_to_cancel() -> None:
    def asked(body: str) -> frozenset[int] | None:
        return asked_about(body, ONLY, MONDAY)

    assert asked("Okay. Do you want me to cancel your appointment on Tue, Nov 24 at 9:00 AM?") == {1}
    assert asked("¿Quiere que cancele su cita?") == {1}
    assert asked("Do you want me to cancel your appointment on Fri, Nov 27 at 9:00 AM?") == frozenset()
    assert asked("Your appointment is cancelled. Would you like a new time?") is None
    assert asked("Shall I cancel it or move it?") is None


def test_free_text_holds_no_money_and_no_orders() -> None:
    for fine in (
        "Old film on the rear window",
        "Wife brings the car",
        "Wedding on December 12",
        "Le gusta oscuro",
    ):
        assert why_not(fine) is None
    for bad in (
        "costs $5",
        "20% off",
        "ignore this",
        "you must agree",
        "see a.com",
        "call 312 555 0100",
        "es gratis",
    ):
        assert why_not(bad) is not None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(words: str) -> None:
    assert reads(words, *THREE) in ("yes", "no", "which", "other")
    found = asks_to_cancel([words], ONLY, frozenset({1}), MONDAY)
    assert found.reading in ("yes", "no", "other", "which")
    assert bool(found.ids) == (found.reading in ("yes", "which"))
    read_named(folded(words), MONDAY)
