"""How well what people write about consent is understood: a labelled set that is tuned on, and one that never was.

The figures of both, and the misses of the first, are written to build/consent_set.txt.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.consent_scoring import KINDS, LABELS, TESTS, TUNED, UNSEEN, Case, Score, load, score

REPORT = TESTS.parent / "build" / "consent_set.txt"
# What ordinary talk taken for a stop may cost at most.
LEAST_PRECISION = 0.95
# The first reading of the unseen set: of 68 revocations 64 were honoured (0.941), of 70 readings as a revocation 64 were
# right (0.914). The floor is loose, because a set that is never tuned on can only say that nothing fell apart.
LEAST_UNSEEN = 0.85


@pytest.fixture(scope="module")
def tuned() -> Score:
    return score(TUNED)


@pytest.fixture(scope="module")
def unseen() -> Score:
    return score(UNSEEN)


def told(pairs: list[tuple[Case, str]]) -> str:
    """The phrases of a list, one a line, with what was meant and what was understood."""
    return "\n".join(
        f"  {case.text!r} ({case.channel}{', booked' if case.booked else ''}): {case.expect}, read as {said}"
        for case, said in pairs
    )


def figures(name: str, result: Score) -> str:
    """The figures of one set, without its phrases."""
    kinds = Counter(case.kind for case, _ in result.read)
    recalls = "".join(
        f"  recall {kind}: {result.recall(kind):.4f} ({len(result.missed(kind))} missed)\n"
        for kind in ("plain", "typo", "indirect")
        if kinds[kind]
    )
    return (
        f"{name}: {len(result.read)} phrases ({', '.join(f'{kinds[kind]} {kind}' for kind in KINDS)})\n{recalls}"
        f"  precision: {result.precision:.4f} ({len(result.false_stops)} false stops)\n"
        f"  false starts: {len(result.false_starts)}, wider than asked: {len(result.inexact)},"
        f" start or help missed: {len(result.other_misses)}\n"
    )


def test_the_tuned_set_is_whole() -> None:
    cases = load(TUNED)
    assert len(cases) >= 1000
    assert {case.kind for case in cases} == set(KINDS)
    assert {case.expect for case in cases} == set(LABELS)
    ways = {(case.channel, case.language) for case in cases}
    assert ways >= {("sms", "en"), ("sms", "es"), ("email", "en")}


def test_the_unseen_set_is_half_revocations_and_half_near_misses() -> None:
    cases = load(UNSEEN)
    assert len(cases) >= 120
    assert {case.kind for case in cases} == {"plain", "near"}
    assert 0.45 <= sum(case.is_revocation for case in cases) / len(cases) <= 0.55
    assert {case.language for case in cases} == {"en", "es"}


def test_no_phrase_stands_twice_and_near_misses_say_nothing() -> None:
    cases = [*load(TUNED), *load(UNSEEN)]
    assert {case.expect for case in cases if case.kind == "near"} == {"none"}
    keys = Counter((case.text, case.channel, case.booked) for case in cases)
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_plain_revocation_is_understood(tuned: Score) -> None:
    missed = tuned.missed("plain")
    assert missed == [], f"{len(missed)} plain revocations were not honoured:\n{told(missed)}"


def test_ordinary_talk_is_not_a_stop(tuned: Score) -> None:
    assert tuned.precision >= LEAST_PRECISION, told(tuned.false_stops)


def test_a_wish_for_certain_hours_is_no_stop(tuned: Score) -> None:
    wrong = [(case, said) for case, said in tuned.false_stops if case.subject == "hours"]
    assert wrong == [], told(wrong)


def test_nothing_else_is_a_start(tuned: Score, unseen: Score) -> None:
    assert tuned.false_starts == []
    assert unseen.false_starts == []


def test_the_words_of_strangers_are_understood_nearly_as_well(unseen: Score) -> None:
    # No phrase is shown here: who sees the misses is tempted to mend them, and then nothing is unseen any more.
    assert unseen.recall("plain") >= LEAST_UNSEEN
    assert unseen.precision >= LEAST_UNSEEN


def test_the_figures_are_written_down(tuned: Score, unseen: Score) -> None:
    lists = {
        "plain revocations missed": tuned.missed("plain"),
        "mistyped revocations missed": tuned.missed("typo"),
        "indirect revocations missed": tuned.missed("indirect"),
        "false stops": tuned.false_stops,
        "wider than asked": tuned.inexact,
        "start or help missed": tuned.other_misses,
        "doubtful": tuned.of("doubtful"),
    }
    parts = [figures("tuned set", tuned), figures("unseen set", unseen)]
    text = (
        "\n".join(parts + [f"{title}:\n{told(pairs) or '  none'}" for title, pairs in lists.items()]) + "\n"
    )
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text, encoding="utf-8")
    print("\n" + "\n".join(parts))
    unnamed = [case.text for case, _ in unseen.read if len(case.text) > 12]
    assert [words for words in unnamed if f"  {words!r}" in text] == [], "the unseen set stays unseen"
