"""Taking a posted body apart: JSON, or a form whose names say where a value belongs (`vehicle.year`, `facts[how]`)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import HTTPException

from channels.api.checking import LONGEST_NAME, refusal
from channels.api.problems import FieldError, Problem

MAX_BYTES = 64 * 1024
MOST_FIELDS = 200
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# Fields of a page that say nothing about the person.
FORM_KEY, REDIRECT, TRAP = "form_key", "redirect", "leave_this_empty"
OF_THE_PAGE = (FORM_KEY, REDIRECT, TRAP)

_PARTS = frozenset({"vehicle", "utm", "consent", "facts"})
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
# What boxes that are ticked send, in the languages of the pages there are.
_TICKED = frozenset({"true", "on", "yes", "y", "1", "checked", "si", "sí"})
_UNTICKED = frozenset({"false", "off", "no", "n", "0"})


@dataclass(frozen=True)
class Posted:
    """A body taken apart. `fields` as `schema.LeadIn` wants them; `page` are the fields of a page (OF_THE_PAGE)."""

    fields: dict[str, Any]
    is_form: bool
    page: dict[str, str]

    def digest(self) -> str:
        """Equal for bodies that say the same, however they are written."""
        plain = json.dumps(self.fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(plain.encode()).hexdigest()


def read(request: Request) -> Posted:
    """The body of a request. Raises Problem: too large, a kind we do not read, or nothing readable."""
    # One more, because a body that comes without its length is cut there and nothing says so.
    request.max_content_length = MAX_BYTES + 1
    kind = request.mimetype
    if kind not in (JSON, FORM, MULTIPART):
        raise Problem("media-type", f"send {JSON}, or a form as {FORM} or {MULTIPART}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem("media-type", "send the body as it is, not compressed")
    try:
        raw = request.get_data(cache=kind == MULTIPART, parse_form_data=False)
        if len(raw) > MAX_BYTES:
            raise _too_large()
        if kind == MULTIPART:
            return _form(_multipart(request))
    except HTTPException as error:
        if error.code == 413:
            raise _too_large() from None
        raise Problem("unreadable", "the connection ended in the middle of it, or it is no form") from None
    return Posted(_json(raw), False, {}) if kind == JSON else _form(_urlencoded(raw))


def _too_large() -> Problem:
    return Problem("too-large", f"at most {MAX_BYTES // 1024} kB are taken")


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
        # A lone surrogate is no text; it could not be stored, or sent to anybody.
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeError:
        raise Problem("unreadable", "it is not text in UTF-8") from None
    except (ValueError, RecursionError):
        raise Problem("unreadable", "it is not valid JSON") from None
    if not isinstance(found, dict):
        raise Problem("unreadable", "it has to be one JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two values counts is a matter of the parser: nobody may rely on it."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem("unreadable", f"the name {_printable(twice)} comes twice in one object")
    return found


def _no_number(constant: str) -> None:
    raise ValueError(constant)


def _urlencoded(raw: bytes) -> list[tuple[str, str]]:
    try:
        text = raw.decode("ascii", "surrogateescape")
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except ValueError:
        raise Problem("unreadable", f"a form has at most {MOST_FIELDS} fields") from None
    return [(_from_old_page(name), _from_old_page(value)) for name, value in pairs]


def _from_old_page(text: str) -> str:
    """Pages that are not UTF-8 themselves post in their own encoding, nearly always Windows' western one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return text


def _multipart(request: Request) -> list[tuple[str, str]]:
    request.max_form_memory_size = MAX_BYTES
    request.max_form_parts = MOST_FIELDS
    form, files = request.form, request.files
    sent = [name for name, file in files.items(multi=True) if file.filename]
    if sent:
        raise refusal(
            [FieldError((_printable(name),), "is a file, and files are not taken") for name in sent]
        )
    return list(form.items(multi=True))


def _form(pairs: list[tuple[str, str]]) -> Posted:
    page: dict[str, str] = {}
    fields: dict[str, Any] = {}
    wrong: list[FieldError] = []
    for name, value in pairs:
        if name in OF_THE_PAGE:
            page.setdefault(name, value.strip())
        # Every field of a page is sent, filled in or not.
        elif value.strip():
            wrong += _place(fields, _path(name), value)
    if wrong:
        raise refusal(list(dict.fromkeys(wrong)))
    return Posted(fields, True, page)


def _path(name: str) -> tuple[str, ...]:
    first = re.split(r"[.\[]", name, maxsplit=1)[0]
    if first not in _PARTS or first == name:
        return (name,)
    rest = name[len(first) :]
    if rest.startswith("["):
        return (first, *_BRACKETS.findall(rest))
    # The owner's own names may hold dots.
    return (first, rest[1:]) if first == "facts" else (first, *rest[1:].split("."))


def _place(fields: dict[str, Any], path: tuple[str, ...], value: str) -> list[FieldError]:
    inside = fields
    for part in path[:-1]:
        deeper = inside.setdefault(part, {})
        if not isinstance(deeper, dict):
            return [FieldError(path, "has a name inside another field")]
        inside = deeper
    if path[-1] in inside:
        # A box often has a hidden field of the same name before it, which says what counts unless it is ticked.
        if path[-1] == "given" and inside["given"] is False:
            inside["given"] = _converted(path, value)
            return []
        return [FieldError(path, "comes twice")]
    inside[path[-1]] = _converted(path, value)
    return []


def _converted(path: tuple[str, ...], value: str) -> str | int | bool:
    """A form knows texts only."""
    text = value.strip()
    if path[0] == "consent" and path[-1] == "given":
        lowered = text.lower()
        return True if lowered in _TICKED else False if lowered in _UNTICKED else value
    if path == ("vehicle", "year") and text.isascii() and text.isdigit() and len(text) <= 6:
        return int(text)
    if path == ("vehicle", "body_style"):
        return text.lower()
    if path in (("state",), ("postal_code",), ("language",)):
        return text
    # Browsers send line ends as the network has them.
    return value.replace("\r\n", "\n")


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:LONGEST_NAME])
