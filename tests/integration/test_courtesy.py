"""What a message says besides its words: who writes, that it is a machine, and how to make it stop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from channels.courtesy import dress, help_answer
from crm.db import Database
from crm.models import ChatSession, Lead, Location
from ops.clock import FixedClock
from ops.gsm import GSM_BASIC
from tests.conftest import Shop, World
from tests.integration.talking import change, message_of, put

RATES = "Msg & data rates may apply. Reply STOP to opt out, HELP for help"
MAIL = 'Reply "unsubscribe" to get no more mail from us.'
HELLO = f"Hi Dana, this is the shop's automated assistant at North Tint. {RATES}"


def dressed(
    db: Database, shop: Shop, clock: FixedClock, body: str, *, kind: str = "reply", channel: str = "sms"
) -> str:
    with db.tenant(shop.tenant_id) as session:
        chat = session.get_one(ChatSession, shop.session_id)
        lead, location = session.get_one(Lead, shop.lead_id), session.get_one(Location, shop.location_id)
        return dress(session, chat, lead, location, channel, kind, body, clock.now())


def sent(db: Database, shop: Shop, clock: FixedClock, days_ago: int, body: str, **values: Any) -> None:
    """A message that went out some days ago, with exactly these words."""
    at = clock.now() - timedelta(days=days_ago)
    message_id = put(db, shop, at, channel=values.pop("channel", "sms"))
    given = {"status": "sent", "kind": "reply", "body": body, "sent_at": at, **values}
    change(
        db,
        shop,
        f"update chat_messages set {', '.join(f'{key} = :{key}' for key in given)} where id = :id",
        id=message_id,
        **given,
    )


@pytest.mark.parametrize(
    ("body", "head", "tail"),
    [
        ("Which car is it?", "North Tint's automated assistant here. ", f" {RATES}"),
        ("Welcome to NORTH TINT!", "This is an automated assistant. ", f" {RATES}"),
        ("I am the automated assistant, which car is it?", "North Tint: ", f" {RATES}"),
        ("The automated assistant of North Tint here.", "", f" {RATES}"),
        ("This is an A.I. assistant at North Tint. Reply STOP to end", "", f" - {RATES}"),
        (HELLO, "", ""),
    ],
)
def test_the_first_text_says_who_writes_that_it_is_a_machine_and_how_to_stop(
    db: Database, world: World, clock: FixedClock, body: str, head: str, tail: str
) -> None:
    assert dressed(db, world.north, clock, body) == f"{head}{body}{tail}"


def test_it_is_said_in_spanish_to_who_speaks_it(db: Database, world: World, clock: FixedClock) -> None:
    change(db, world.north, "update leads set language = 'es' where id = :lead")
    text = dressed(db, world.north, clock, "¿Qué coche es?")
    assert text.startswith(
        "Le escribe el asistente automatizado de North Tint. ¿Qué coche es? Pueden aplicar"
    )
    assert text.endswith("Responda STOP para no recibir mensajes, HELP para ayuda")
    assert "HELP" not in dressed(db, world.north, clock, "¿Qué coche es?", channel="email")


@pytest.mark.parametrize("kind", ["consent", "notice"])
def test_answers_to_a_stop_are_left_as_they_are(
    db: Database, world: World, clock: FixedClock, kind: str
) -> None:
    assert dressed(db, world.north, clock, "You are unsubscribed.", kind=kind) == "You are unsubscribed."


def test_a_first_mail_has_its_lines_for_itself(db: Database, world: World, clock: FixedClock) -> None:
    text = dressed(db, world.north, clock, "Which car is it?\n", channel="email")
    assert text == f"North Tint's automated assistant here.\n\nWhich car is it?\n\n{MAIL}"
    footed = 'Automated mail of North Tint. Reply "unsubscribe" to stop.'
    assert dressed(db, world.north, clock, footed, channel="email") == footed
    sent(db, world.north, clock, 1, "Hello", channel="email")
    assert dressed(db, world.north, clock, "And when?", channel="email") == "And when?"


@pytest.mark.parametrize(
    ("earlier", "tail"),
    [
        ([(1, HELLO)], ""),
        ([(29, HELLO), (1, "Sure!")], ""),
        ([(30, HELLO), (1, "Sure!")], " Reply STOP to opt out"),
        ([(60, HELLO), (20, "Still here. Reply STOP to opt out")], ""),
        ([(1, "Hello from before there was any such line")], " Reply STOP to opt out"),
        ([(1, "There is a stopover")], " Reply STOP to opt out"),
    ],
)
def test_the_line_on_stop_comes_back_after_thirty_days(
    db: Database, world: World, clock: FixedClock, earlier: list[tuple[int, str]], tail: str
) -> None:
    for days_ago, body in earlier:
        sent(db, world.north, clock, days_ago, body)
    assert dressed(db, world.north, clock, "Which car is it?") == f"Which car is it?{tail}"
    assert dressed(db, world.north, clock, "Reply STOP to opt out") == "Reply STOP to opt out"


def test_the_shop_sets_how_often(db: Database, world: World, clock: FixedClock) -> None:
    change(db, world.north, "update tenants set settings = '{\"stop_line_every_days\": 7}'")
    sent(db, world.north, clock, 8, HELLO)
    assert dressed(db, world.north, clock, "Monday?") == "Monday? Reply STOP to opt out"


@pytest.mark.parametrize(
    "values",
    [{"status": "withheld"}, {"status": "dropped"}, {"status": "failed"}, {"status": "undelivered"},
     {"kind": "notice"}, {"kind": "consent"}, {"to_address": "+13125550188"}],
)  # fmt: skip
def test_what_the_person_never_saw_does_not_count(
    db: Database, world: World, clock: FixedClock, values: dict[str, str]
) -> None:
    sent(db, world.north, clock, 1, HELLO, **values)
    assert dressed(db, world.north, clock, "Hi").endswith(RATES)


def test_it_is_done_when_a_message_is_written(db: Database, world: World, clock: FixedClock) -> None:
    first = message_of(db, world.north, put(db, world.north, clock.now(), "Which car is it?")).body
    assert first == f"North Tint's automated assistant here. Which car is it? {RATES}"
    assert message_of(db, world.north, put(db, world.north, clock.now(), "And when?")).body == "And when?", (
        "the first one waits to be sent and says it"
    )


def test_help_names_the_shop_a_person_and_the_way_out(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as session:
        location, lead = session.get_one(Location, world.north.location_id), Lead(language="es")
        text = help_answer(location)
        assert (location.name in text, str(location.public_phone) in text, "STOP" in text) == (
            True,
            True,
            True,
        )
        assert "asistente" in help_answer(location, lead)
        assert "STOP" not in help_answer(location, None, "email")
        assert set(text) <= GSM_BASIC
