"""Which arm a conversation gets, and what is wrong with a planned experiment."""

from __future__ import annotations

from collections import Counter

import pytest

from cli.errors import CliError
from cli.experiment import an_arm, as_now
from crm.experiments.arms import ArmSpec, faults_of, pick, stored_arms
from crm.experiments.outcomes import Answer, failed_over
from crm.tenants import TenantSettings
from ops.settings import Settings

A, B = ArmSpec("a", provider="claude"), ArmSpec("b", provider="openai", weight=3)
PROVIDERS = ("claude", "openai", "playbook")


def test_the_same_conversation_gets_the_same_arm_for_good() -> None:
    # Written down, because another hash would move every conversation of a running experiment.
    assert [pick("one", number, (A, B)).name for number in range(12)] == list("abbaaabbbbbb")
    assert [pick("two", number, (A, B)).name for number in range(12)] == list("abbbbbbbbbab")


def test_the_weights_are_kept() -> None:
    counts = Counter(pick("shares", number, (A, B)).name for number in range(20_000))
    assert counts["b"] / 20_000 == pytest.approx(0.75, abs=0.01)


def test_two_experiments_mix_the_conversations_anew() -> None:
    even = (ArmSpec("a"), ArmSpec("b"))
    both = Counter((pick("one", n, even).name, pick("two", n, even).name) for n in range(20_000))
    assert all(count == pytest.approx(5000, rel=0.06) for count in both.values())
    assert len(both) == 4


def test_an_arm_is_stored_and_read_back() -> None:
    arms = (A, ArmSpec("c", 2, "openai", "gpt-6-luna", 4))
    assert stored_arms([{**arm.as_json(), "later": 1} for arm in arms]) == arms
    assert A.as_json() == {"name": "a", "weight": 1, "provider": "claude"}
    assert arms[1].what() == "openai/gpt-6-luna, policy 4"
    assert ArmSpec("x").what() == "the configured model"


@pytest.mark.parametrize(
    ("arms", "fault"),
    [
        ([A], "an experiment has two to 5 arms, this one has 1"),
        ([A, ArmSpec("a", provider="openai")], "there are two arms 'a'"),
        ([A, ArmSpec("b", provider="claude")], "arms 'a' and 'b' do not differ: both are claude"),
        ([A, ArmSpec("b", provider="gemini")], "names the unknown provider 'gemini'; there is claude, openai, playbook"),
        ([A, ArmSpec("b", model="gpt-6-luna")], "arm 'b' names a model without its provider"),
        ([A, ArmSpec("b", provider="playbook", model="x")], "arm 'b': the playbook has no model to choose"),
        ([A, ArmSpec("b", policy_version=9)], "policy version 9, which does not exist; there is 1, 3"),
        ([A, ArmSpec("b", weight=0, policy_version=1)], "the weight of arm 'b' is 0; use 1 to 1000"),
        ([A, ArmSpec("B b", policy_version=1)], "'B b' is no name of an arm"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(arms: list[ArmSpec], fault: str) -> None:
    found = faults_of("fine", arms, providers=PROVIDERS, policies=(3, 1))
    assert [one for one in found if fault in one], found
    assert len(found) == 1


def test_everything_wrong_is_said_at_once_and_nothing_when_all_is_well() -> None:
    assert faults_of("fine", [A, B], providers=PROVIDERS, policies=()) == []
    found = faults_of("", [ArmSpec("b", 0, "gemini", None, 1)], providers=PROVIDERS, policies=())
    assert len(found) == 5
    assert any("there is none yet" in one for one in found)


def test_an_arm_as_it_is_typed() -> None:
    assert an_arm("large, provider=anthropic,model=claude-sonnet-5-5, policy=3,weight=2") == ArmSpec(
        "large", 2, "claude", "claude-sonnet-5-5", 3
    )
    assert an_arm("control") == ArmSpec("control")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("a,colour=red", "'colour=red' in arm 'a' is not understood: write KEY=VALUE with provider, model, policy, weight"),
        ("a,weight", "'weight' in arm 'a' is not understood"),
        ("a,policy=", "'policy=' in arm 'a' is not understood"),
        ("a,policy=three", "policy of arm 'a' is 'three'; it must be a whole number"),
        ("a,weight=-1", "weight of arm 'a' is '-1'"),
        ("a,weight=1,weight=2", "arm 'a' says weight twice"),
        ("a,model=gpt-6-luna", "arm 'a' names a model without its provider"),
    ],
)  # fmt: skip
def test_an_arm_typed_wrong_is_a_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(CliError) as refused:
        an_arm(typed)
    assert sentence in refused.value.message


def test_what_an_arm_leaves_open_is_written_down_as_it_is_now() -> None:
    settings = Settings(ai_provider="playbook", anthropic_model="claude-haiku-5-5", openai_model="gpt-6-luna")
    tenant = TenantSettings(ai_provider="claude", claude_model="claude-sonnet-5-5", policy_version=2)
    assert as_now(ArmSpec("a"), settings, tenant) == ArmSpec("a", 1, "claude", "claude-sonnet-5-5", 2)
    assert as_now(ArmSpec("a", provider="openai", policy_version=5), settings, tenant) == ArmSpec(
        "a", 1, "openai", "gpt-6-luna", 5
    )
    assert as_now(ArmSpec("a"), settings, TenantSettings()) == ArmSpec("a", 1, "playbook", None, None)


@pytest.mark.parametrize(
    ("attempts", "elsewhere"),
    [
        ([("claude", "haiku", True)], False),
        ([("claude", "haiku", False), ("claude", "haiku", True), ("claude", "haiku", True)], False),
        ([("claude", "haiku", False), ("openai", "luna", True)], True),
        # Switched in the middle of the turn: the first round was its own.
        ([("claude", "haiku", True), ("claude", "haiku", False), ("playbook", "playbook", True)], True),
        # An open breaker or a missing key leaves no failed attempt.
        ([("openai", "luna", True)], True),
        # A budget that stepped down to a smaller model.
        ([("claude", "tiny", True)], True),
        ([], False),
    ],
)
def test_an_answer_from_elsewhere_is_known(attempts: list[tuple[str, str, bool]], elsewhere: bool) -> None:
    arm = ArmSpec("a", provider="claude", model="haiku")
    assert failed_over(arm, Answer(1, "a", 10, 1.0, tuple(attempts))) is elsewhere


def test_an_arm_that_names_nothing_is_held_to_whom_it_asked_first() -> None:
    arm = ArmSpec("a")
    assert not failed_over(arm, Answer(1, "a", 10, 1.0, (("openai", "luna", True),)))
    compatible = ArmSpec("a", provider="openai", model="luna")
    assert not failed_over(compatible, Answer(1, "a", 10, 1.0, (("openai-compatible", "luna", True),)))
    assert failed_over(arm, Answer(1, "a", 10, 1.0, (("openai", "luna", False), ("claude", "haiku", True))))
