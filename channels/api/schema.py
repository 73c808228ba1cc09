"""What a request may say, as types: they check it, and the OpenAPI document is made from them.

Lengths are counted as sent; blanks around a text do not count as words, and a text of blanks is none.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from crm.emails import normal_email
from crm.phones import e164
from crm.text import storable

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")
# Control characters have no place in a name, and line breaks are kept by the fields that may have them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MOST_FACTS = 30


def _tidy(text: str) -> str | None:
    return _CONTROL.sub("", storable(text)).strip() or None


def _phone(text: str) -> str | None:
    number = e164(text)
    if number is None and text.strip():
        raise PydanticCustomError(
            "phone", "is no phone number that exists; give it with its area code, like (312) 555-0150"
        )
    return number


def _email(text: str) -> str | None:
    address = normal_email(text)
    if address is None and text.strip():
        raise PydanticCustomError("email", "is no email address")
    return address


def _language(text: str) -> str | None:
    return text.strip().lower().partition("-")[0] or None


def _moment(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise PydanticCustomError("moment", "is no moment with a zone, like 2026-11-23T15:04:05Z")
    try:
        # Some write more digits of a second than the parser takes.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value).upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", "is no moment of the calendar") from None


Word = Annotated[StrictStr, StringConstraints(max_length=100), AfterValidator(_tidy)] | None
Phrase = Annotated[StrictStr, StringConstraints(max_length=200), AfterValidator(_tidy)] | None
Words = Annotated[StrictStr, StringConstraints(max_length=1000), AfterValidator(_tidy)] | None
Story = Annotated[StrictStr, StringConstraints(max_length=2000), AfterValidator(_tidy)] | None
Moment = Annotated[
    datetime | None,
    BeforeValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
FactName = Annotated[StrictStr, StringConstraints(min_length=1, max_length=60, pattern=r"[^\s]")]
FactText = Annotated[StrictStr, StringConstraints(max_length=500)]
FactNumber = Annotated[StrictInt, Field(ge=-(10**15), le=10**15)]
FactAmount = Annotated[StrictFloat, Field(ge=-(10.0**15), le=10.0**15, allow_inf_nan=False)]
Fact = FactText | StrictBool | FactNumber | FactAmount | None


class _Part(BaseModel):
    """A name nobody knows is a mistake, and is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CarIn(_Part):
    """The car it is about."""

    year: Annotated[StrictInt, Field(ge=1900, le=2100)] | None = None
    make: Word = None
    model: Word = None
    submodel: Word = None
    body_style: Literal["coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"] | None = None
    color: Word = None


class ConsentIn(_Part):
    """What the person agreed to. It counts only when `given` is true and `text` holds the words they agreed to."""

    given: StrictBool
    text: Annotated[Words, Field(description="The words beside the box they ticked, as they read them.")] = (
        None
    )
    at: Annotated[Moment, Field(description="When they agreed. None: now.")] = None
    ip: Annotated[Word, Field(description="Their address, as your server saw it.")] = None
    url: Annotated[Words, Field(description="The page they agreed on.")] = None


class ConsentsIn(_Part):
    """Consent by channel. Silence is none."""

    sms: ConsentIn | None = None
    email: ConsentIn | None = None


class UtmIn(_Part):
    """Where the visitor came from, in the usual five words."""

    source: Phrase = None
    medium: Phrase = None
    campaign: Phrase = None
    term: Phrase = None
    content: Phrase = None


_REACHABLE: list[JsonValue] = [
    {"required": [name], "properties": {name: {"type": "string", "pattern": r"\S"}}}
    for name in ("phone", "email")
]


class LeadIn(_Part):
    """A person who asked for something. A phone number or an email address is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"anyOf": _REACHABLE})

    location: Annotated[
        Word,
        Field(description="The shop's short name; needed when the key belongs to no single shop."),
    ] = None
    external_id: Annotated[
        Phrase, Field(description="Your own number of this enquiry. Told again, it is the same enquiry.")
    ] = None
    name: Annotated[Phrase, Field(description="The whole name, when it is in one field.")] = None
    first_name: Word = None
    last_name: Word = None
    phone: Annotated[StrictStr, StringConstraints(max_length=40), AfterValidator(_phone)] | None = None
    email: Annotated[StrictStr, StringConstraints(max_length=320), AfterValidator(_email)] | None = None
    postal_code: (
        Annotated[StrictStr, StringConstraints(pattern=r"^[0-9]{5}(-[0-9]{4})?$", max_length=10)] | None
    ) = None
    state: Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z]{2}$", max_length=2)] | None = None
    language: Annotated[
        Annotated[
            StrictStr,
            StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", max_length=30),
            AfterValidator(_language),
        ]
        | None,
        Field(description="In which language they asked: en, es, es-MX."),
    ] = None
    wish: Annotated[Story, Field(description="What they asked for, in their words.")] = None
    vehicle: CarIn | None = None
    source: Annotated[Word, Field(description="Which page, form or campaign of yours.")] = None
    page: Words = None
    referrer: Words = None
    utm: UtmIn | None = None
    facts: Annotated[
        dict[FactName, Fact],
        Field(max_length=MOST_FACTS, description="Your own fields. They are kept with the enquiry."),
    ] = {}
    consent: ConsentsIn | None = None
    made_at: Annotated[Moment, Field(description="When they asked. None: now.")] = None

    @model_validator(mode="after")
    def _reachable(self) -> LeadIn:
        if self.phone is None and self.email is None:
            raise PydanticCustomError("reachable", "a phone number or an email address is needed")
        return self

    def told(self) -> dict[str, Any]:
        """Everything that was said and has a place among the facts of the enquiry, without what has its own column."""
        parts: dict[str, Any] = {
            name: getattr(self, name) for name in ("source", "page", "referrer") if getattr(self, name)
        }
        if self.utm is not None and (utm := self.utm.model_dump(exclude_none=True)):
            parts["utm"] = utm
        own = {storable(name).strip(): _stored(value) for name, value in self.facts.items()}
        if own := {name: value for name, value in own.items() if name and value is not None}:
            parts["facts"] = own
        return parts


def _stored(value: Any) -> Any:
    return _tidy(value) if isinstance(value, str) else value
