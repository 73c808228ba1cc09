"""Who answers here? The question is recognised, and its answer is true, whatever a model would say."""

from __future__ import annotations

import pytest

from agent.bot_question import admits_being_a_bot, asks_if_bot, asks_only_if_bot
from agent.check import Evidence, check_reply
from agent.fixed import line
from agent.models.base import ToolResult
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, dana
from tests.unit.turn_help import SAFE, Player, say

NOTHING_ELSE = [
    "are you a bot?", "r u a bot", "Are you a real person?", "are you human", "is this a bot?", "bot?",
    "Is this a real person or a bot", "am I talking to a robot?", "hi, are you a bot or a person?",
    "lol wait are you AI?", "are you a machine", "You a bot?", "is this automated", "are you real?",
    "is this an automated message?", "Are you even a real human being?", "is this chatgpt?", "real person?",
    "are you an actual person texting me", "Am I texting with a real person?", "are you an AI assistant?",
    "Quick question, are you a robot?", "¿Eres un robot?", "eres una persona real?", "¿es usted un bot?",
    "Hola, ¿estoy hablando con una persona?", "esto es un mensaje automático?", "eres humano o un bot?",
    "hablo con una máquina?", "eres una IA?",
]  # fmt: skip
SOMETHING_ELSE = [
    "are you a bot? how much for tint on a civic", "Are you human? I want to book Tuesday",
    "eres un bot? cuanto cuesta el polarizado", "are you a real person? can someone call me",
    "ok. are you a bot?", "Sí. ¿Eres un robot?", "si, eres un robot?", "please. are you a real person?", "ok you a bot?",
    "right, is this a bot?", "ok, is that a real person answering?", "that is right. are you a bot", "ok and are you a bot",
    "yes. are you a bot?", "claro. eres un bot?", "por favor. eres un robot?", "no. are you a bot?", "okay are you human?",
]  # fmt: skip
ANOTHER_QUESTION = [
    "can I talk to a real person", "how much for tint", "are you a real tint shop?", "are you open saturday",
    "is this the tint shop?", "Are you the person I talked to yesterday", "is this a ceramic film?",
    "quiero hablar con una persona", "is it a computer cut film?", "can a human call me", "I am human",
    "are you guys real busy today", "is this a good time?", "is that a 5 year warranty", "es un honda civic",
    "are you able to tint tomorrow", "do you use a computer to cut?", "I'm a real person lol", "ok",
]  # fmt: skip
BOT = line("bot", "en", shop="North Tint")


@pytest.fixture
def run(db: Database, world: World, clock: FixedClock) -> Player:
    return Player(add_turn(db, clock, dana(world.north), "are you a bot?"))


@pytest.mark.parametrize("words", NOTHING_ELSE)
def test_the_bare_question(words: str) -> None:
    assert asks_if_bot(words)
    assert asks_only_if_bot(words)


@pytest.mark.parametrize("words", SOMETHING_ELSE)
def test_the_question_beside_another(words: str) -> None:
    assert asks_if_bot(words)
    assert not asks_only_if_bot(words)


@pytest.mark.parametrize("words", ANOTHER_QUESTION)
def test_other_questions_are_left_to_the_model(words: str) -> None:
    assert not asks_if_bot(words)
    assert not asks_only_if_bot(words)


@pytest.mark.parametrize(
    ("reply", "admits"),
    [
        ("I'm an automated assistant. It is $449.", True),
        ("Yes, I'm a bot!", True),
        ("I am North Tint's AI assistant.", True),
        ("Soy un asistente virtual del taller.", True),
        ("Sí, soy un bot.", True),
        ("I'm not a bot, I'm an assistant here.", False),
        ("No soy un robot, soy asistente.", False),
        ("It is $449.", False),
        ("We use automated cutting.", False),
    ],
)
def test_what_admits_it(reply: str, admits: bool) -> None:
    assert admits_being_a_bot(reply) == admits


@pytest.mark.parametrize(("words", "language"), [("are you a bot?", "en"), ("¿eres un robot?", "es")])
def test_no_model_is_asked_who_answers(run: Player, words: str, language: str) -> None:
    result = run(words=words, facts={"language": language})
    assert result.reply == line("bot", language, shop="North Tint")
    assert (result.hand_off, result.attempts, result.provider, result.rounds) == (None, [], None, 0)
    assert [fact["source"] for fact in result.facts] == ["fixed answer"]


def test_the_truth_is_put_in_front_of_a_reply_without_it(run: Player) -> None:
    words = "are you a bot? which cars do you do"
    assert run(say("We do all cars."), words=words).reply == f"{BOT} We do all cars."
    honest = "I'm an automated assistant. We do all cars."
    assert run(say(honest), words=words).reply == honest


def test_a_denial_never_leaves(run: Player) -> None:
    lie = say("I'm a real person. We do all cars.")
    result = run(lie, lie, words="are you a bot? which cars do you do")
    assert result.reply == SAFE
    assert result.hand_off


@pytest.mark.parametrize("name", ["safe", "holding", "bot"])
@pytest.mark.parametrize("language", ["en", "es", "es-MX", "fr"])
def test_our_lines_name_the_shop_and_state_nothing_untrue(name: str, language: str) -> None:
    words = line(name, language, shop="North Tint")  # type: ignore[arg-type]
    assert "North Tint" in words
    assert len(words) <= 160, "one segment"
    assert admits_being_a_bot(words) == (name == "bot")
    # What these lines promise is done by whoever sends them: the turn asks for a hand-off.
    told = () if name == "bot" else (ToolResult("c", "hand_off", '{"handed_off": true}'),)
    evidence = Evidence(told, {"shop": {"name": "North Tint"}}, language=language[:2])
    kinds = {finding.kind for finding in check_reply(words, evidence).findings}
    assert kinds <= ({"language"} if language == "fr" else set())
