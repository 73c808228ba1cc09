"""Precision and recall of the check over a labelled set, per kind, and the list of what it missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.check import check_reply
from tests.check_cases import Case

# A wrong day with a right hour is one mistake, and so is a deed claimed: the check may call them by either name.
_FAMILIES = ({"time", "date"}, {"deed", "claim", "booking"})


@dataclass(frozen=True)
class Score:
    """One line of the table. `caught` bad replies did not leave, for whatever reason; `named` ones for the right one.
    `alarms` are good replies that were refused for this reason."""

    kind: str
    bad: int
    caught: int
    named: int
    alarms: int

    @property
    def recall(self) -> float:
        """Share of the bad replies that were caught for the right reason."""
        return self.named / self.bad if self.bad else 1.0

    @property
    def precision(self) -> float:
        """Of the replies refused for this reason, the share that was bad. A further reason on a bad reply is no
        mistake: labels name the main fault, not every one."""
        return self.named / (self.named + self.alarms) if self.named + self.alarms else 1.0


@dataclass(frozen=True)
class Report:
    """All lines, the whole set's first, and the misses as text."""

    total: Score
    kinds: tuple[Score, ...]
    misses: tuple[str, ...]

    def table(self) -> str:
        """The report as it is printed."""
        head = f"{'kind':12}{'bad':>5}{'caught':>8}{'named':>7}{'recall':>8}{'alarms':>8}{'precision':>11}"
        lines = [
            f"{one.kind:12}{one.bad:>5}{one.caught:>8}{one.named:>7}{one.recall:>8.3f}{one.alarms:>8}{one.precision:>11.3f}"
            for one in (self.total, *self.kinds)
        ]
        return "\n".join([head, *lines, "", f"{len(self.misses)} misses", *self.misses, ""])


def score(cases: Sequence[Case]) -> Report:
    """Run the check over `cases`."""
    bad, caught, named, alarms = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    refused_good, misses = 0, []
    for case in cases:
        found = {finding.kind for finding in check_reply(case.reply, case.evidence).findings}
        if not case.expect:
            alarms.update(found)
            refused_good += bool(found)
            if found:
                misses.append(_line("false alarm", ", ".join(sorted(found)), case))
            continue
        main = case.expect[0]
        bad[main] += 1
        caught[main] += bool(found)
        named[main] += bool(found & _alike(case.expect))
        if not found:
            misses.append(_line("missed", main, case))
        elif not found & _alike(case.expect):
            misses.append(_line(f"called {', '.join(sorted(found))}", main, case))
    lines = [Score(kind, bad[kind], caught[kind], named[kind], alarms[kind]) for kind in sorted(bad | alarms)]
    total = Score("all", bad.total(), caught.total(), caught.total(), refused_good)
    return Report(total, tuple(lines), tuple(misses))


def _alike(kinds: Sequence[str]) -> set[str]:
    """These kinds and those that count as the same."""
    return set(kinds).union(*(family for family in _FAMILIES if family & set(kinds)))


def _line(what: str, kind: str, case: Case) -> str:
    return f"  {what} [{kind}] {case.file}/{case.situation}: {case.reply!r}"
