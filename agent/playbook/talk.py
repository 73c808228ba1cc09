"""Small talk and plain questions: hours, address, thanks, who is this."""

from __future__ import annotations

from agent.playbook import phrases
from agent.playbook.intents import Intent
from agent.playbook.reading import Reading
from agent.playbook.reply import Say, say
from agent.playbook.transcript import Situation


def answers(s: Situation, r: Reading) -> tuple[str, ...]:
    """Sentences that answer the plain questions of a text, in a fixed order."""
    shop, found = s.facts.shop, []
    if r.has(Intent.HOURS):
        found.append(
            f"Our hours: {shop.hours}."
            if shop.hours
            else f"Please call us at {shop.phone} for our hours."
            if shop.phone
            else ""
        )
    if r.has(Intent.ADDRESS):
        found.append(
            f"{shop.name} is at {shop.address}."
            if shop.address
            else f"Please call us at {shop.phone} for directions."
            if shop.phone
            else ""
        )
    if r.has(Intent.PHONE) and not r.has(Intent.ADDRESS):
        found.append(f"Our number is {shop.phone}." if shop.phone else "You can write to us right here.")
    if r.has(Intent.MINE):
        found.append(_mine(s))
    return tuple(filter(None, found))


def _mine(s: Situation) -> str:
    if not s.facts.appointments:
        return phrases.no_appointment_line()
    labels = " and ".join(slot.label for slot in s.facts.appointments[:2])
    return f"Your appointment is on {labels}."


def closing(s: Situation, r: Reading) -> Say:
    """An answer to thanks and goodbyes."""
    if s.facts.appointments:
        return say(f"Thank you! See you on {s.facts.appointments[0].label}.")
    name = f", {s.facts.first_name}" if s.facts.first_name else ""
    return say(f"You are welcome{name}. Just write here when you need us.")


def no_rush() -> Say:
    """The customer needs time."""
    return say("Sure, no rush. Just write here when you know, and I will look for a time.")


def farewell(s: Situation) -> Say:
    """The customer does not need us now."""
    return say(
        "Thanks for letting me know. If you need us later, just write here.",
        "Reply STOP and you get no more messages.",
    )
