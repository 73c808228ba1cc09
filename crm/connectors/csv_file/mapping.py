"""Which column means which field: guessed from what columns are called, in English and Spanish, or told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from crm.connectors.csv_file.encodings import NotATable
from crm.emails import normal_email
from crm.phones import e164

FACT, IGNORE = "fact", "ignore"
# Fields that several columns may hold: the first one that is filled in (or valid), or all of them (wish).
SEVERAL = frozenset({"phone", "email", "wish", "sms_stop", "email_stop", "stop"})


# What a column is called that may say who must not be written to, compared as `plain` has it.
_STOP_LIKE = re.compile(
    r"\bopt(?:ed)? ?outs?\b|\boptouts?\b|\bunsubscri|\bdo not\b|\bdont\b|\bdnc\b|\bstop|\bsuppress|\bblack ?list"
    r"|\bbaja\b|\bno (?:contact|enviar|texts?|sms|e ?mails?)\b"
)


@dataclass(frozen=True)
class Columns:
    """What the columns mean. `fields`: the columns of each field, the best first; `facts`: columns that are kept under
    their own names; `unused`: named columns that mean nothing to us."""

    header: tuple[str, ...]
    fields: Mapping[str, tuple[int, ...]]
    facts: tuple[int, ...]
    unused: tuple[str, ...]

    def like_a_stop(self) -> tuple[str, ...]:
        """Columns that nobody reads although they may say who must not be written to."""
        return tuple(name for name in self.unused if _STOP_LIKE.search(plain(name)))

    def named(self) -> list[tuple[str, str]]:
        """(column, field) in the order of the file, for showing."""
        found = [(index, name) for name, indexes in self.fields.items() for index in indexes]
        found += [(index, FACT) for index in self.facts]
        return [(self.header[index], name) for index, name in sorted(found)]


@cache
def _names() -> tuple[frozenset[str], dict[str, tuple[str, int]]]:
    """(noise, name -> (field, how well it fits: less is better))."""
    path = resources.files("crm.connectors.csv_file").joinpath("columns.yaml")
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = {
        str(name): (field, rank) for field, each in data["fields"].items() for rank, name in enumerate(each)
    }
    return frozenset(str(word) for word in data["noise"]), names


def field_names() -> tuple[str, ...]:
    """Every field a column may be said to mean."""
    return (*dict.fromkeys(field for field, _ in _names()[1].values()), FACT, IGNORE)


def plain(name: str) -> str:
    """A column's name without case, accents and signs: "Teléfono (móvil)" is "telefono movil"."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    words = re.sub(r"[^a-z0-9]+", " ", "".join(char for char in bare if not unicodedata.combining(char)))
    return " ".join(words.split())


def map_columns(header: Sequence[str], told: Mapping[str, str] | None = None) -> Columns:
    """What each column means; `told` (column -> field) goes before what is guessed.

    Raises NotATable: a column or field that does not exist, nobody to write to, a first row that names no columns.
    """
    if any(e164(name) or normal_email(name) for name in header):
        raise NotATable("the first row holds an address: it has to name the columns instead")
    chosen = _told(header, told or {})
    ranked: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(header):
        if index in chosen:
            ranked.setdefault(chosen[index], []).append((-1, index))
        elif (guess := _guess(name)) is not None:
            ranked.setdefault(guess[0], []).append((guess[1], index))
    facts = tuple(index for _, index in ranked.pop(FACT, []))
    ignored = {index for _, index in ranked.pop(IGNORE, [])}
    fields = {
        field: tuple(index for _, index in sorted(found)[: None if field in SEVERAL else 1])
        for field, found in ranked.items()
    }
    if not fields.keys() & {"phone", "email"}:
        columns = ", ".join(repr(name) for name in header if name)[:300]
        raise NotATable(
            f"no column is a phone number or an email address; there is {columns}: say which with COLUMN=phone"
        )
    if "wish" in fields:
        # All of them are one text, in the order in which the person was asked.
        fields["wish"] = tuple(sorted(fields["wish"]))
    used = {index for indexes in fields.values() for index in indexes} | set(facts) | ignored
    unused = tuple(name for index, name in enumerate(header) if name and index not in used)
    return Columns(tuple(header), fields, facts, unused)


def _told(header: Sequence[str], told: Mapping[str, str]) -> dict[int, str]:
    known = field_names()
    chosen: dict[int, str] = {}
    for column, field in told.items():
        if field not in known:
            raise NotATable(f"there is no field {field!r}; there is {', '.join(known)}")
        matches = [index for index, name in enumerate(header) if name == column]
        matches = matches or [
            index for index, name in enumerate(header) if name and plain(name) == plain(column)
        ]
        if len(matches) != 1:
            names = ", ".join(repr(name) for name in header if name)[:300]
            raise NotATable(
                f"{'no column is' if not matches else 'more than one column is'} called {column!r}; there is {names}"
            )
        chosen[matches[0]] = field
    for field in set(chosen.values()) - SEVERAL - {FACT, IGNORE}:
        if list(chosen.values()).count(field) > 1:
            raise NotATable(f"{field} can be one column only")
    return chosen


def _guess(name: str) -> tuple[str, int] | None:
    noise, names = _names()
    bare = plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    if bare in names:
        return names[bare]
    kept = " ".join(_without(bare.split(), noise))
    found = names.get(kept)
    # What fits only in part is worth less than any column that fits as a whole.
    return None if found is None else (found[0], found[1] + 100)


def _without(words: Iterable[str], noise: frozenset[str]) -> list[str]:
    return [word for word in words if word not in noise]
