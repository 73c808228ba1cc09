"""Pydantic's errors as sentences for the person who wrote the file, with the place they stand at."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from crm.tenant_file.nodes import Map, joined, origin_at
from crm.tenant_file.problems import Problem

Place = tuple[str | int, ...]


def problems_of(
    error: ValidationError, tree: Map, model: type[BaseModel], prefix: Place = ()
) -> list[Problem]:
    """Each error where it was written. A mistake in the defaults is one problem, however many locations have it."""
    found: dict[tuple[str, str], Problem] = {}
    for one in error.errors(include_url=False):
        origin = origin_at(tree, (*prefix, *one["loc"]))
        message = _message(one, model)
        found.setdefault((origin.path, message), Problem(origin.path, message, origin.line or None))
    return list(found.values())


def at(tree: Map, place: Iterable[str | int], message: str) -> Problem:
    """A problem of our own with what stands at `place`."""
    origin = origin_at(tree, tuple(place))
    return Problem(origin.path, message, origin.line or None)


def missing(tree: Map, place: Iterable[str | int], key: str) -> Problem:
    """`key` is needed at `place` and not there."""
    origin = origin_at(tree, tuple(place))
    return Problem(joined(origin.path, key), "is missing", origin.line or None)


def _message(one: ErrorDetails, model: type[BaseModel]) -> str:
    if one["type"] == "extra_forbidden":
        return f"this key is not known{_near(str(one['loc'][-1]), _known(model, one['loc'][:-1]))}"
    if one["type"] == "missing":
        return "is missing"
    if one["type"] in ("dict_type", "model_type", "model_attributes_type"):
        return "has to be a mapping, `key: value` on lines of their own"
    if one["type"] in ("tuple_type", "list_type"):
        return "has to be a list, each line with a - in front"
    message = str(one["msg"]).removeprefix("Value error, ")
    return message.replace("Input should be", "has to be", 1)


def _near(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}" if known else ""


def _known(model: Any, place: Place) -> list[str]:
    """The keys of the model that stands at `place` below `model`."""
    here: Any = model
    for part in place:
        here = _inner(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = field.annotation if field else None
        elif get_origin(here) is dict:
            here = get_args(here)[1]
        elif get_origin(here) in (tuple, list):
            here = get_args(here)[0]
        else:
            return []
    here = _inner(here)
    if not (isinstance(here, type) and issubclass(here, BaseModel)):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """`X | None` as X."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next((each for each in get_args(annotation) if each is not type(None)), None)
    return annotation
