"""What a template may say. Everything here is a fact at the moment of writing; nothing else is available."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from channels.templates.plain import plain_name, plain_words, short

Texts = dict[str, object]


@dataclass(frozen=True)
class Shop:
    """The shop as the customer knows it. `address` is the postal address the law wants in commercial
    email."""

    name: str
    address: str
    phone: str = ""
    hours: str = ""


@dataclass(frozen=True)
class ServiceLine:
    """One service that fits the request, as the catalogue has it. `price` None: a person must quote."""

    name: str
    price: str | None
    duration: str
    description: str = ""
    not_included: str = ""


@dataclass(frozen=True)
class Room:
    """How many characters foreign words may take. Nothing for the request or the car: they are not mentioned.
    Without `services` none is named: half the name of a service beside its price would be misleading."""

    request: int
    car: int
    shop: int
    name: int = 24
    services: bool = True


@dataclass(frozen=True)
class Variables:
    """Everything a template can be filled with.

    first_name, car, request: as the customer gave them, or None. services: fitting ones, best first. times:
    labels of offers that were really free a moment ago. facts: the owner's answers to common questions.
    first_text: no text went to this person yet, so the full introduction is due (messaging facts 3.4). about: what the
    customer asked to be written to about. unsubscribe: the link that ends these emails, or None. language: ISO 639-1; a
    template without that language is sent in English. visit: when the customer comes, in words of that language, for what
    belongs to an appointment; visit_confirmed: they have said that they will.
    """

    shop: Shop
    assistant: str = "the automated assistant"
    first_name: str | None = None
    car: str | None = None
    request: str | None = None
    services: tuple[ServiceLine, ...] = ()
    times: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    first_text: bool = True
    about: str | None = None
    language: str = "en"
    unsubscribe: str | None = None
    visit: str | None = None
    visit_confirmed: bool = False

    def as_texts(self, room: Room) -> Texts:
        """The names a template sees, every foreign word cleaned and cut to the room there is. `car` and
        `request` are never empty for lack of room, so that no template asks for what the customer has told
        us."""
        name, car, request = plain_name(self.first_name), plain_words(self.car), plain_words(self.request)
        about = plain_words(self.about)
        is_spanish = self.language == "es"
        name = short(name, room.name) if name else None
        car = short(car, room.car or 20) if car else None
        request = short(request, room.request or 20) if request else None
        return {
            "shop": replace(self.shop, name=short(self.shop.name, room.shop)),
            "assistant": short(disclosed(self.assistant, self.language), 48),
            "hi": " ".join(filter(None, ("Hola" if is_spanish else "Hi", name))),
            "first_name": name,
            "car": car,
            "your_car": _your_car(car, self.language),
            "request": request,
            "about": short(about, room.request) if about and room.request else None,
            "matter": _matter(car if room.car else None, request if room.request else None, self.language),
            "services": self.services if room.services else (),
            "times": self.times,
            "facts": self.facts,
            "first_text": self.first_text,
            "unsubscribe": self.unsubscribe,
            "visit": self.visit,
            "visit_confirmed": self.visit_confirmed,
        }


def disclosed(assistant: str, language: str = "en") -> str:
    """The assistant's name, always saying that it is none of the staff (messaging facts 3.5)."""
    if language == "es":
        # The words of the owner are English as a rule; a name of its own is kept.
        known = any(word in assistant.lower() for word in ("automated", "assistant", "virtual", "bot"))
        return "el asistente automatico" if known else f"{short(assistant, 20)}, el asistente automatico"
    says_so = any(word in assistant.lower() for word in ("automated", "ai assistant", "virtual", "bot"))
    bare = assistant.replace("the shop's", "the").strip()
    return bare if says_so else f"{short(bare, 20)}, the automated assistant"


def _your_car(car: str | None, language: str) -> str:
    if language == "es":
        return f"su {car}" if car else "su carro"
    return f"your {car}" if car else "your car"


def _matter(car: str | None, request: str | None, language: str) -> str:
    if language == "es":
        wish = f'su solicitud "{request}"' if request else "su solicitud"
        return f"{wish} para su {car}" if car else wish
    wish = f'your request "{request}"' if request else "your request"
    return f"{wish} for your {car}" if car else wish
