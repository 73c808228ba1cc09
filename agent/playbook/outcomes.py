"""What is said after a write. A write that happened in this turn is told before anything else, whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.playbook import phrases
from agent.playbook.facts import Slot, read_slots
from agent.playbook.intents import Intent
from agent.playbook.later import after_plan
from agent.playbook.lines import line, named_in
from agent.playbook.reading import Reading
from agent.playbook.reply import Say, Step, do
from agent.playbook.talk import answers, closed, farewell
from agent.playbook.transcript import Done, Situation

_WRITES = ("opt_out", "book", "move", "cancel", "hand_off", "follow_up", "close_enquiry")
_WHY = {
    "complaint": "sorry",
    "damage_or_claim": "sorry_damage",
    "price_question": "why_price",
    "out_of_scope": "why_scope",
    "cannot_answer": "why_cannot",
}


def outcome(s: Situation, r: Reading) -> Step | None:
    """The step that follows from this turn's writes, or None when there was none."""
    done = next((one for one in reversed(s.done) if one.name in _WRITES), None)
    if done is None:
        return None
    if done.failed and done.name != "hand_off" and (earlier := _last_good(s)) is not None:
        done = earlier
    if done.name == "hand_off":
        return _after_hand_off(s, r, done)
    if done.name == "opt_out":
        return phrases.not_stopped(s.facts) if done.failed else phrases.stopped(s.facts)
    if done.name == "follow_up":
        return after_plan(s, failed=done.failed)
    if done.name == "close_enquiry":
        return farewell(s) if done.failed else closed(s)
    if done.failed:
        return _failed(s, done)
    return _also(s, r, _succeeded(s, done))


def _last_good(s: Situation) -> Done | None:
    return next((one for one in reversed(s.done) if one.name in _WRITES and not one.failed), None)


def _also(s: Situation, r: Reading, told: Say) -> Say:
    """What was asked beside the yes. The confirmation names the place itself; hours of a day are those of the visit."""
    if not told.bare:
        return told
    asked = [one for one in answers(s, r) if s.facts.shop.address not in one or not s.facts.shop.address]
    return Say((told.parts[0], *asked, *told.parts[1:]), told.extras, told.bare) if asked else told


def _after_hand_off(s: Situation, r: Reading, done: Done) -> Say:
    if done.failed:
        return phrases.not_handed(s.facts)
    told = phrases.handed(s.facts, why_line(s, r, str(done.arguments.get("reason", ""))))
    return told.after(*_booked_before(s))


def _booked_before(s: Situation) -> tuple[str, ...]:
    for name in ("book", "move", "cancel"):
        if (done := s.good(name)) is not None:
            return _succeeded(s, done).parts[:1]
    return ()


def why_line(s: Situation, r: Reading, reason: str) -> str:
    """The sentence before the hand-off line."""
    if reason == "cannot_answer" and not s.facts.appointments and r.has(Intent.MOVE, Intent.CANCEL):
        return line("no_appointment", s.facts.speaks)
    return line(_WHY[reason], s.facts.speaks) if reason in _WHY else ""


def _succeeded(s: Situation, done: Done) -> Say:
    slot = _appointment(done.data)
    label = slot.label if slot else ""
    services = slot.services if slot else ()
    if done.name == "cancel":
        return phrases.cancelled(s.facts, label)
    if done.name == "move":
        return phrases.moved(s.facts, label, services)
    return phrases.booked(s.facts, label, services)


def _appointment(data: Mapping[str, Any]) -> Slot | None:
    found = read_slots([data.get("appointment")], "appointment_id")
    return found[0] if found else None


def _failed(s: Situation, done: Done) -> Step:
    moving = done.name == "move"
    if alternatives := read_slots(done.data.get("offers"), "offer_id"):
        return phrases.taken(s.facts, alternatives, moving=moving)
    label = done.data.get("label")
    if done.data.get("needs_yes") and isinstance(label, str) and not _asked_before(s, done, label):
        if done.name == "cancel":
            return phrases.ask_cancel(s.facts, label)
        return phrases.make_sure(s.facts, label, moving=moving)
    wanted = {"book": "book a shown time", "move": "move an appointment", "cancel": "cancel an appointment"}
    return do(
        "hand_off",
        reason="cannot_answer",
        note=f"The customer wants to {wanted[done.name]} and the calendar refused it.",
    )


def _asked_before(s: Situation, done: Done, label: str) -> bool:
    """Whether our last text asked just that, so that asking once more would go round in a circle."""
    question = phrases.ASKED_CANCEL if done.name == "cancel" else phrases.SURE
    return bool(question.search(s.asked)) and named_in(s.asked, label)
