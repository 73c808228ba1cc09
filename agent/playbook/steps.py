"""The rules in their order: the first one that has an answer decides the step."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.playbook import phrases
from agent.playbook.choices import points, ranks
from agent.playbook.flow import list_services, towards_booking, towards_move
from agent.playbook.intents import Intent, is_clear_yes, takes_back
from agent.playbook.outcomes import outcome
from agent.playbook.picks import plainly_taken
from agent.playbook.reading import Reading, learned, read
from agent.playbook.reply import Do, Say, Step, do, say
from agent.playbook.talk import answers, closing, farewell, no_rush
from agent.playbook.text import plain
from agent.playbook.transcript import Situation

Rule = Callable[[Situation, Reading], Step | None]
_DOUBT = re.compile(
    r"\b(?:but|not|don't|can't|won't|if|unless|wait|hold on|never ?mind|before i|what|why|rather)\b"
)
_DO_NOT_CANCEL = re.compile(r"\b(?:don't|do not|not|never) (?:want to )?cancel")
_PLAIN = (Intent.HOURS, Intent.ADDRESS, Intent.PHONE, Intent.MINE)
_WANTS = (Intent.PRICE, Intent.DURATION, Intent.BOOK, Intent.OTHER_TIMES)


def decide(s: Situation) -> Step:
    """The next step of a turn: calls, or the words that end it. Never raises; ends within MAX_ROUNDS."""
    r = read(s)
    step = next(step for rule in RULES if (step := rule(s, r)) is not None)
    step = _remembering(s, r, step)
    if isinstance(step, Do) and not all(s.may(name) for name, _ in step.calls):
        return _without_tools(s, r, step)
    return step


def _remembering(s: Situation, r: Reading, step: Step) -> Step:
    """Store what the customer told about themselves, in the same round as another call where there is one."""
    if (
        r.has(Intent.STOP)
        or s.results("update_lead")
        or not s.may("update_lead")
        or not (news := learned(s, r))
    ):
        return step
    update = ("update_lead", news)
    return Do((update, *step.calls)) if isinstance(step, Do) else Do((update,))


def _without_tools(s: Situation, r: Reading, step: Do) -> Say:
    """Nothing may be claimed that was not done."""
    wanted = {name for name, _ in step.calls}
    if "opt_out" in wanted:
        return phrases.not_stopped(s.facts)
    if "hand_off" in wanted:
        return (
            phrases.spanish(s.facts, handed_off=False)
            if r.has(Intent.SPANISH)
            else phrases.not_handed(s.facts)
        )
    return phrases.cannot_look_up(s.facts)


def _hand_off(reason: str, s: Situation) -> Do:
    return do("hand_off", reason=reason, note=f"The customer wrote: {' '.join(s.said.split())[:300]}")


def _stop(s: Situation, r: Reading) -> Step | None:
    if not r.has(Intent.STOP):
        return None
    only_email = "email" in s.said.lower() and "text" in s.said.lower() and "instead" in s.said.lower()
    return do("opt_out", channel="email" if only_email and s.facts.channel == "email" else "all")


def _people(s: Situation, r: Reading) -> Step | None:
    """Everything that a person has to answer, and the one question that is answered the same way always."""
    if r.has(Intent.SPANISH):
        return do("hand_off", reason="cannot_answer", note="The customer writes in Spanish.")
    if r.has(Intent.DAMAGE):
        return _hand_off("damage_or_claim", s)
    if r.has(Intent.COMPLAINT):
        return _hand_off("complaint", s)
    if r.has(Intent.BOT):
        return phrases.bot_answer(s.facts)
    if r.has(Intent.PERSON):
        return _hand_off("asked_for_person", s)
    return _hand_off("out_of_scope", s) if r.has(Intent.LATE) and s.facts.appointments else None


def _offered_person(s: Situation, r: Reading) -> Step | None:
    if not phrases.ASKED_PERSON.search(s.asked):
        return None
    if r.has(Intent.YES):
        return _hand_off("asked_for_person", s)
    return phrases.help_offer() if r.has(Intent.NO) else None


def _cancel(s: Situation, r: Reading) -> Step | None:
    asked = bool(phrases.ASKED_CANCEL.search(s.asked)) and bool(s.facts.appointments)
    if asked and not r.has(Intent.MOVE):
        if is_clear_yes(s.said) or (r.has(Intent.CANCEL) and not takes_back(s.said)):
            return do("cancel")
        if r.has(Intent.NO, Intent.CANCEL, Intent.YES):
            return say(f"Okay, your appointment on {s.facts.appointments[0].label} stays as it is.")
    if not r.has(Intent.CANCEL) or _DO_NOT_CANCEL.search(plain(s.said)):
        return None
    return phrases.ask_cancel(s.facts.appointments[0]) if s.facts.appointments else _no_appointment(s)


def _no_appointment(s: Situation) -> Step:
    return do(
        "hand_off",
        reason="cannot_answer",
        note="The customer speaks of an appointment that is not in our records.",
    )


def _take(s: Situation, r: Reading) -> Step | None:
    """The customer takes one of the shown times. What is not plainly said is asked back: a write needs a clear yes."""
    doubts = (Intent.NO, Intent.REFUSES, Intent.HESITATES, Intent.OTHER_TIMES, *_PLAIN, *_WANTS[:2])
    if not _may_take(s, r) or r.has(*doubts):
        return None
    if r.when.excluded or (r.mention.wishes and not r.mention.guessed):
        return None
    tool = "move" if r.moving else "book"
    if (slot := r.pick.one) is not None:
        if plainly_taken(s.said, asks=r.asks) and not _DOUBT.search(plain(s.said)):
            return do(tool, offer_id=slot.id)
        return phrases.confirm_offer(slot, moving=r.moving)
    if r.pick.named and len(r.pick.fits) > 1:
        return phrases.which_offer(r.pick.fits, moving=r.moving)
    return _agreed(s, r, tool)


def _may_take(s: Situation, r: Reading) -> bool:
    """With an appointment in the calendar, "see you tuesday" is no choice: only right after other times were shown, or
    with a word about moving, a named time takes an offer."""
    if not s.facts.appointments or r.has(Intent.MOVE):
        return bool(s.facts.offers)
    booked = {slot.label for slot in s.facts.appointments}
    return "?" in s.asked and any(
        slot.label in s.asked for slot in s.facts.offers if slot.label not in booked
    )


def _agreed(s: Situation, r: Reading, tool: str) -> Step | None:
    """A plain yes takes a time only when our last text asked about exactly one."""
    asked = [slot for slot in s.facts.offers if slot.label in s.asked] if "?" in s.asked else []
    if r.pick.named or not is_clear_yes(s.said) or r.asks or not asked:
        return None
    if len(asked) > 1:
        return phrases.which_offer(asked, moving=r.moving)
    return do(tool, offer_id=asked[0].id)


def _move(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.MOVE) and not s.facts.appointments:
        return _no_appointment(s)
    other_job = bool(r.mention.wishes) and not r.has(Intent.MOVE)
    about_times = bool(r.when) or r.has(Intent.OTHER_TIMES, Intent.BOOK)
    if not r.moving or other_job or not (r.has(Intent.MOVE) or about_times):
        return None
    return towards_move(s, r)


def _out_of_reach(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.BARGAIN):
        return _hand_off("price_question", s)
    return _hand_off("out_of_scope", s) if r.has(Intent.BEYOND) and _nothing_else(r) else None


def _nothing_else(r: Reading) -> bool:
    return not r.new_vehicle and (r.mention.guessed or not r.mention.wishes)


def _wait(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.DONE_ELSEWHERE):
        return farewell(s)
    if r.has(Intent.HESITATES) and not r.when and not r.has(*_WANTS, *_PLAIN) and not r.mention:
        return no_rush()
    return None


def _plain_answers(s: Situation, r: Reading) -> Step | None:
    found = answers(s, r)
    if not found:
        return None
    if r.has(*_WANTS) and (r.wishes or r.vehicle) and not r.has(Intent.MINE):
        step = towards_booking(s, r)
        return step.after(*found) if isinstance(step, Say) else step
    return say(*found)


def _services(s: Situation, r: Reading) -> Step | None:
    return list_services(s) if r.has(Intent.SERVICES) and not r.mention.wishes else None


def _refused_times(s: Situation, r: Reading) -> Step | None:
    if (
        r.has(Intent.REFUSES, Intent.NO)
        and s.facts.offers
        and not r.when
        and not r.has(*_WANTS)
        and not r.mention
    ):
        return farewell(s) if r.has(Intent.THANKS) else say("No problem.", phrases.ASK_DAY)
    return None


def _book(s: Situation, r: Reading) -> Step | None:
    """Anything that moves towards a booking: a price or time question, a car, a wish, or a yes to our question."""
    goes_on = r.has(Intent.YES) and "?" in s.asked and not s.facts.appointments
    if goes_on or r.has(*_WANTS) or r.when or r.new_vehicle or r.mention:
        return towards_booking(s, r)
    chooses = points(s.said) if phrases.ASK_WHICH in s.asked else ranks(s.said)
    if r.wishes and (chooses or r.name or r.email):
        return towards_booking(s, r)
    return None


def _manners(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.NO):
        return farewell(s)
    if s.asked and r.has(Intent.THANKS, Intent.YES):
        return closing(s, r)
    if r.has(Intent.GREETING, Intent.YES, Intent.THANKS) or r.name or r.email or not s.said.strip():
        return towards_booking(s, r) if r.wishes and not s.facts.appointments else phrases.help_offer()
    return None


def _unclear(s: Situation, r: Reading) -> Step | None:
    """Asked once, then a person takes over; nobody is asked the same thing three times."""
    if phrases.DID_NOT_UNDERSTAND.search(s.asked):
        return _hand_off("cannot_answer", s)
    return phrases.unclear()


RULES: tuple[Rule, ...] = (
    outcome, _stop, _people, _offered_person, _cancel, _take, _move, _out_of_reach, _wait, _plain_answers, _services,
    _refused_times, _book, _manners, _unclear,
)  # fmt: skip
