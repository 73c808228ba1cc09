"""The small values of a tenant file, each read from the text that was written. Messages are for the file's author."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field

from crm.emails import normal_email
from crm.phones import e164
from crm.tenant_file.times import Stretches, a_stretch, a_time, stretches
from crm.text import storable

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHORT_CODE = re.compile(r"\d{5,6}")
_SECRET = re.compile(r"(env|file):(\S.*)")
_FACT = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,39}")
# As `leads facts` refuses them: prices come from the catalogue, and no other is ever said.
_AMOUNT = re.compile(r"[$€£]\s?\d|\b\d[\d,.]*\s?(?:dollars|bucks|usd)\b|\d\s?%\s?off\b", re.IGNORECASE)


def _slug(value: object) -> object:
    if not isinstance(value, str) or not _SLUG.fullmatch(value):
        raise ValueError("write a short name of small letters, digits and -, like lakeside-north")
    return value


def _line(value: object) -> object:
    return " ".join(storable(value).split()) if isinstance(value, str) else value


def _block(value: object) -> object:
    return storable(value).strip() if isinstance(value, str) else value


def _phone(value: object) -> object:
    if value is None:
        return None
    found = e164(value, "ZZ") if isinstance(value, str) else None
    if found is None:
        near = e164(value) if isinstance(value, str) else None
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"{value!r} is no phone number in E.164, like +13125550100{hint}")
    return found


def _number(value: object) -> object:
    return value if isinstance(value, str) and _SHORT_CODE.fullmatch(value) else _phone(value)


def _email(value: object) -> object:
    if value is None:
        return None
    found = normal_email(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no email address")
    return found


def _mailbox(value: object) -> object:
    found = _email(value)
    if isinstance(found, str) and "+" in found:
        raise ValueError(f"{value!r} holds a +, which replies need for themselves")
    return found


def _zone(value: object) -> object:
    if not isinstance(value, str) or value not in available_timezones():
        raise ValueError(f"{value!r} is no time zone; write one like America/Chicago")
    return ZoneInfo(value).key


def _cents(value: object) -> object:
    """Dollars as written ("449" or "449.50") in cents."""
    if value is None or not isinstance(value, str):
        return value
    try:
        cents = Decimal(value.strip().removeprefix("$").replace(",", "")) * 100
    except InvalidOperation:
        raise ValueError(f"{value!r} is no price; write dollars like 449 or 449.50") from None
    if not cents.is_finite() or cents != cents.to_integral_value():
        raise ValueError(f"{value!r} is no price in whole cents")
    if not 0 < cents < 100_000_000:
        raise ValueError("a price is above zero; null is a service that a person has to quote")
    return int(cents)


def _time(value: object) -> object:
    return a_time(value) if isinstance(value, str) else value


def _window(value: object) -> object:
    return a_stretch(value) if isinstance(value, str) else value


def _date(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is no date; write it like 2026-12-24") from None
    return value


def _secret_reference(value: object) -> object:
    # The value is never repeated: somebody may have written the secret itself here.
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise ValueError("a secret is named, not written: env:NAME or file:PATH")
    return value


def _fact(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("say what is true about it")
    if len(value) > 400:
        raise ValueError(f"that is {len(value)} characters; 400 are the most one fact may have")
    if _AMOUNT.search(value):
        raise ValueError("a fact may not name an amount: prices come from the catalogue")
    return " ".join(storable(value).split())


def _fact_name(value: object) -> object:
    if not isinstance(value, str) or not _FACT.fullmatch(value):
        raise ValueError("the name of a fact is letters first, then letters, digits, space, - or _")
    return value


def _words(value: object) -> object:
    return [value] if isinstance(value, str) else value


Slug = Annotated[str, BeforeValidator(_slug)]
Line = Annotated[str, BeforeValidator(_line), Field(min_length=1, max_length=200)]
OptionalLine = Annotated[str, BeforeValidator(_line), Field(max_length=200)]
Block = Annotated[str, BeforeValidator(_block), Field(max_length=4000)]
Phone = Annotated[str | None, BeforeValidator(_phone)]
Number = Annotated[str | None, BeforeValidator(_number)]
Email = Annotated[str | None, BeforeValidator(_email)]
Mailbox = Annotated[str | None, BeforeValidator(_mailbox)]
Zone = Annotated[str, BeforeValidator(_zone)]
Cents = Annotated[int | None, BeforeValidator(_cents)]
Day = Annotated[date, BeforeValidator(_date)]
TimeOfDay = Annotated[time | None, BeforeValidator(_time)]
Window = Annotated[tuple[time, time] | None, BeforeValidator(_window)]
DayHours = Annotated[Stretches, BeforeValidator(stretches)]
SecretRef = Annotated[str, BeforeValidator(_secret_reference)]
FactName = Annotated[str, BeforeValidator(_fact_name)]
Fact = Annotated[str, BeforeValidator(_fact)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
# Read with a model of its own later (settings of a connector), so that its keys are named by who knows them.
Free = dict[str, Any]
