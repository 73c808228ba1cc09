"""The labelled sets of what people write about consent, and how well our reading of them does.

`tests/consent_set` is tuned on: whatever is read wrongly there is mended. `tests/consent_unseen` was written by somebody
who had not read the rules and is only ever scored, so that its figures say what a stranger's words will meet.

A group of phrases has a `kind`: `plain` (a revocation in so many words: every one must be understood), `typo`,
`indirect` (only a person or a model understands it), `near` (sounds like one and is none) and `doubtful` (two people
would disagree; counted nowhere).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from channels.consent import read_message
from channels.email.words import strip_reply
from channels.sms.tapback import read_tapback

TESTS = Path(__file__).parents[1]
TUNED, UNSEEN = TESTS / "consent_set", TESTS / "consent_unseen"
KINDS = ("plain", "typo", "indirect", "near", "doubtful")
LABELS = ("stop", "stop_email", "stop_sms", "stop_marketing", "start", "help", "none")


@dataclass(frozen=True)
class Case:
    """One labelled phrase: what a customer wrote by `channel`, with an appointment or without, and its meaning."""

    text: str
    channel: str
    booked: bool
    expect: str
    kind: str
    language: str
    subject: str

    @property
    def is_revocation(self) -> bool:
        return self.expect.startswith("stop")


def load(folder: Path) -> list[Case]:
    """The cases of a set, in the order of its files. `subject` is the name of the file."""
    return [case for file in sorted(folder.glob("*.yaml")) for case in _cases(file)]


def _cases(file: Path) -> Iterator[Case]:
    for group in yaml.safe_load(file.read_text(encoding="utf-8")):
        shared = {key: group[key] for key in ("channel", "booked", "expect", "kind", "language")}
        for text in group["phrases"]:
            yield Case(text=text, subject=file.stem, **shared)


def read(case: Case) -> str:
    """What the product understands: the label, after the same preparation a text or a mail gets on its way in."""
    words, automatic = case.text, False
    if case.channel == "email":
        words = strip_reply(words)
    elif (tapback := read_tapback(words)) is not None:
        words, automatic = tapback.words, not tapback.wants_answer
    found = read_message(words, None, automatic=automatic, channel=case.channel, booked=case.booked)
    return "none" if found is None else found.label


def is_honoured(case: Case, said: str) -> bool:
    """Whether nothing more would come that this person does not want, or the start or help was understood.

    A stop of the person's own channel is honoured by `stop` and by its own name; one of the other channel only by its
    name, because what a bare stop covers is the shop's policy; one of advertising by any stop of the channel.
    """
    own = {"stop", f"stop_{case.channel}"}
    if case.expect == "stop" or case.expect in own:
        return said in own
    return said == case.expect or (case.expect == "stop_marketing" and said in own)


def is_exact(case: Case, said: str) -> bool:
    """Whether it is also no wider than what was asked."""
    return said == case.expect or (case.expect == "stop" and said == f"stop_{case.channel}")


@dataclass
class Score:
    """The figures of one set. A miss is (case, what was understood)."""

    read: list[tuple[Case, str]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[tuple[Case, str]]:
        """What was read of some kinds of phrases."""
        return [(case, said) for case, said in self.read if case.kind in kinds]

    def missed(self, kind: str) -> list[tuple[Case, str]]:
        """The revocations of a kind that were not honoured."""
        return [(c, said) for c, said in self.of(kind) if c.is_revocation and not is_honoured(c, said)]

    def recall(self, kind: str) -> float:
        """The share of the revocations of a kind that were honoured. The set must hold some."""
        asked = [case for case, _ in self.of(kind) if case.is_revocation]
        return 1 - len(self.missed(kind)) / len(asked)

    @property
    def false_stops(self) -> list[tuple[Case, str]]:
        """Read as a revocation of something, and none was meant."""
        return [(c, said) for c, said in self._counted if said.startswith("stop") and not c.is_revocation]

    @property
    def false_starts(self) -> list[tuple[Case, str]]:
        """Read as a start, and none was meant: the dangerous mistake, for it would undo a stop."""
        return [(c, said) for c, said in self.read if said == "start" and c.expect != "start"]

    @property
    def precision(self) -> float:
        """The share of what was read as a revocation that was one."""
        stops = [said for _, said in self._counted if said.startswith("stop")]
        return 1 - len(self.false_stops) / len(stops)

    @property
    def inexact(self) -> list[tuple[Case, str]]:
        """Honoured, and wider than asked."""
        return [(c, said) for c, said in self._counted if is_honoured(c, said) and not is_exact(c, said)]

    @property
    def other_misses(self) -> list[tuple[Case, str]]:
        """Starts and helps that were not understood, and ordinary talk taken for one."""
        return [
            (c, said)
            for c, said in self._counted
            if not c.is_revocation and not said.startswith("stop") and said != c.expect
        ]

    @property
    def _counted(self) -> list[tuple[Case, str]]:
        return self.of("plain", "typo", "indirect", "near")


def score(folder: Path) -> Score:
    """Read every phrase of a set."""
    return Score([(case, read(case)) for case in load(folder)])
