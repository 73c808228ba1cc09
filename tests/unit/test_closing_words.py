"""Which words of a customer end their enquiry: labelled sentences in English and Spanish, read by the tool's own reader."""

from __future__ import annotations

import pytest

from agent.tools.closing_words import Closing, read_closing

CLOSES: dict[str, tuple[str, ...]] = {
    "found another shop": (
        "found someone else",
        "Found someone else, thanks",
        "we found another shop closer to home",
        "Hi, we went with another shop. Thanks for the quote!",
        "I'm going with another shop, they could do it sooner",
        "ended up going with someone else, have a great day",
        "Hey Mike, found somebody else.\nBest,\nDana",
        "We booked with another shop already",
        "Hello, just wanted to let you know that we found a cheaper place. Thank you for your time.",
        "Yes, I decided to go with a different company. They gave me a better price.",
        "found someone who could do it cheaper",
        "No thanks, I went elsewhere",
        "I'm all set, went with another shop thank you for reaching out",
        "We decided to go in a different direction",
        "ya encontré otro",
        "Ya encontré otro lugar, gracias",
        "encontramos otro taller más barato",
        "me fui con otro taller",
        "Buenas tardes, le aviso que ya conseguí a alguien más, gracias por todo",
    ),
    "already done": (
        "already got it done",
        "Thanks but I already got it done",
        "Already had it done last week at another shop",
        "got it tinted somewhere else",
        "thanks for following up but we ended up getting it done at a place near our house",
        "my cousin did it for me, thanks though",
        "ya lo hice en otro lado",
        "ya me lo hicieron",
        "Gracias, ya lo polaricé en otro taller",
    ),
    "no longer needed": (
        "No longer need it",
        "I no longer need it, thank you for your time",
        "we don't need it anymore",
        "I dont need the tint any more",
        "I won't be needing your services",
        "we're no longer in the market",
        "I decided not to do it",
        "We've decided against it. Sorry about that!",
        "ya no lo necesito",
        "Ya no lo necesito, gracias",
        "ya no necesito el servicio",
        "Disculpe, ya no lo vamos a hacer",
        "decidimos no hacerlo",
    ),
    "vehicle gone": (
        "Sold the car",
        "we sold the car",
        "sold my 2019 honda civic last week",
        "We sold our truck. Appreciate your help!",
        "I traded in the truck",
        "car got totaled",
        "vendí el carro",
        "ya vendí la troca",
        "ya no tengo el carro",
    ),
    "not interested": (
        "not interested anymore",
        "Not interested, thanks",
        "I'm no longer interested",
        "im not interested anymore sorry",
        "changed my mind, no longer interested",
        "no longer interested due to price",
        "ya no me interesa",
        "Ya no me interesa, muchas gracias",
        "ya no estoy interesado",
        "no me interesa, gracias",
    ),
    "too expensive": ("Too expensive, I'll pass", "it's out of our budget so we're going to pass"),
    "other": (
        "please close my request",
        "Can you please close my request?",
        "por favor cierre mi solicitud",
        "¿Puede cancelar mi cotización?",
    ),
}
BESIDE = (
    "found someone else, but what do you charge for a windshield?",
    "not interested in it anymore, can you do the wrap instead",
    "sold the civic and got a tesla, how much for that",
    "sold the car. need the new one tinted",
    "I found another shop, can you match their price",
    "found someone else. wait, never mind, friday works",
    "no longer need it, my wife wants hers done though",
    "I already got it done, the front is peeling",
    "I'll pass on the strip. not interested",
    "ya encontré otro pero cuánto cobran por el parabrisas?",
    "vendí el carro, ahora tengo otro y lo quiero polarizar",
    "ya no me interesa, mejor el martes",
    "ya no lo necesito el lunes. ya no lo necesito, pero el viernes sí",
)
OPEN = (
    "not interested in ceramic, what about carbon?",
    "I'm not interested in ceramic",
    "I found someone else's review",
    "I no longer need the front, just the sides",
    "changed my mind, make it Friday",
    "changed my mind",
    "do I still need an appointment?",
    "my husband no longer needs it but I do",
    "I haven't found someone else",
    "we have not found anyone else yet",
    "did you find someone else",
    "found someone else?",
    "not interested right now",
    "not interested at this time, maybe in spring",
    "I don't need it today",
    "I don't need it",
    "too expensive",
    "I'll pass",
    "I might go with someone else",
    "thinking about going with another shop",
    "if you can't do friday I'll go with someone else",
    "I'll go with someone else unless you match the price",
    "I no longer need the appointment on friday, can we do monday",
    "sold my old car, the new one needs tint",
    "already got it done on the front, now I need the back",
    "I already did it",
    "no thanks",
    "I found another shop that does it for $200, can you match?",
    "I found someone to drive me",
    "I'm interested",
    "someone else is bringing the car",
    "I went with another color",
    "cancel my appointment",
    "I no longer have the coupon",
    "no longer need a ride, see you friday",
    "I sold the tickets",
    "not getting it without a warranty",
    "found the shop",
    "my dad did it",
    "I had it done at your shop last year and it's peeling",
    "we're good thanks",
    "going with the first one",
    "no longer need it on monday",
    "I don't need it done until march",
    "me fui de viaje",
    "ya lo tengo",
    "voy a ir con otra persona",
    "ya no puedo el viernes",
    "ya no necesito el frente, solo los lados",
    "todavía no encontré otro",
    "no me interesa el cerámico, cuánto el carbono?",
    "¿ya no lo necesito?",
    "mi esposo ya no lo necesita pero yo sí",
    "encontré otro cupón",
    "ya lo hice",
    "cambié de opinión, mejor el viernes",
    "si no pueden el viernes me voy con otro",
    "ya no quiero la cita del lunes",
    "",
)
STOPS = (
    "stop texting me, I found someone else",
    "not interested, remove me from your list",
    "Stop, I sold the car",
    "no me escriban, ya no me interesa",
)


@pytest.mark.parametrize(("why", "words"), [(why, one) for why, rows in CLOSES.items() for one in rows])
def test_words_that_end_an_enquiry(why: str, words: str) -> None:
    assert read_closing([words]) == Closing("yes", why)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", OPEN)
def test_words_that_end_nothing(words: str) -> None:
    assert read_closing([words]).reading in ("no", "more")


@pytest.mark.parametrize("words", BESIDE)
def test_words_with_something_beside_them(words: str) -> None:
    assert read_closing([words]).reading == "more"


@pytest.mark.parametrize("words", STOPS)
def test_a_stop_is_another_thing(words: str) -> None:
    assert read_closing([words]).reading == "stop"


def test_several_messages_are_read_together() -> None:
    assert read_closing(["hi", "found someone else", "thanks!"]).reading == "yes"
    assert read_closing(["found someone else", "actually how much is a windshield?"]).reading == "more"
    assert read_closing(["not interested", "stop"]).reading == "stop"
    assert read_closing([]).reading == "no"


@pytest.mark.parametrize(
    "words",
    ["already " * 250, "thanks for " * 180, "found someone else that could do it " * 50, "que " * 500],
)
def test_a_text_of_one_thing_over_and_over_is_read_to_its_end(words: str) -> None:
    assert read_closing([words, "what about friday?"]).reading in ("no", "more")
