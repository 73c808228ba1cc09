"""The check against the labelled replies of tests/check_set and the held-out ones of tests/check_held_out: precision and
recall per kind, printed with every miss (build/check_set.txt, or -s)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.check_cases import FRESH, HELD_OUT, UNSEEN, load_cases
from tests.check_score import Report, score

OUTPUT = Path("build/check_set.txt")
KINDS = {
    "price", "date", "time", "duration", "address", "phone", "link", "discount", "warranty", "legality", "booking",
    "deed", "persona", "internals", "language", "length", "others",
}  # fmt: skip
# The kinds that cost money or a customer's day are held to everything; the rest just under what was measured.
CERTAIN = ("price", "time", "date", "booking")
RECALL, PRECISION = 0.99, 0.99
# When the check first saw the held-out replies it had 0.718 and 0.933; it has learned from them since.
HELD_OUT_RECALL, HELD_OUT_PRECISION = 0.97, 0.97
# Nobody has tuned on the unseen replies: this is what unusual words really get.
UNSEEN_RECALL, UNSEEN_PRECISION = 0.69, 0.93
# The fourth set's floors are what the check made of it at first sight, kind by kind; a rule made for all untraced
# answers, not for these replies, has since raised what it catches.
FLOORS: dict[str, dict[str, float]] = yaml.safe_load((FRESH / "floors.yaml").read_text(encoding="utf-8"))
# That rule cost five more true replies: 0.945 at first sight, and just under what was measured with it.
FRESH_PRECISION = 0.93


@pytest.fixture(scope="module")
def reports() -> tuple[Report, ...]:
    """The scores of the four sets, once for all tests of this file."""
    sets = {"the labelled set": load_cases(), "held out": load_cases(HELD_OUT), "unseen": load_cases(UNSEEN)}
    found = tuple(score(cases) for cases in (*sets.values(), load_cases(FRESH)))
    text = "\n".join(f"{name}\n{one.table()}" for name, one in zip((*sets, "fresh"), found, strict=True))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(text, encoding="utf-8")
    print(f"\n{text}")
    return found


def test_the_set_is_large_and_has_every_kind_in_both_languages() -> None:
    cases = load_cases()
    good = [case for case in cases if not case.expect]
    assert len(cases) >= 300
    # An audit of untrue replies is part of it, so most are untrue; the true ones still number hundreds.
    assert 0.25 <= len(good) / len(cases) <= 0.6
    assert len(good) >= 300
    assert {kind for case in cases for kind in case.expect} == KINDS
    assert sum(case.evidence.language == "es" for case in cases) >= 100


def test_no_reply_is_labelled_twice() -> None:
    cases = [*load_cases(), *load_cases(HELD_OUT), *load_cases(UNSEEN), *load_cases(FRESH)]
    labelled = {(case.reply, case.situation, case.evidence.customer_words) for case in cases}
    assert len(labelled) == len(cases)


def test_what_is_false_does_not_leave(reports: tuple[Report, ...]) -> None:
    report = reports[0]
    assert report.total.recall >= RECALL
    assert {
        one.kind: one.caught for one in report.kinds if one.kind in CERTAIN and one.caught < one.bad
    } == {}


def test_what_is_true_is_not_held_up(reports: tuple[Report, ...]) -> None:
    assert reports[0].total.precision >= PRECISION


def test_the_check_holds_on_the_held_out_replies(reports: tuple[Report, ...]) -> None:
    assert reports[1].total.recall >= HELD_OUT_RECALL
    assert reports[1].total.precision >= HELD_OUT_PRECISION


def test_unusual_words_that_nobody_tuned_on(reports: tuple[Report, ...]) -> None:
    assert reports[2].total.recall >= UNSEEN_RECALL
    assert reports[2].total.precision >= UNSEEN_PRECISION


def test_the_fresh_set_is_large_and_names_a_floor_for_every_kind() -> None:
    cases = load_cases(FRESH)
    bad = [case for case in cases if case.expect]
    assert len(bad) >= 200
    assert len(cases) - len(bad) >= 100
    assert {case.expect[0] for case in bad} | {"all"} == set(FLOORS)


def test_fresh_replies_are_judged_no_worse_than_at_first_sight(reports: tuple[Report, ...]) -> None:
    got = {one.kind: one for one in (reports[3].total, *reports[3].kinds)}
    worse = {kind: got[kind].recall for kind, floor in FLOORS.items() if got[kind].recall < floor["recall"]}
    assert worse == {}
    assert reports[3].total.precision >= FRESH_PRECISION
