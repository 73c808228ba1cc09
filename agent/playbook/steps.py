"""The rules in their order: the first one that has an answer decides the step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from agent.playbook import phrases
from agent.playbook.choices import points, ranks
from agent.playbook.flow import list_services, towards_booking, towards_move
from agent.playbook.intents import Intent, is_clear_yes, takes_back
from agent.playbook.later import write_later
from agent.playbook.lines import line, moment, named_in
from agent.playbook.outcomes import outcome
from agent.playbook.reading import Reading, learned, read
from agent.playbook.reply import Do, Say, Step, do, say
from agent.playbook.speaking import asked_language, language_to_keep, spoken
from agent.playbook.taking import take
from agent.playbook.talk import answers, closing, farewell, no_rush
from agent.playbook.text import folded
from agent.playbook.transcript import Situation
from agent.playbook.visits import answers_which, ask_whether_to_cancel, cancel_one_of
from agent.playbook.when import When

Rule = Callable[[Situation, Reading], Step | None]
_DO_NOT_CANCEL = re.compile(
    r"\b(?:don't|do not|not|never|no) (?:want to |quiero |la |lo |me )*cancel|\bno (?:la |lo )?anul"
)
_PLAIN = (Intent.HOURS, Intent.ADDRESS, Intent.PHONE, Intent.MINE)
_WANTS = (Intent.PRICE, Intent.DURATION, Intent.BOOK, Intent.OTHER_TIMES)


def decide(s: Situation) -> Step:
    """The next step of a turn: calls, or the words that end it. Never raises; ends within MAX_ROUNDS."""
    r = read(s)
    s = replace(s, facts=replace(s.facts, speaks=spoken(s, r)))
    step = next(step for rule in RULES if (step := rule(s, r)) is not None)
    step = _remembering(s, r, step)
    if isinstance(step, Do) and not all(s.may(name) for name, _ in step.calls):
        step = _without_tools(s, step)
    return replace(step, language=s.facts.speaks) if isinstance(step, Say) else step


def _remembering(s: Situation, r: Reading, step: Step) -> Step:
    """Store what the customer told about themselves, in the same round as another call where there is one."""
    calls = []
    if (
        not r.has(Intent.STOP)
        and not s.results("update_lead")
        and s.may("update_lead")
        and (new := learned(s, r))
    ):
        calls.append(("update_lead", new))
    if s.may("set_language") and (language := language_to_keep(s, r)):
        calls.append(("set_language", {"language": language}))
    if not calls:
        return step
    return Do((*calls, *(step.calls if isinstance(step, Do) else ())))


def _without_tools(s: Situation, step: Do) -> Say:
    """Nothing may be claimed that was not done."""
    wanted = {name for name, _ in step.calls}
    if "opt_out" in wanted:
        return phrases.not_stopped(s.facts)
    if "hand_off" in wanted:
        return phrases.not_handed(s.facts)
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
    if r.has(Intent.DAMAGE):
        return _hand_off("damage_or_claim", s)
    if r.has(Intent.COMPLAINT):
        return _hand_off("complaint", s)
    if r.has(Intent.BOT):
        open_question = _open_question(s)
        # The times that wait for an answer are asked about once more: an "ok" before the question is not lost.
        return phrases.bot_answer(s.facts, open_question)
    if r.has(Intent.PERSON):
        return _hand_off("asked_for_person", s)
    return _hand_off("out_of_scope", s) if r.has(Intent.LATE) and s.facts.appointments else None


def _offered_person(s: Situation, r: Reading) -> Step | None:
    if not phrases.ASKED_PERSON.search(s.asked):
        return None
    if r.has(Intent.YES):
        return _hand_off("asked_for_person", s)
    return phrases.one(s.facts, "help") if r.has(Intent.NO) else None


def _not_proved(s: Situation, r: Reading) -> Step | None:
    """Appointments are talked about with the customer only."""
    if s.facts.proved or not r.has(Intent.CANCEL, Intent.MOVE, Intent.MINE):
        return None
    return phrases.one(s.facts, "not_proved")


def _close(s: Situation, r: Reading) -> Step | None:
    """Who found another shop is not followed up any more; what is booked is asked about first, because only a
    cancellation gives it up."""
    if not r.has(Intent.CLOSES):
        return None
    if s.facts.appointments:
        return None if phrases.ASKED_CANCEL.search(s.asked) else ask_whether_to_cancel(s)
    return do("close_enquiry", reason=r.closes) if s.may("close_enquiry") else farewell(s)


def _cancel(s: Situation, r: Reading) -> Step | None:
    if len(s.facts.appointments) > 1:
        return cancel_one_of(s, r)
    asked = bool(phrases.ASKED_CANCEL.search(s.asked)) and bool(s.facts.appointments)
    if asked and not r.has(Intent.MOVE):
        if is_clear_yes(s.said) or (r.has(Intent.CANCEL) and not takes_back(s.said)):
            return do("cancel")
        if r.has(Intent.NO, Intent.CANCEL, Intent.YES):
            label = moment(s.facts.appointments[0].label, s.facts.speaks)
            return phrases.one(s.facts, "stays", label=label)
    if not r.has(Intent.CANCEL) or _DO_NOT_CANCEL.search(folded(s.said)):
        return None
    if s.facts.appointments:
        return phrases.ask_cancel(s.facts, s.facts.appointments[0].label)
    return _no_appointment(s, r)


def _no_appointment(s: Situation, r: Reading) -> Step:
    return do(
        "hand_off",
        reason="cannot_answer",
        note="The customer speaks of an appointment that is not in our records.",
    )


def _move(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.MOVE) and not s.facts.appointments:
        return _no_appointment(s, r)
    other_job = bool(r.mention.wishes) and not r.has(Intent.MOVE)
    about_times = _names_time(s, r) or r.has(Intent.OTHER_TIMES, Intent.BOOK)
    if answers_which(s):
        return towards_move(s, replace(r, when=When(), when_open=When()))
    if not r.moving or other_job or not (r.has(Intent.MOVE) or about_times):
        return None
    return towards_move(s, r)


def _names_time(s: Situation, r: Reading) -> bool:
    """Whether a text speaks of a day or a time, or answers our question which day was meant."""
    return bool(r.when or r.when.doubt) or bool(phrases.ASKED_DAY_MEANT.search(s.asked) and r.has(Intent.YES))


def _out_of_reach(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.BARGAIN):
        return _hand_off("price_question", s)
    if not r.has(Intent.BEYOND) or not _nothing_else(r) or answers(s, r):
        return None
    return _hand_off("out_of_scope", s)


def _nothing_else(r: Reading) -> bool:
    return not r.new_vehicle and (r.mention.guessed or not r.mention.wishes)


def _wait(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.DONE_ELSEWHERE) and not r.asks and not r.when and not r.has(*_WANTS, *_PLAIN):
        return farewell(s)
    if r.has(Intent.HESITATES) and not r.when and not r.has(*_WANTS, *_PLAIN) and not r.mention:
        return no_rush(s)
    return None


def _plain_answers(s: Situation, r: Reading) -> Step | None:
    found = answers(s, r)
    if not found:
        return None
    if r.has(*_WANTS) and (r.wishes or r.vehicle) and not r.has(Intent.MINE) and not s.facts.appointments:
        step = towards_booking(s, r)
        return step.after(*found) if isinstance(step, Say) else step
    if (slot := r.pick.one) is not None and not r.has(Intent.HOURS) and not s.facts.appointments:
        return phrases.confirm_offer(s.facts, slot, moving=r.moving).after(*found)
    return say(*found, _open_question(s))


def _open_question(s: Situation) -> str:
    """The times that wait for a choice are not forgotten over another question."""
    open_ones = [slot for slot in s.facts.offers if named_in(s.asked, slot.label)]
    if s.facts.appointments or not open_ones or "?" not in s.asked:
        return ""
    if len(open_ones) > 1:
        return line("which_works", s.facts.speaks)
    return line("sure_open", s.facts.speaks, label=moment(open_ones[0].label, s.facts.speaks))


def _services(s: Situation, r: Reading) -> Step | None:
    return list_services(s) if r.has(Intent.SERVICES) and not r.mention.wishes else None


def _refused_times(s: Situation, r: Reading) -> Step | None:
    refuses = r.has(Intent.REFUSES, Intent.NO) and s.facts.offers
    if not refuses or _names_time(s, r) or r.has(*_WANTS) or r.mention:
        return None
    if r.has(Intent.THANKS):
        return farewell(s)
    return say(line("no_problem", s.facts.speaks), line("ask_day", s.facts.speaks))


def _book(s: Situation, r: Reading) -> Step | None:
    """Anything that moves towards a booking: a price or time question, a car, a wish, or a yes to our question."""
    goes_on = r.has(Intent.YES) and "?" in s.asked and not s.facts.appointments
    meant = phrases.ASKED_DAY_MEANT.search(s.asked) and not r.has(Intent.NO)
    if goes_on or meant or r.has(*_WANTS) or _names_time(s, r) or r.new_vehicle or r.mention:
        return towards_booking(s, r)
    chooses = points(s.said) if phrases.ASKED_WHICH.search(s.asked) else ranks(s.said)
    if r.wishes and (chooses or r.name or r.email):
        return towards_booking(s, r)
    return None


def _manners(s: Situation, r: Reading) -> Step | None:
    if r.has(Intent.NO):
        return farewell(s)
    if s.asked and r.has(Intent.THANKS, Intent.YES):
        return closing(s)
    if (language := asked_language(s.said)) is not None:
        helps = phrases.one(s.facts, "help")
        return helps.after(line("speaks_spanish" if language == "es" else "speaks_english", s.facts.speaks))
    if r.has(Intent.GREETING, Intent.YES, Intent.THANKS) or r.name or r.email or not s.said.strip():
        goes_on = r.wishes and not s.facts.appointments
        return towards_booking(s, r) if goes_on else phrases.one(s.facts, "help")
    return None


def _unclear(s: Situation, r: Reading) -> Step | None:
    """Asked once, then a person takes over; nobody is asked the same thing three times."""
    if phrases.DID_NOT_UNDERSTAND.search(s.asked):
        return _hand_off("cannot_answer", s)
    return phrases.unclear(s.facts)


RULES: tuple[Rule, ...] = (
    outcome, _stop, _people, _offered_person, _not_proved, _close, _cancel, take, _move, _out_of_reach, write_later, _wait,
    _plain_answers, _services, _refused_times, _book, _manners, _unclear,
)  # fmt: skip
