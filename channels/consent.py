"""What a person says about being written to: single words first, then plain phrases, before any model sees it.

Words are Twilio's (messaging facts 3.1); phrases are what 47 CFR 64.1200(a)(10) calls "any reasonable means" and
Twilio does not act on (messaging facts 0.8). Only the person's own words are read, never a quoted part. The phrases
are data: channels/phrases.yaml.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from channels import consent_bare, consent_reach
from channels.consent_reach import Reach, Scope
from channels.consent_text import plain, sentences, with_commas, without_quotes
from channels.phrases import load_phrases

Meaning = Literal["stop", "start", "help"]

STOP_WORDS = load_phrases().keywords["stop"]
START_WORDS = load_phrases().keywords["start"]
HELP_WORDS = load_phrases().keywords["help"]

_STOP_SUBJECTS = frozenset(
    {"unsubscribe", "stop", "optout", "opt out", "remove", "remove me", "unsubscribe me"}
)


@dataclass(frozen=True)
class ConsentWord:
    """What was said, and how plainly.

    `how`: a `keyword` is a word the carrier may act on too, a `phrase` only we understand; `exact` says that the
    carrier acted: the whole message is its keyword. `reach`: `policy` leaves it to the shop whether a stop covers the
    other channel, everything else was said in so many words. `scope` marketing leaves the talk about an appointment.
    `wrong_person`: the address belongs to somebody else. `unless_booked`: a booking word, a stop only of somebody who
    has no appointment. `more`: the message asks for something besides.
    """

    meaning: Meaning
    how: Literal["keyword", "phrase"]
    exact: bool = False
    reach: Reach = "policy"
    scope: Scope = "all"
    wrong_person: bool = False
    unless_booked: bool = False
    more: bool = False

    def goes_on(self, channel: str) -> bool:
        """Whether the message is still to be answered on this channel: the stop leaves it open, and there is more in
        the message than the stop."""
        stays_open = self.scope == "marketing" or (self.reach in ("sms", "email") and self.reach != channel)
        return self.meaning == "stop" and self.more and stays_open

    @property
    def label(self) -> str:
        """One word for it: stop, stop_sms, stop_email, stop_marketing, start or help."""
        if self.meaning != "stop":
            return self.meaning
        if self.scope == "marketing":
            return "stop_marketing"
        return f"stop_{self.reach}" if self.reach in ("sms", "email") else "stop"


def read_consent(words: str, *, channel: str = "sms", booked: bool = False) -> ConsentWord | None:
    """What the person's own words say about consent, or None for ordinary talk. `channel` they came by; `booked`: the
    person has an appointment, so booking words alone in a polite sentence are about that."""
    found = _keyword(words)
    if found is None:
        own = without_quotes(words)
        found = _phrase(own, channel) or _start(own)
    return None if found is not None and found.unless_booked and booked else found


def read_message(
    words: str,
    subject: str | None,
    *,
    automatic: bool,
    channel: str = "sms",
    booked: bool = False,
    opt_out_type: str | None = None,
) -> ConsentWord | None:
    """What a whole message says about consent.

    A mail whose subject is nothing but a stop is one, also when a mail program wrote it (that is what a
    List-Unsubscribe header makes); everything else that a machine wrote says nothing. `opt_out_type` is the carrier's
    own reading (STOP, START, HELP; messaging facts 1.1) and beats ours: it has acted on it.
    """
    told = _from_carrier(opt_out_type)
    if told is not None:
        return told
    if subject is not None and _bare(subject) in _STOP_SUBJECTS:
        return ConsentWord("stop", "phrase")
    return None if automatic else read_consent(words, channel=channel, booked=booked)


def _from_carrier(opt_out_type: str | None) -> ConsentWord | None:
    meanings: dict[str, Meaning] = {"STOP": "stop", "START": "start", "HELP": "help"}
    meaning = meanings.get((opt_out_type or "").upper())
    return None if meaning is None else ConsentWord(meaning, "keyword", exact=True)


def _bare(words: str) -> str:
    return re.sub(r"[\s.,!;:'\"“”‘’()\-]+", " ", words).strip().lower()


def _keyword(words: str) -> ConsentWord | None:
    phrases, bare = load_phrases(), _bare(words)
    keywords: tuple[tuple[Meaning, frozenset[str]], ...] = (
        ("stop", STOP_WORDS), ("start", START_WORDS), ("help", HELP_WORDS),
    )  # fmt: skip
    for meaning, known in keywords:
        if bare in known:
            return ConsentWord(meaning, "keyword", exact=words.strip().lower() in known)
    alone = consent_bare.alone(plain(words))
    if alone in phrases.alone["start_alone"]:
        return ConsentWord("start", "phrase")
    if alone in phrases.alone["help_alone"]:
        return ConsentWord("help", "phrase")
    if alone in STOP_WORDS and alone not in phrases.alone["stop_unless_booked"]:
        return ConsentWord("stop", "phrase")
    if alone in phrases.alone["stop_alone"]:
        wrong = alone in ("equivocado", "numero equivocado", "wrong")
        return ConsentWord("stop", "phrase", wrong_person=wrong)
    if alone in phrases.alone["stop_unless_booked"] or consent_bare.is_booking_word(alone):
        return ConsentWord("stop", "phrase", unless_booked=True)
    return None


def _start(own: str) -> ConsentWord | None:
    phrases = load_phrases()
    for sentence in sentences(plain(own)):
        if sentence in phrases.alone["start_alone"]:
            return ConsentWord("start", "phrase")
        if re.search(r"\b(?:not|never|without|if|no)\b", sentence):
            continue
        if any(pattern.search(sentence) for pattern in phrases.start):
            return ConsentWord("start", "phrase")
    return None


def _phrase(own: str, channel: str) -> ConsentWord | None:
    text = plain(own)
    said = [_revocation(sentence) for sentence in sentences(text)]
    hits = [hit for hit in said if hit is not None]
    if consent_bare.is_talk_of_it(text) and len(hits) < 2:
        return None
    somebody_else = consent_bare.is_somebody_else(own)
    bare = consent_bare.is_bare_stop(own, text)
    if not (hits or somebody_else or bare):
        return None
    spans = [hit.span for hit in hits]
    whole = with_commas(text)
    scope = consent_reach.scope_of(whole, spans)
    reach = consent_reach.reach_of(whole, spans, channel, scope)
    if reach is None:
        return None
    return ConsentWord(
        "stop",
        "phrase",
        reach=reach,
        scope=scope,
        wrong_person=not bare and all(hit.wrong for hit in hits),
        more=_asks_more(own, text, said),
    )


@dataclass(frozen=True)
class _Hit:
    """The words of one sentence that revoke."""

    span: str
    wrong: bool


def _revocation(sentence: str) -> _Hit | None:
    phrases = load_phrases()
    # Most sentences hold nothing that could revoke, with or without what is harmless: they are done here.
    worth = phrases.stop_needles.worth(sentence)
    if not any(phrases.stop[place].like.search(sentence) for place in worth):
        return None
    if any(pattern.search(sentence) for pattern in phrases.notices):
        return None
    left = sentence
    for pattern in phrases.harmless:
        left = pattern.sub(" ~ ", left)
    found = [(phrase, hit) for phrase in phrases.stop if (hit := phrase.like.search(left)) is not None]
    if not found:
        return None
    span = " | ".join(left[hit.start() :][:120] for _, hit in found[:1])
    words = " ".join(hit[0] for _, hit in found)
    return _Hit(f"{words} || {span}", wrong=all(phrase.wrong for phrase, _ in found))


def _asks_more(own: str, text: str, said: list[_Hit | None]) -> bool:
    """Whether another sentence holds a question or a request worth an answer."""
    others = [one for one, hit in zip(sentences(text), said, strict=True) if hit is None]
    return any(len(one.split()) >= 3 for one in others) and ("?" in own or len(said) > 1)
