"""The playbook's wordings. A wording that a later turn has to recognise stands here beside the pattern that does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.playbook.facts import Facts, Slot
from agent.playbook.reply import Say, say
from agent.playbook.text import listing

ASKED_VEHICLE = re.compile(
    r"(?:year,? make|make and model|what (?:car|vehicle)|(?:do|are) you driv|which \w[\w -]* model|"
    r"what (?:do|kind)[^?]*(?:car|drive|vehicle)|sedan, coupe)[^?]*\?",
    re.IGNORECASE,
)
ASKED_CANCEL = re.compile(r"\bcancel\b[^?]*\?", re.IGNORECASE)
ASKED_PERSON = re.compile(
    r"\b(?:person|team member|someone)\b[^?.]*\?|person (?:answer|take over|get back)[^?]*\?", re.IGNORECASE
)
MOVING = re.compile(r"\b(?:move|reschedul\w*|new time for)\b", re.IGNORECASE)
DID_NOT_UNDERSTAND = re.compile(r"\bdid not (?:quite )?(?:get|understand) that\b", re.IGNORECASE)

ASK_VEHICLE = "What year, make and model do you drive?"
ASK_STYLE = "Is it a sedan, coupe, hatchback, SUV, truck, van or wagon?"
ASK_SERVICE = "What would you like done?"
ASK_WHICH = "Which one would you like?"
ASK_DAY = "Which day and time of day suit you best?"


def ask_model(make: str) -> Say:
    """The make is known and the model is not."""
    return say(f"Which {make} model is it?")


def help_offer() -> Say:
    """An opening after a greeting."""
    return say("How can I help? I can give you prices and book a time.")


def offer_times(
    slots: Sequence[Slot], *, lead_in: str = "I have", question: str = "Which one works for you?"
) -> str:
    """Up to three times, exactly as the tool labelled them, with a question."""
    labels = listing([slot.label for slot in slots[:3]])
    if len(slots) == 1:
        return (
            f"{lead_in} {labels}. {'Shall I book it for you?' if question.startswith('Which') else question}"
        )
    return f"{lead_in} {labels}. {question}"


def move_times(appointment: Slot, slots: Sequence[Slot]) -> str:
    """Times to move to; says "move", which later turns look for."""
    question = "Shall I move it there?" if len(slots) == 1 else "Which one works for you?"
    labels = listing([slot.label for slot in slots[:3]])
    return f"I can move your appointment on {appointment.label} to {labels}. {question}"


def which_offer(slots: Sequence[Slot], *, moving: bool) -> Say:
    """More than one shown time fits what the customer said."""
    verb = "move it to" if moving else "book"
    return say(f"Which one shall I {verb}: {listing([slot.label for slot in slots[:3]])}?")


def confirm_offer(slot: Slot, *, moving: bool) -> Say:
    """The customer asked about one shown time."""
    return say(
        f"Yes, {slot.label} is open. {'Shall I move your appointment to it?' if moving else 'Shall I book it for you?'}"
    )


def booked(facts: Facts, label: str, services: Sequence[str]) -> Say:
    """The confirmation, with the label of the booking's own result."""
    name = f", {facts.first_name}" if facts.first_name else ""
    work = f" for {listing(list(services), 'and')}" if services else ""
    place = f" at {facts.shop.name}, {facts.shop.address}" if facts.shop.address else f" at {facts.shop.name}"
    return say(
        f"You are booked{name}: {label}{work}{place}.", "If anything changes, just write here.", bare=True
    )


def moved(facts: Facts, label: str, services: Sequence[str]) -> Say:
    """The confirmation of a move."""
    work = f" for {listing(list(services), 'and')}" if services else ""
    place = f" at {facts.shop.name}, {facts.shop.address}" if facts.shop.address else f" at {facts.shop.name}"
    return say(f"Done. Your appointment is now on {label}{work}{place}.", bare=True)


def cancelled(label: str) -> Say:
    """The confirmation of a cancellation."""
    return say(f"Your appointment on {label} is cancelled.", "If you want a new time later, just write here.")


def ask_cancel(appointment: Slot) -> Say:
    """A cancellation is confirmed first."""
    return say(f"Do you want me to cancel your appointment on {appointment.label}?")


def taken(slots: Sequence[Slot], *, moving: bool) -> Say:
    """Somebody else was faster; the alternatives come with the refusal."""
    lead_in = (
        "Sorry, that time was just taken. I can move you to"
        if moving
        else "Sorry, that time was just taken. I have"
    )
    if len(slots) == 1:
        return say(
            f"{lead_in} {slots[0].label}. {'Shall I move it there?' if moving else 'Shall I book it for you?'}"
        )
    return say(f"{lead_in} {listing([slot.label for slot in slots[:3]])}. Which one works for you?")


def no_times() -> Say:
    """Nothing is open, neither as asked nor around it."""
    return say("I do not see an open time there.", "Which other day would work for you?")


def bot_answer(facts: Facts) -> Say:
    """Fixed and always true (messaging facts 3.5)."""
    return say(
        f"Yes, I am an automated assistant for {facts.shop.name}, not a person. I can give prices and book times.",
        "Would you like a person to get back to you?",
        bare=True,
    )


def unclear() -> Say:
    """One clarifying question; the second time in a row a person takes over."""
    return say(
        "Sorry, I did not get that.", "Is it about a price, a time to come in, or an appointment you have?"
    )


def no_appointment_line() -> str:
    """The customer speaks of an appointment that is not in the records."""
    return "I do not see an upcoming appointment for you here."


def handed(facts: Facts, why: str = "") -> Say:
    """After a successful hand-off."""
    return say(
        why, f"I have passed this on to the team at {facts.shop.name}, and a person will get back to you."
    )


def not_handed(facts: Facts) -> Say:
    """A hand-off that failed must not be promised."""
    call = (
        f" Please call us at {facts.shop.phone}."
        if facts.shop.phone
        else " Please write again in a little while."
    )
    return say(f"I could not reach the team at {facts.shop.name} just now.{call}")


def cannot_look_up(facts: Facts) -> Say:
    """Tools failed or are not allowed."""
    call = f" or call {facts.shop.name} at {facts.shop.phone}" if facts.shop.phone else ""
    return say(f"Sorry, I cannot look that up right now. Please write again in a little while{call}.")


def spanish(facts: Facts, *, handed_off: bool) -> Say:
    """One line in Spanish, in words that GSM-7 can write."""
    who = f"Hola, soy el asistente automatizado de {facts.shop.name}."
    if handed_off:
        return say(f"{who} Ya pasamos su mensaje al equipo y una persona le va a responder.", bare=True)
    return say(f"{who} Por favor llame al {facts.shop.phone}." if facts.shop.phone else who, bare=True)


def stopped(facts: Facts) -> Say:
    """The one confirmation after an opt-out."""
    return say(f"You will get no more messages from {facts.shop.name}.", bare=True)


def not_stopped(facts: Facts) -> Say:
    """An opt-out that could not be stored must not be claimed; the carrier's own word always works."""
    return say(
        f"Please reply with the one word STOP and {facts.shop.name} will not write to you again.", bare=True
    )
