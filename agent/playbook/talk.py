"""Small talk and plain questions: hours, address, what the owner wrote down, thanks."""

from __future__ import annotations

from agent.playbook import phrases
from agent.playbook.facts import Facts
from agent.playbook.intents import Intent
from agent.playbook.lines import either, line, moment
from agent.playbook.opening import hours_answer
from agent.playbook.owner_facts import owner_facts
from agent.playbook.reading import Reading
from agent.playbook.reply import Say, say
from agent.playbook.transcript import Situation


def answers(s: Situation, r: Reading) -> tuple[str, ...]:
    """Sentences that answer the plain questions of a text, in a fixed order."""
    facts = s.facts
    found: list[str] = []
    if r.has(Intent.HOURS):
        found += hours_answer(facts, r.when)
    if r.has(Intent.ADDRESS):
        found.append(_address(facts))
    if r.has(Intent.PHONE) and not r.has(Intent.ADDRESS):
        phone = facts.shop.phone
        found.append(line("number", facts.speaks, phone=phone) if phone else line("right_here", facts.speaks))
    if r.has(Intent.MINE):
        found.append(_mine(facts))
    if not r.has(Intent.BARGAIN):
        found += owner_facts(facts, s.said, asks=r.asks)
    return tuple(filter(None, found))


def _address(facts: Facts) -> str:
    shop = facts.shop
    if shop.address:
        return line("address", facts.speaks, shop=shop.name, address=shop.address)
    return line("address_call", facts.speaks, phone=shop.phone) if shop.phone else ""


def _mine(facts: Facts) -> str:
    if not facts.appointments:
        return line("no_appointment", facts.speaks)
    labels = [moment(slot.label, facts.speaks) for slot in facts.appointments[:2]]
    return line("your_appointment", facts.speaks, label=either(labels, facts.speaks, "and"))


def closing(s: Situation) -> Say:
    """An answer to thanks and goodbyes."""
    if s.facts.appointments:
        return phrases.one(s.facts, "see_you", label=moment(s.facts.appointments[0].label, s.facts.speaks))
    return phrases.one(s.facts, "welcome", name=f", {s.facts.first_name}" if s.facts.first_name else "")


def no_rush(s: Situation) -> Say:
    """The customer needs time."""
    return phrases.one(s.facts, "no_rush")


def farewell(s: Situation) -> Say:
    """The customer does not need us now. That alone is no wish never to hear from us again, so the way to say that is
    named, and nothing is asked."""
    return say(line("farewell", s.facts.speaks), line("stop_offer", s.facts.speaks))


def closed(s: Situation) -> Say:
    """The enquiry is closed: thanks, and nothing that sells. Who wants no messages at all still reads how to say so."""
    return say(line("closed", s.facts.speaks), line("stop_offer", s.facts.speaks))
