"""The customer's car out of a text: year, make, model and the body style that prices depend on."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from agent.playbook.cars import Catalogue, catalogue, squeeze
from agent.playbook.clauses import segments
from agent.playbook.text import closest, plain

_YEAR = re.compile(r"(?<![\d$/:.-])(19[6-9]\d|20[0-3]\d)(?![\d/:-])|(?<!\w)'(\d{2})\b")
_OWNED = r"(?:my|our|an?|the|her|his|have|got|drive|drives|own|for|on|it's|its)\s+(?:\w+\s+)?"
_STILL = re.compile(
    r"\bpick[ -]?(?:it |her |him |the car |me )?up (?:my|the|it|at|on|around|by|time|when|from)\b|\bdrop[- ]?off\b"
)
_HAVING = r"my|our|her|his|(?:drive|have|got|do|for|tint) an?|tengo una?|mi|es una?"
_SHORT_BEFORE = re.compile(r"(?<![\d$:/.-])(\d\d) (?:\w+ )?$")
_SHORT_AFTER = re.compile(r"^ (?:del? (?:el )?|anio |ano )?'?(\d\d)(?=\W*$|[,;.] )")
_OLDEST_SHORT, _NEWEST_SHORT = 85, 28
_NOT_THIS = re.compile(r"\bnot (?:for )?(?:the |my |an? )?[\w-]+|\bno (?:es )?(?:el |la |mi |un |una )[\w-]+")


@dataclass(frozen=True)
class Vehicle:
    """What is known of a car. `body_style` is one of coupe, sedan, hatchback, suv, truck, van, wagon."""

    year: int | None = None
    make: str | None = None
    model: str | None = None
    body_style: str | None = None
    style_said: bool = False
    """Whether the customer named the style; a guessed one is not stored as theirs."""

    def __bool__(self) -> bool:
        return bool(self.make or self.model or self.body_style)

    @property
    def name(self) -> str:
        """ "2021 Honda Civic", or "" when only the style is known."""
        if not self.make and not self.model:
            return ""
        return " ".join(str(part) for part in (self.year, self.make, self.model) if part)

    def over(self, older: Vehicle) -> Vehicle:
        """This newer knowledge on top of what was known: another car replaces it, a detail completes it."""
        other_car = bool(self.make and older.make and self.make.lower() != older.make.lower()) or bool(
            self.model and older.model and self.model.lower() != older.model.lower()
        )
        if other_car:
            return self
        style = self.body_style if not self.model or not older.body_style else older.body_style
        return Vehicle(
            self.year or older.year,
            self.make or older.make,
            self.model or older.model,
            self.body_style if self.style_said else style or older.body_style,
            self.style_said or older.style_said,
        )


def read_vehicle(text: str, *, asked: bool = False) -> Vehicle | None:
    """The car a text speaks of, or None; of several, the one that is named first. `asked` says that the question before
    was about the car, which makes everyday words ("focus", "pilot") and typos ("civc") readable as models. A correction
    ("sorry, a 2022") goes over what it corrects. Never raises."""
    cars = read_vehicles(text, asked=asked)
    return cars[0] if cars else None


@functools.lru_cache(maxsize=256)
def read_vehicles(text: str, *, asked: bool = False) -> tuple[Vehicle, ...]:
    """Every car a text speaks of, up to three, in its order. Never raises."""
    pieces = segments(_NOT_THIS.sub(" ", _STILL.sub(" ", plain(text))))
    if len(pieces) == 1:
        return _all_in(pieces[0].text, asked)
    known: Vehicle | None = None
    for piece in pieces:
        found = _first_in(piece.text, asked or known is not None)
        if found is None and known is not None and (year := _year(piece.text)):
            found = (Vehicle(year), "")
        if found:
            known = found[0].over(known) if known else found[0]
    return (known,) if known else ()


def _all_in(said: str, asked: bool) -> tuple[Vehicle, ...]:
    found: list[tuple[int, Vehicle]] = []
    place_of, rest = squeeze(said), said
    while len(found) < 3 and (one := _first_in(rest, asked)):
        car, words = one
        if found and not car.model:
            break
        found.append((place_of.find(words), car))
        if not words:
            break
        rest = _without(car, words, rest)
    if len(found) > 1 and all(car.year == found[0][1].year for _, car in found[1:]):
        found = [(place, _dated(car, place_of, place)) for place, car in found]
    return tuple(car for _, car in sorted(found, key=lambda entry: entry[0]))


def _without(car: Vehicle, words: str, said: str) -> str:
    """The text without the car's model and make, so that another one is found in it."""
    rest = squeeze(said).replace(words, " ", 1)
    make = "|".join(re.escape(name) for name, title in catalogue().makes.items() if title == car.make)
    return re.sub(rf"\b(?:{make})\b", " ", rest) if make else rest


def _dated(car: Vehicle, said: str, place: int) -> Vehicle:
    """Of several cars, each has the year that stands just before it."""
    near = list(_YEAR.finditer(said[:place]))
    close = near and place - near[-1].end() < 16
    return replace(car, year=_year(near[-1].group()) if close else None)


def _first_in(said: str, asked: bool) -> tuple[Vehicle, str] | None:
    """A car and the words its model was found by, "" for a car without one."""
    book = catalogue()
    year = _year(said)
    make = _make(said, book, fuzzy=asked or year is not None)
    model = _model(said, book, make, sure=asked or year is not None)
    style = next(
        (
            found
            for word, found in book.styles.items()
            if word in said and re.search(rf"\b{re.escape(word)}\b", said)
        ),
        None,
    )
    if model:
        (listed_make, name, usual), words = model
        year = year or _short_year(squeeze(said), words)
        return Vehicle(year, _wider(make, listed_make), name, style or usual, style is not None), words
    if make or style:
        return Vehicle(year, make, None, style, style is not None), ""
    return None


def _wider(make: str | None, listed: str) -> str:
    """The make that was said; a Ram 1500 is called a Dodge by half of its owners."""
    return listed if make == "Dodge" and listed == "Ram" else make or listed


def _short_year(squeezed: str, words: str) -> int | None:
    """ "21 civic", "tlx 15": two digits right beside the model."""
    if not words or words not in squeezed:
        return None
    place = squeezed.index(words)
    m = re.fullmatch(r"[a-z]{3}(\d\d)", words) if words not in catalogue().models else None
    m = m or _SHORT_BEFORE.search(squeezed[:place]) or _SHORT_AFTER.search(squeezed[place + len(words) :])
    two = int(m.group(1)) if m else 50
    if _NEWEST_SHORT < two < _OLDEST_SHORT:
        return None
    return 2000 + two if two <= _NEWEST_SHORT else 1900 + two


def without_car_numbers(said: str) -> str:
    """Plain text without the numbers of a car ("2021", "ram 1500", "mazda 3", "3 series"), which are no times."""
    rest = _numbers().sub(" ", said)
    short = {car.year % 100 for car in read_vehicles(said) if car.year and str(car.year) not in said}
    for year in short:
        rest = re.sub(rf"(?<![\d$:/.-])'?{year:02d}\b(?! ?[ap]m)(?![:/%])", " ", rest, count=1)
    return rest


@functools.cache
def _numbers() -> re.Pattern[str]:
    makes = "|".join(re.escape(make) for make in catalogue().makes)
    return re.compile(
        rf"(?<![\d$/:.@-])(?:19[6-9]\d|20[0-4]\d)(?![\d/:-])|\b(?:{makes}|model|cx|mx|ev|id|ioniq|polestar|silverado|sierra|"
        r"f|q|x|rx|nx|gx|es|is|gs|ls|qx|xc|gv|g|cls?|gl[abces]|transit|promaster)[ -]?\d{1,4}[a-z]?\b(?! ?[ap]m)|"
        r"\b[1-8] series\b|\b4 ?runner\b|'\d\d\b(?= [a-z])"
    )


def read_year(text: str) -> int | None:
    """A model year, which alone says too little to be a vehicle but completes one."""
    return _year(plain(text))


def _year(said: str) -> int | None:
    if m := _YEAR.search(said):
        if m.group(1):
            return int(m.group(1))
        two = int(m.group(2))
        return 2000 + two if two < 40 else 1900 + two
    return None


def _make(said: str, book: Catalogue, *, fuzzy: bool) -> str | None:
    for word, make in book.makes.items():
        if (
            word in said
            and re.search(rf"\b{re.escape(word)}s?\b", said)
            and _is_make(word, said, book, fuzzy)
        ):
            return make
    if fuzzy:
        for word in re.findall(r"[a-z]{5,}", said):
            if found := closest(word, book.makes):
                return book.makes[found]
    return None


def _is_make(word: str, said: str, book: Catalogue, sure: bool) -> bool:
    if word not in book.everyday or sure or re.search(rf"\b{_OWNED}{re.escape(word)}\b", said):
        return True
    after = re.search(rf"\b{re.escape(word)} ([\w-]+)", said)
    return bool(after and book.models.get(after.group(1), ("",))[0] == book.makes[word])


def _model(
    said: str, book: Catalogue, make: str | None, *, sure: bool
) -> tuple[tuple[str, str, str], str] | None:
    squeezed = squeeze(said)
    for key, entry in book.models.items():
        # The plain look first: compiling a pattern for each of 500 models would cost a tenth of a second.
        if key not in squeezed:
            continue
        fits_make = make is not None and _same_make(make, entry[0])
        if make and not fits_make:
            continue
        if (key not in book.everyday and len(key) > 2) or fits_make:
            trim = r"(?:\d{2,3}\w?)?" if key.isalpha() and len(key) <= 3 else ""
            if m := re.search(rf"(?<![\w$/]){re.escape(key)}{trim}s?(?![\w/%])", squeezed):
                return entry, m.group()
            continue
        if (sure and not key.isdigit() and len(key) > 2 and _holds(key, squeezed)) or (
            len(key) > 3 and re.search(rf"\b(?:{_HAVING})\s+{re.escape(key)}\b", squeezed)
        ):
            return entry, key
    return _fuzzy_model(squeezed, book, make) if sure or make else None


def _same_make(said: str, listed: str) -> bool:
    return said.lower() == listed.lower() or (said == "Dodge" and listed == "Ram")


def _holds(key: str, squeezed: str) -> bool:
    return bool(re.search(rf"(?<![\w$/]){re.escape(key)}(?![\w/%])", squeezed))


def _fuzzy_model(squeezed: str, book: Catalogue, make: str | None) -> tuple[tuple[str, str, str], str] | None:
    keys = [
        k for k, (m, _, _) in book.models.items() if len(k) > 3 and (not make or m.lower() == make.lower())
    ]
    for word in re.findall(r"[a-z0-9]{4,}", squeezed):
        if word.isalpha() and (found := closest(word, keys, least=0.85)):
            return book.models[found], word
    return None
