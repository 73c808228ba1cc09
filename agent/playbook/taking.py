"""Taking one of the shown times, which needs a plain yes to exactly that one."""

from __future__ import annotations

import re

from agent.playbook import phrases
from agent.playbook.intents import Intent, is_clear_yes, read_intents
from agent.playbook.lines import named_in
from agent.playbook.picks import plainly_taken, read_pick
from agent.playbook.reading import Reading
from agent.playbook.reply import Step, do
from agent.playbook.talk import answers
from agent.playbook.text import folded
from agent.playbook.transcript import Situation
from agent.playbook.when import read_when

_PLAIN = (Intent.HOURS, Intent.ADDRESS, Intent.PHONE, Intent.MINE)
_DOUBTS = (
    Intent.NO, Intent.REFUSES, Intent.HESITATES, Intent.OTHER_TIMES, Intent.PRICE, Intent.DURATION, Intent.BEYOND,
    Intent.BARGAIN, *_PLAIN,
)  # fmt: skip
_DOUBT = re.compile(
    r"\b(?:but|not|don't|can't|won't|if|unless|wait|hold on|never ?mind|before i|what|why|rather"
    r"|pero|no(?! hay problema)|si (?:puedo|pueden?|hay|tienen?)|esper[ae]\w*|antes de|por que)\b"
)
_CONDITION = re.compile(
    r"\b(?:but|if|unless|until|before|depends|pero|depende|antes|si (?:puedo|pueden?|hay|tienen?))\b"
)
_PIECES = re.compile(
    r"(?<=[?!;\n])\s*|(?<=\.)\s+|,?\s+(?:and|but|also|y|e|pero)\s+(?=(?:what|where|when|how|do|does|is|are|can|could"
    r"|cual|donde|cuando|como|cuant\w+|a que|que|hay|tienen?|esta|estan|puedo)\b)"
)
_ASKING = re.compile(
    r"\W*(?:what|where|when|how|do|does|is|are|cual|donde|cuando|como|cuant\w+|a que|que|hay|tienen?)\b"
)


def take(s: Situation, r: Reading) -> Step | None:
    """The write that takes a shown time, the question which one or whether, or None when none is taken."""
    if not _may_take(s, r) or r.when.excluded or _other_work(s, r):
        return None
    tool = "move" if r.moving else "book"
    if (step := _beside_a_question(s, r, tool)) is not None or r.has(*_DOUBTS):
        return step
    if (slot := r.pick.one) is not None:
        if plainly_taken(s.said, asks=r.asks) and not _DOUBT.search(folded(s.said)):
            return do(tool, offer_id=slot.id)
        if r.when.choices:
            # "Sat morning or mon" leaves a choice of which one window only happens to have been shown.
            return None
        return phrases.confirm_offer(s.facts, slot, moving=r.moving).after(*answers(s, r))
    if r.pick.named and len(r.pick.fits) > 1:
        return phrases.which_offer(s.facts, r.pick.fits, moving=r.moving)
    return _agreed(s, r, tool)


def _other_work(s: Situation, r: Reading) -> bool:
    """Whether the text asks for work, a film or a pane that is not in what was offered: "yes and the windshield too"."""
    if r.mention.wishes and not r.mention.guessed:
        return True
    offered = folded(" ".join(name for slot in s.facts.offers for name in slot.services))
    return any(value not in offered for _, value in r.mention.qualifiers)


def _beside_a_question(s: Situation, r: Reading, tool: str) -> Step | None:
    """ "9 works, and where are you?": what is plainly said counts, whatever is asked beside it."""
    pieces = [piece for piece in _PIECES.split(s.said) if piece and piece.strip()]
    plain = [piece for piece in pieces if "?" not in piece and not _ASKING.match(folded(piece))]
    said = " ".join(plain)
    if not said or len(plain) == len(pieces) or _CONDITION.search(folded(s.said)):
        return None
    if not read_intents(said).isdisjoint(_DOUBTS) or _DOUBT.search(folded(said)):
        return None
    slot = read_pick(said, read_when(said, s.facts.now), s.facts.offers, s.facts.now.date()).one
    if slot is not None and plainly_taken(said, asks=False):
        return do(tool, offer_id=slot.id)
    return None


def _may_take(s: Situation, r: Reading) -> bool:
    """With an appointment in the calendar, "see you tuesday" is no choice: only right after other times were shown, or
    with a word about moving, a named time takes an offer."""
    if not s.facts.appointments or r.has(Intent.MOVE):
        return bool(s.facts.offers)
    booked = {slot.label for slot in s.facts.appointments}
    return "?" in s.asked and any(
        named_in(s.asked, slot.label) for slot in s.facts.offers if slot.label not in booked
    )


def _agreed(s: Situation, r: Reading, tool: str) -> Step | None:
    """A plain yes takes a time only when our last text asked about exactly one."""
    asked = [slot for slot in s.facts.offers if named_in(s.asked, slot.label)] if "?" in s.asked else []
    if r.pick.named or not is_clear_yes(s.said) or r.asks or not asked:
        return None
    if len(asked) > 1:
        return phrases.which_offer(s.facts, asked, moving=r.moving)
    return do(tool, offer_id=asked[0].id)
