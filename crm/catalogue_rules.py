"""What a tenant says about a service catalogue that comes from outside: stored under `catalogue` in the connection's
settings, typed, and a key nobody knows is a mistake.

There are no regular expressions in it, on purpose: a pattern that an owner types must not be able to keep a worker busy
for hours. Names are compared word by word ("Ceramic - Sedan full" is ceramic, sedan, full), without regard to case and
punctuation; a pattern is words and `*` for any number of words, and matching one takes at most (words of the name) x
(words of the pattern) steps, because only the last `*` is ever tried anew.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

BodyStyle = Literal["coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"]
ByHand = Literal["until_changed", "keeps", "yields"]

_MARKS = frozenset({"film", "style", "item"})


def words_of(text: str) -> tuple[str, ...]:
    """The words of a name in lower case: runs of letters or digits, and "*" as one of its own."""
    return tuple(re.findall(r"[^\W_]+|\*", text.lower()))


def matches(pattern: str, words: tuple[str, ...]) -> bool:
    """Whether a whole name, given as its words, is what the pattern says. See the module for why it cannot run long."""
    parts = words_of(pattern)
    at = part = 0
    star, tried = -1, 0
    while at < len(words):
        if part < len(parts) and parts[part] == "*":
            star, tried, part = part, at, part + 1
        elif part < len(parts) and parts[part] == words[at]:
            at, part = at + 1, part + 1
        elif star >= 0:
            # The last star takes one word more; earlier ones need not be tried again.
            tried += 1
            at, part = tried, star + 1
        else:
            return False
    return all(one == "*" for one in parts[part:])


def _a_pattern(text: str) -> str:
    if not words_of(text):
        raise ValueError("must hold a word or *")
    return text


def _a_word(text: str) -> str:
    if not words_of(text) or "*" in text:
        raise ValueError("must be a word or several, without *")
    return text


def _a_template(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError("has a brace that is not closed") from error
    for _, mark, spec, conversion in parts:
        if mark is not None and (mark not in _MARKS or spec or conversion):
            raise ValueError(
                "may hold {film}, {style} and {item}, as they stand here and nothing else in braces"
            )
    return text


Pattern = Annotated[str, Field(max_length=120), AfterValidator(_a_pattern)]
Words = Annotated[str, Field(max_length=60), AfterValidator(_a_word)]
Template = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_a_template)]
Label = Annotated[str, Field(min_length=1, max_length=100)]
Category = Annotated[str, Field(min_length=1, max_length=60)]
Minutes = Annotated[int, Field(ge=5, le=1440 * 7)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceRule(_Strict):
    """What the items are that `match` (and carry one of `labels`, when there are any).

    `name` is what customers read: {film} and {style} are what the item's words say, {item} is its own name. An item that
    says no film where the name needs one cannot be read. `body_style`: a shape; "any": it fits every vehicle, whatever
    its name says; "named": only items that name a shape can be read; None: the shape it names, else every vehicle.
    `quoted` False: only a person names its price. `skip`: it is nothing we sell.
    """

    match: Pattern = "*"
    labels: tuple[Label, ...] = Field(default=(), max_length=50)
    name: Template | None = None
    category: Category | None = None
    body_style: BodyStyle | Literal["any", "named"] | None = None
    minutes: Minutes | None = None
    visit: Literal["wait", "drop_off"] | None = None
    description: str | None = Field(default=None, max_length=1000)
    not_included: str | None = Field(default=None, max_length=500)
    quoted: bool = True
    skip: bool = False


class CatalogueRules(_Strict):
    """Which items of an outside catalogue are ours, and how they are read.

    Names are compared by patterns, labels and categories as a whole. Empty lists let everything in. `services` are tried
    in order, the first one that fits counts. `body_styles` and `films` say by which words an item belongs to a shape or a
    film. An item of several shapes ("Coupe/Sedan") is one service for each. An item that names a vehicle which is no shape
    (`other_vehicles`), or a make or model (unless `car_names` is "ignore"), is left out: its price would be told to owners
    of other cars.

    `categories` maps labels to our categories; `category` is for what no label maps. `prices` "ours": prices are set by
    hand here and never taken over. `price` "before_tax" takes the tax off a total again, and `tax_note` then stands among
    what a price does not include. `default_minutes` is for items without labour hours. `drop_off_minutes`: from so much
    labour on the car is left. `by_hand`: what a person changed here stays until it changes there or in these rules
    ("until_changed"), for good ("keeps"), or until the next look ("yields").
    """

    only_bookable: bool = True
    include_names: tuple[Pattern, ...] = Field(default=(), max_length=200)
    exclude_names: tuple[Pattern, ...] = Field(default=(), max_length=200)
    include_labels: tuple[Label, ...] = Field(default=(), max_length=200)
    exclude_labels: tuple[Label, ...] = Field(default=(), max_length=200)
    include_categories: tuple[Category, ...] = Field(default=(), max_length=200)
    exclude_categories: tuple[Category, ...] = Field(default=(), max_length=200)
    services: tuple[ServiceRule, ...] = Field(default=(), max_length=200)
    body_styles: dict[BodyStyle, tuple[Words, ...]] = {
        "coupe": ("coupe", "2 door", "two door", "2dr"),
        "sedan": ("sedan", "4 door", "four door", "4dr"),
        "hatchback": ("hatchback", "hatch"),
        "suv": ("suv", "crossover"),
        "truck": ("truck", "pickup", "crew cab"),
        "van": ("van", "minivan"),
        "wagon": ("wagon",),
    }
    films: dict[Label, tuple[Words, ...]] = {
        "ceramic": ("ceramic",),
        "carbon": ("carbon",),
        "dyed": ("dyed", "standard"),
    }
    other_vehicles: tuple[Words, ...] = (
        "motorcycle", "boat", "trailer", "rv", "motorhome", "bus", "semi", "big rig", "tractor", "golf cart", "exotic",
    )  # fmt: skip
    car_names: Literal["refuse", "ignore"] = "refuse"
    categories: dict[Label, Category] = {}
    category: Category = "service"
    default_minutes: int = Field(default=60, ge=5, le=1440)
    drop_off_minutes: Minutes | None = None
    # Whether a total includes tax is not documented (shopmonkey facts 11).
    price: Literal["before_tax", "total"] = "before_tax"
    tax_note: str = Field(default="sales tax", max_length=100)
    prices: Literal["theirs", "ours"] = "theirs"
    by_hand: ByHand = "until_changed"

    @model_validator(mode="after")
    def _one_reading(self) -> CatalogueRules:
        """A word that means two shapes, or two films, would be decided by chance."""
        for group in (self.body_styles, self.films):
            seen: dict[tuple[str, ...], str] = {}
            for meaning, phrases in group.items():
                for phrase in phrases:
                    other = seen.setdefault(words_of(phrase), meaning)
                    if other != meaning:
                        raise ValueError(f"{phrase!r} cannot mean both {other} and {meaning}")
        return self
