"""Conversations in Spanish on the tiny shop. Each reply of each goes through the check (playbook_shop.TinyShop.hear)."""

from __future__ import annotations

import pytest

from agent.language import language_of
from agent.playbook.lines import line, moment, named_in
from agent.playbook.tables import tables
from agent.playbook.text import gsm
from tests.unit.playbook_shop import CIVIC, TinyShop

# Each: what is known of the customer, then (text, words of the answer) in turn, then whether a visit stands at the end.
Talk = tuple[dict[str, object], list[tuple[str, str]], bool]
CAR: dict[str, object] = {"vehicle": dict(CIVIC)}
TALKS: dict[str, Talk] = {
    "price, film, time": (
        {},
        [
            ("hola, cuanto cuesta el polarizado?", "¿De qué año, marca y modelo es su auto?"),
            ("es un honda civic 2021", "¿Cual le gustaria?"),
            ("el de ceramica", "cuesta $449"),
            ("la primera por favor", "Su cita esta agendada: mar, 24 nov a las 9:00 AM"),
            ("gracias", "Nos vemos el mar, 24 nov"),
        ],
        True,
    ),
    "all in one text": (
        {},
        [
            ("quiero polarizar mi Civic 2020 con ceramica el viernes por la mañana", "vie, 27 nov a las 9:00 AM"),
            ("a las 10 me queda bien", "vie, 27 nov a las 10:00 AM"),
        ],
        True,
    ),
    "one time, yes": (
        {},
        [
            ("necesito cambio de aceite para mi camry 2019 el sabado a las 9", "¿Quiere que se la agende?"),
            ("si", "Su cita esta agendada"),
        ],
        True,
    ),
    "moved": (
        CAR,
        [
            ("cambio de aceite el viernes a las 10", "¿Quiere que se la agende?"),
            ("si, por favor", "agendada"),
            ("puedo cambiar mi cita para el sabado?", "Puedo mover su cita del vie, 27 nov"),
            ("la ultima", "Su cita ahora es el sab, 28 nov a las 11:00 AM"),
        ],
        True,
    ),
    "cancelled": (
        CAR,
        [
            ("cambio de aceite el viernes a las 10", "¿Quiere que se la agende?"),
            ("si", "agendada"),
            ("quiero cancelar mi cita", "¿Quiere que cancele su cita del vie, 27 nov a las 10:00 AM?"),
            ("si por favor", "esta cancelada"),
        ],
        False,
    ),
    "not cancelled": (
        CAR,
        [
            ("cambio de aceite el viernes a las 10", "¿Quiere que se la agende?"),
            ("si", "agendada"),
            ("cancele mi cita", "¿Quiere que cancele"),
            ("no, mejor no", "queda como esta"),
        ],
        True,
    ),
    "other times": (
        CAR,
        [
            ("cambio de aceite el viernes por la mañana", "vie, 27 nov"),
            ("ninguna me queda bien", "¿Qué dia y a qué hora le queda mejor?"),
            ("el lunes despues de las 2", "lun, 30 nov a las 2:00 PM"),
            ("la primera", "agendada"),
        ],
        True,
    ),
    "corrected": (
        CAR,
        [
            ("cambio de aceite el viernes por la mañana", "vie, 27 nov"),
            ("mejor a las 3 de la tarde", "vie, 27 nov a las 3:00 PM"),
            ("si", "vie, 27 nov a las 3:00 PM"),
        ],
        True,
    ),
    "a day in doubt": (
        CAR,
        [
            ("cambio de aceite el viernes 28 de noviembre", "El dia 28 cae en sabado. ¿Qué dia quiere decir?"),
            ("el sabado", "sab, 28 nov a las 9:00 AM"),
            ("la primera", "agendada"),
        ],
        True,
    ),
    "two jobs": (
        CAR,
        [
            ("cuanto cuesta cambio de aceite y polarizar el parabrisas", "$338.50 en total"),
            ("la segunda", "para Windshield tint y Oil change"),
        ],
        True,
    ),
    "hours and place": (
        {},
        [
            ("a que hora abren el sabado?", "El sab, 28 nov abrimos de 9:00 AM a 2:00 PM."),
            ("cual es su horario?", "lun-vie 9:00 AM-6:00 PM; sab 9:00 AM-2:00 PM; dom cerrado"),
            ("y donde estan ubicados?", "North Tint esta en 1 Main St, Chicago, IL."),
            ("abren los domingos?", "estamos cerrados"),
        ],
        False,
    ),
    "later": (
        CAR,
        [
            ("cuanto cuesta el cambio de aceite?", "$89.50"),
            ("ahorita no, escribame en dos semanas", "le vuelvo a escribir entonces"),
        ],
        False,
    ),
    "asked for spanish": (
        {},
        [
            ("do you speak spanish?", "con gusto le atiendo en español"),
            ("que servicios tienen?", "Hacemos tint, maintenance y ppf."),
        ],
        False,
    ),
    "robot": (
        {},
        [
            ("eres un robot?", "soy el asistente automatizado de North Tint, no una persona"),
            ("si", "una persona le va a responder"),
        ],
        False,
    ),
    "not interested": (
        {},
        [("no me interesa, gracias", "Responda STOP"), ("ok", "Escriba aqui cuando nos necesite")],
        False,
    ),
    "not understood": ({}, [("hola, xqz blargh de la fnord", "")], False),
    "two languages": (
        CAR,
        [
            ("how much is an oil change?", "Oil change is $89.50"),
            ("tienen algo el viernes por la mañana?", "Tengo vie, 27 nov"),
            ("la primera por favor", "agendada"),
        ],
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TALKS)
def test_a_conversation_in_spanish(name: str) -> None:
    known, turns, booked = TALKS[name]
    shop = TinyShop(**known)  # type: ignore[arg-type]
    for text, words in turns:
        reply = shop.hear(text)
        assert words in reply, (text, reply)
        assert reply.count("?") <= 1, "one question at a time"
    assert (shop.appointment is not None) is booked
    assert shop.language == "es"
    assert len(shop.verdicts) == len(turns)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("quiero hablar con una persona", "asked_for_person"),
        ("pesimo servicio, quiero mi dinero de vuelta", "complaint"),
        ("me rayaron el carro", "damage_or_claim"),
        ("tienen algun descuento?", "price_question"),
        ("tienen garantia?", "out_of_scope"),
        ("quiero cancelar mi cita", "cannot_answer"),
    ],
)
def test_a_person_takes_over_in_spanish(text: str, reason: str) -> None:
    shop = TinyShop()
    reply = shop.hear(text)
    last = shop.calls[-1]
    assert (last.name, (last.arguments or {}).get("reason")) == ("hand_off", reason)
    assert "una persona le va a responder" in reply


@pytest.mark.parametrize(
    "text", ["pero cuanto cuesta?", "no puedo", "dejeme ver", "si, pero mas tarde", "no"]
)
def test_only_a_plain_yes_books_in_spanish(text: str) -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    assert "¿Quiere que se la agende?" in shop.hear("cambio de aceite el viernes a las 10")
    shop.hear(text)
    assert "book" not in shop.names()


def test_a_stop_in_spanish_is_stored_and_nothing_else() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    reply = shop.hear("no me escriban mas")
    assert shop.names() == ["opt_out"]
    assert "Ya no recibira mensajes" in reply


def test_without_tools_spanish_claims_nothing() -> None:
    for text in ("no me escriban mas", "quiero hablar con una persona", "cuanto cuesta el cambio de aceite?"):
        reply = TinyShop(
            broken=frozenset({"opt_out", "hand_off", "find_services"}), vehicle=dict(CIVIC)
        ).hear(text)
        assert "Ya pas" not in reply
        assert "Ya no recibir" not in reply


def test_an_email_in_spanish_keeps_its_accents() -> None:
    shop = TinyShop(channel="email", vehicle=dict(CIVIC), first_name="Dana")
    reply = shop.hear("Buenas tardes, cuánto cuesta el cambio de aceite?")
    assert reply.startswith("Hola Dana:\n\nLe escribe Ava, el asistente automatizado de North Tint.")
    assert "¿Cuál le queda bien?" in reply
    assert reply.endswith("Saludos,\nAva, asistente automatizado\nNorth Tint\n+13125550101")


def test_every_line_is_written_in_both_languages_with_the_same_values() -> None:
    for name, words in tables("lines").items():
        assert set(words) == {"en", "es"}, name
        slots = [sorted(part.split("}")[0] for part in text.split("{")[1:]) for text in words.values()]
        assert slots[0] == slots[1], name
    everything = " ".join(words["es"] for words in tables("lines").values())
    assert language_of(gsm(everything)) == "es"


@pytest.mark.parametrize(
    ("label", "spanish"),
    [
        ("Tue, Nov 24 at 9:00 AM", "mar, 24 nov a las 9:00 AM"),
        ("Sat, Jan 2 at 1:30 PM", "sáb, 2 ene a la 1:30 PM"),
        ("Wed, Dec 2 at 11:00 AM", "mié, 2 dic a las 11:00 AM"),
        (
            "drop off Fri, Nov 27 between 9:00 and 10:00 AM",
            "vie, 27 nov entre 9:00 y 10:00 AM (deja el auto)",
        ),
    ],
)
def test_a_label_has_one_spanish_form(label: str, spanish: str) -> None:
    assert moment(label, "es") == spanish
    assert moment(label, "en") == label
    assert named_in(f"Tengo {gsm(spanish)}.", label)
    assert not named_in(f"Tengo {gsm(spanish)}.", label.replace("2", "3"))


def test_a_missing_value_of_a_line_is_an_error() -> None:
    with pytest.raises(KeyError):
        line("booked", "es")
