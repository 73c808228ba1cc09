"""What is said after a write. A write that happened in this turn is told before anything else, whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.playbook import phrases
from agent.playbook.facts import Slot, read_slots
from agent.playbook.intents import Intent
from agent.playbook.reading import Reading
from agent.playbook.reply import Say, Step, do, say
from agent.playbook.transcript import Done, Situation

_WRITES = ("opt_out", "book", "move", "cancel", "hand_off")


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
    return _failed(s, done) if done.failed else _succeeded(s, done)


def _last_good(s: Situation) -> Done | None:
    return next((one for one in reversed(s.done) if one.name in _WRITES and not one.failed), None)


def _after_hand_off(s: Situation, r: Reading, done: Done) -> Say:
    if r.has(Intent.SPANISH):
        return phrases.spanish(s.facts, handed_off=not done.failed)
    if done.failed:
        return phrases.not_handed(s.facts)
    told = phrases.handed(s.facts, why_line(s, r, str(done.arguments.get("reason", ""))))
    return told.after(_booked_before(s)) if _booked_before(s) else told


def _booked_before(s: Situation) -> str:
    for name in ("book", "move", "cancel"):
        if (done := s.good(name)) is not None:
            return _succeeded(s, done).parts[0]
    return ""


def why_line(s: Situation, r: Reading, reason: str) -> str:
    """The sentence before the hand-off line."""
    if reason == "cannot_answer" and not s.facts.appointments and r.has(Intent.MOVE, Intent.CANCEL):
        return phrases.no_appointment_line()
    lines = {
        "complaint": "I am sorry about that.",
        "damage_or_claim": "I am sorry about that. A person has to look into it.",
        "price_question": "A person has to answer that price question.",
        "out_of_scope": "I do not want to guess on that one.",
        "cannot_answer": "Sorry, I cannot sort that out by myself.",
    }
    return lines.get(reason, "")


def _succeeded(s: Situation, done: Done) -> Say:
    slot = _appointment(done.data)
    label = slot.label if slot else ""
    services = slot.services if slot else ()
    if done.name == "cancel":
        return phrases.cancelled(label) if label else say("Your appointment is cancelled.")
    if not label:
        return say(
            "Done, it is stored." if done.name == "move" else "You are booked.",
            "If anything changes, just write here.",
        )
    if done.name == "move":
        return phrases.moved(s.facts, label, services)
    return phrases.booked(s.facts, label, services)


def _appointment(data: Mapping[str, Any]) -> Slot | None:
    found = read_slots([data.get("appointment")], "appointment_id")
    return found[0] if found else None


def _failed(s: Situation, done: Done) -> Step:
    if alternatives := read_slots(done.data.get("offers"), "offer_id"):
        return phrases.taken(alternatives, moving=done.name == "move")
    wanted = {"book": "book a shown time", "move": "move an appointment", "cancel": "cancel an appointment"}[
        done.name
    ]
    return do(
        "hand_off",
        reason="cannot_answer",
        note=f"The customer wants to {wanted} and the calendar refused it.",
    )
