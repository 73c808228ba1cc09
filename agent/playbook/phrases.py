"""The playbook's messages. A wording that a later turn has to recognise has its pattern here, for both languages and
with or without accents."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.playbook.facts import Facts, Slot
from agent.playbook.lines import either, line, moment
from agent.playbook.reply import Say, say


def _asked(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


ASKED_VEHICLE = _asked(
    r"(?:year,? make|make and model|what (?:car|vehicle)|(?:do|are) you driv|which \w[\w -]* model|"
    r"what (?:do|kind)[^?]*(?:car|drive|vehicle)|sedan, coupe|a[ñn]o, marca|marca y modelo|qu[eé] modelo de|"
    r"qu[eé] (?:auto|carro|veh[ií]culo)|sed[aá]n, cup[eé])[^?]*\?"
)
ASKED_CANCEL = _asked(r"\bcancel(?:ar|e|o)?\b[^?]*\?")
ASKED_PERSON = _asked(
    r"\b(?:person|team member|someone|una persona)\b[^?.]*\?|person (?:answer|take over|get back)[^?]*\?"
)
MOVING = _asked(r"\b(?:move|reschedul\w*|new time for|mover|mueva|reagendar)\b")
ASKED_WHICH_MOVE = _asked(r"\bwhich appointment do you want to move\b|qu[eé] cita quiere mover\b")
DID_NOT_UNDERSTAND = _asked(r"\bdid not (?:quite )?(?:get|understand) that\b|\bno le entend[ií]")
ASKED_WHICH = _asked(r"\bwhich one would you like\?|cu[aá]l le gustar[ií]a\?")
ASKED_DAY_MEANT = _asked(
    r"\b(?:which day do you mean|do you mean)\b[^?]*\?|\bqu[eé] d[ií]a quiere decir\?|\bquiere decir [^?]*\?"
)
ASKED_WRITE_DAY = _asked(r"\bshall i write to you again\?|\ble vuelvo a escribir\?")
SURE = _asked(r"\bjust to be sure\b|\bpara estar seguros\b")


def one(facts: Facts, name: str, /, **values: str) -> Say:
    """One line of lines.yaml as a whole message."""
    return say(line(name, facts.speaks, **values))


def times(facts: Facts, slots: Sequence[Slot]) -> str:
    """Up to three times, exactly as the tool labelled them."""
    return either([moment(slot.label, facts.speaks) for slot in slots[:3]], facts.speaks)


def offer_times(facts: Facts, slots: Sequence[Slot], *, missed: bool = False, car: str = "") -> str:
    """The times and the question about them. `missed`: they are not what was asked for; `car`: of several, this one."""
    name = "nearest" if missed else "have_for" if car else "have"
    given = {"times": times(facts, slots), **({"car": car} if name == "have_for" else {})}
    question = "shall_book" if len(slots) == 1 else "which_works"
    return f"{line(name, facts.speaks, **given)} {line(question, facts.speaks)}"


def move_times(facts: Facts, appointment: Slot, slots: Sequence[Slot]) -> str:
    """Times to move to; says "move", which later turns look for."""
    question = "shall_move" if len(slots) == 1 else "which_works"
    label = moment(appointment.label, facts.speaks)
    offer = line("move_times", facts.speaks, label=label, times=times(facts, slots))
    return f"{offer} {line(question, facts.speaks)}"


def which_offer(facts: Facts, slots: Sequence[Slot], *, moving: bool) -> Say:
    """More than one shown time fits what the customer said."""
    return one(facts, "which_move" if moving else "which_book", times=times(facts, slots))


def confirm_offer(facts: Facts, slot: Slot, *, moving: bool) -> Say:
    """The customer asked about one shown time."""
    return say(
        line("is_open", facts.speaks, label=moment(slot.label, facts.speaks)),
        line("shall_move_to" if moving else "shall_book", facts.speaks),
    )


def make_sure(facts: Facts, label: str, *, moving: bool) -> Say:
    """A write was refused because the yes to it was not plain enough."""
    return one(facts, "sure_move" if moving else "sure_book", label=moment(label, facts.speaks))


def booked(facts: Facts, label: str, services: Sequence[str]) -> Say:
    """The confirmation, with the label of the booking's own result."""
    if not label:
        return say(line("booked_bare", facts.speaks), line("if_changes", facts.speaks))
    name = f", {facts.first_name}" if facts.first_name else ""
    return say(
        line("booked", facts.speaks, name=name, **_visit(facts, label, services)),
        line("if_changes", facts.speaks),
        bare=True,
    )


def moved(facts: Facts, label: str, services: Sequence[str]) -> Say:
    """The confirmation of a move."""
    if not label:
        return say(line("moved_bare", facts.speaks), line("if_changes", facts.speaks))
    return say(line("moved", facts.speaks, **_visit(facts, label, services)), bare=True)


def _visit(facts: Facts, label: str, services: Sequence[str]) -> dict[str, str]:
    work = (
        line("work", facts.speaks, services=either(list(services), facts.speaks, "and")) if services else ""
    )
    where = ", ".join(filter(None, (facts.shop.name, facts.shop.address)))
    return {
        "label": moment(label, facts.speaks),
        "work": work,
        "place": line("place", facts.speaks, place=where),
    }


def cancelled(facts: Facts, label: str) -> Say:
    """The confirmation of a cancellation."""
    if not label:
        return one(facts, "cancelled_bare")
    return say(
        line("cancelled", facts.speaks, label=moment(label, facts.speaks)),
        line("new_time_later", facts.speaks),
    )


def ask_cancel(facts: Facts, label: str) -> Say:
    """A cancellation is confirmed first."""
    return one(facts, "ask_cancel", label=moment(label, facts.speaks))


def taken(facts: Facts, slots: Sequence[Slot], *, moving: bool) -> Say:
    """Somebody else was faster; the alternatives come with the refusal."""
    question = "which_works" if len(slots) > 1 else "shall_move" if moving else "shall_book"
    return say(
        line("taken_move" if moving else "taken", facts.speaks, times=times(facts, slots)),
        line(question, facts.speaks),
    )


def bot_answer(facts: Facts, open_question: str = "") -> Say:
    """Fixed and always true (messaging facts 3.5), with one question behind it: the open one, or about a person."""
    asked = open_question or line("want_person", facts.speaks)
    return say(line("bot", facts.speaks, shop=facts.shop.name), asked, bare=True)


def unclear(facts: Facts) -> Say:
    """One clarifying question; the second time in a row a person takes over."""
    return say(line("unclear", facts.speaks), line("unclear_ask", facts.speaks))


def handed(facts: Facts, why: str = "") -> Say:
    """After a successful hand-off."""
    return say(why, line("handed", facts.speaks, shop=facts.shop.name))


def not_handed(facts: Facts) -> Say:
    """A hand-off that failed must not be promised."""
    return say(line("not_handed", facts.speaks, shop=facts.shop.name), _call_or_write(facts))


def _call_or_write(facts: Facts) -> str:
    if facts.shop.phone:
        return line("please_call", facts.speaks, phone=facts.shop.phone)
    return line("please_write", facts.speaks)


def cannot_look_up(facts: Facts) -> Say:
    """Tools failed or are not allowed."""
    shop = facts.shop
    next_step = (
        line("write_or_call", facts.speaks, shop=shop.name, phone=shop.phone)
        if shop.phone
        else line("please_write", facts.speaks)
    )
    return say(line("cannot_look_up", facts.speaks), next_step)


def stopped(facts: Facts) -> Say:
    """The one confirmation after an opt-out."""
    return say(line("stopped", facts.speaks, shop=facts.shop.name), bare=True)


def not_stopped(facts: Facts) -> Say:
    """An opt-out that could not be stored must not be claimed; the carrier's own word always works."""
    return say(line("not_stopped", facts.speaks, shop=facts.shop.name), bare=True)
