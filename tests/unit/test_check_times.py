"""The reply check on times, bookings and deeds."""

from __future__ import annotations

import pytest

from agent.check import names_moment
from agent.models.base import ToolResult
from tests.unit.check_help import (
    BOOKED,
    FACTS,
    TIMES,
    VISIT,
    WEDNESDAY,
    check,
    kinds,
    said,
)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("I have Tuesday at 1:30 PM.", ""),
        ("Wednesday at 9:00 AM works.", ""),
        ("Yes, 3 PM is free!", "do you have 3pm?"),
        ("Yes, that time is available.", "can I come thursday at 3pm?"),
        ("Wed, Nov 24 at 9:00 AM is open.", ""),
        ("El martes a la 1:30 PM está libre.", ""),
        ("We are open until 8 PM.", ""),
        ("We are open on Sunday.", "are you open sunday?"),
    ],
)
def test_a_time_and_its_day_belong_together(reply: str, words: str) -> None:
    assert {"time", "date"} & kinds(reply, TIMES, words=words, language="es" if "martes" in reply else "en")


def test_the_customers_own_time_may_be_turned_down_or_asked_about() -> None:
    words = "do you have 3pm on thursday?"
    assert check("Sorry, 3 PM on Thursday is not free. Tue, Nov 24 at 9:00 AM is.", TIMES, words=words) == []
    assert check("Did you mean Thursday at 3 PM?", TIMES, words=words) == []


def test_exceptions_go_before_the_usual_hours() -> None:
    shop = {
        **FACTS["shop"],
        "exceptions": [
            {"date": "2026-11-26", "label": "Thu, Nov 26", "hours": "closed", "why": "Thanksgiving"}
        ],
    }
    facts = {"shop": shop}
    assert check("We are closed on Thanksgiving.", facts=facts) == []
    assert check("This Thursday we are closed, Friday we are open 9 to 6.", facts=facts) == []
    assert kinds("We are open on Thanksgiving.", facts=facts) == {"date"}
    assert kinds("We are open Thursday, Nov 26 from 9 AM to 6 PM.", facts=facts) & {"time", "date"}


def test_a_booking_claim_needs_a_booking() -> None:
    reply = "You're booked for Tue, Nov 24 at 9:00 AM."
    assert check(reply, BOOKED) == []
    failed = said("book", {"error": "Tue, Nov 24 at 9:00 AM is taken"}, is_error=True)
    assert [finding.kind for finding in check(reply, failed)] == ["booking"]
    assert kinds(reply, TIMES) == {"booking"}


def test_a_claim_about_another_time_or_film_than_the_booked_one_is_none() -> None:
    assert kinds("You're booked for Wed, Nov 25 at 1:30 PM.", TIMES, BOOKED) == {"booking"}
    assert kinds("Booked: carbon film, Tue, Nov 24 at 9:00 AM.", BOOKED) == {"booking"}


def test_what_was_on_file_before_a_write_is_over_after_it() -> None:
    facts = {"appointments": [VISIT]}
    still = "You are booked for Mon, Nov 30 at 10:00 AM."
    assert check(still, facts=facts) == []
    cancelled = said("cancel", {"appointment": {**VISIT, "status": "cancelled"}})
    assert check("Your appointment on Mon, Nov 30 at 10:00 AM is cancelled.", cancelled, facts=facts) == []
    assert kinds(still, cancelled, facts=facts) == {"booking"}
    moved = said("move", {"appointment": {**VISIT, **WEDNESDAY}, "moved_from": VISIT["label"]})
    assert (
        check("I moved you from Mon, Nov 30 at 10:00 AM to Wed, Nov 25 at 1:30 PM.", moved, facts=facts) == []
    )
    assert kinds(still, moved, facts=facts) == {"booking"}


@pytest.mark.parametrize(
    ("reply", "tool"),
    [
        ("I've passed this on to the team.", "hand_off"),
        ("A person will get back to you.", "hand_off"),
        ("I've noted that for you.", "remember_fact"),
        ("I'll write to you again on Mon, Dec 7.", "follow_up"),
        ("I checked our calendar.", "find_times"),
        ("You will get no more messages.", "opt_out"),
        ("Ya avisé al equipo.", "hand_off"),
    ],
)
def test_a_deed_needs_its_tool(reply: str, tool: str) -> None:
    done = said(tool, {"follow_up": {"date": "2026-12-07"}} if tool == "follow_up" else {})
    language = "es" if reply.startswith("Ya") else "en"
    assert "deed" in kinds(reply, language=language)
    assert check(reply, done, language=language) == []
    assert (
        "deed" in kinds(reply, ToolResult("c", tool, "{}", is_error=True), language=language)
        or tool == "find_times"
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("How about Tue, Nov 24 at 9:00 AM?", True),
        ("Tuesday at 9am works.", True),
        ("11/24? Tomorrow at 9:00 AM!", True),
        ("Nov 24 at 9 AM or Nov 25 at 1 PM", True),
        ("Tengo el mar, 24 nov a las 9:00", True),
        ("El martes 24 de noviembre a las nueve de la mañana", True),
        ("Tuesday at half past eight or nine o'clock", True),
        ("Wed, Nov 25 at 9:00 AM", False),
        ("Wednesday at 9am", False),
        ("Tuesday at 1 PM or Wednesday at 9 AM", False),
        ("El miércoles 25 a las 9:00", False),
        ("Tue, Nov 24 at 1:00 PM", False),
        ("Tomorrow morning", False),
    ],
)
def test_whether_a_text_names_a_moment(text: str, named: bool) -> None:
    assert names_moment(text, "Tue, Nov 24 at 9:00 AM") is named


@pytest.mark.parametrize(
    ("words", "reply", "language"),
    [
        ("can i come tomorrow at 4", "OK, tomorrow at 4 PM.", "en"),
        ("can i come tomorrow at 4", "Tomorrow at 4 it is.", "en"),
        ("can i come tomorrow at 4", "4 works.", "en"),
        ("can i come tomorrow at 4", "Come on by at 4.", "en"),
        ("can i come tomorrow at 4", "Alright, 4 PM tomorrow.", "en"),
        ("can i come tomorrow at 4", "No problem, tomorrow 4 PM.", "en"),
        ("puedo ir mañana a las 4", "Claro, mañana a las 4.", "es"),
        ("puedo ir mañana a las 4", "Dale, mañana a las 4.", "es"),
    ],
)
def test_the_customers_own_time_said_back_reads_as_agreed(words: str, reply: str, language: str) -> None:
    assert "time" in kinds(reply, words=words, language=language)


@pytest.mark.parametrize(
    "reply",
    [
        "You asked for tomorrow at 4 PM; let me check the calendar.",
        "Let me check whether 4 PM tomorrow is open.",
        "Which car is it? Then I can look up tomorrow at 4.",
        "Did you mean tomorrow at 4 PM?",
        "Sorry, tomorrow at 4 PM is not free.",
    ],
)
def test_a_wished_time_may_be_repeated_as_a_wish(reply: str) -> None:
    assert check(reply, words="can i come tomorrow at 4") == []


@pytest.mark.parametrize(
    "reply",
    [
        "Any day at 9:00 AM.",
        "Tuesday through Friday at 9:00 AM.",
        "Tuesday at nine at night.",
        "Half three works.",
        "Come at 15h30.",
        "We've got a slot at 3ish.",
    ],
)
def test_a_time_on_several_days_needs_a_record_of_each(reply: str) -> None:
    assert {"time", "date"} & kinds(reply, TIMES)
