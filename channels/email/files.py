"""The files of a mail: harmless names, what kind they really are, which are kept and why others are not.

What is refused is left out of the conversation only; the mail itself is stored as it came.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from channels.email.file_kinds import danger_of_content, danger_of_name, kind_of
from channels.email.mail import MailFile
from crm.text import storable

MOST_FILES = 20
MOST_BYTES = 10 * 1024 * 1024
MOST_IN_ALL = 25 * 1024 * 1024
# Refused ones are listed too, but not without end.
MOST_LISTED = 60
LONGEST_NAME = 120
_TOO_LARGE = f"it is larger than {MOST_BYTES // (1024 * 1024)} MB"
_TOO_MUCH = f"the files of this mail are larger than {MOST_IN_ALL // (1024 * 1024)} MB together"
_TOO_MANY = f"only the first {MOST_FILES} files of a mail are kept"
# Categories of Unicode that a terminal, a file system or a reader's eye may obey.
_OBEYED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_NOT_IN_NAMES = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))}
)


@dataclass(frozen=True)
class Found:
    """A file in a mail, not decoded yet. `size` in bytes, about."""

    name: str | None
    content_type: str
    size: int
    read: Callable[[], bytes]
    content_id: str | None = None
    inline: bool = False


def keep_files(found: Iterable[Found]) -> tuple[MailFile, ...]:
    """Each file with its content, or without it and with the reason, in a sentence an owner can read. Within
    MOST_FILES, MOST_BYTES each and MOST_IN_ALL together."""
    kept: list[MailFile] = []
    total = 0
    for place, one in enumerate(found, 1):
        if place > MOST_LISTED:
            break
        name = safe_name(one.name, f"file-{place}")
        stored = sum(file.content is not None for file in kept)
        file = _keep(one, name, full=stored >= MOST_FILES, room=MOST_IN_ALL - total)
        total += file.size if file.content is not None else 0
        kept.append(file)
    return tuple(kept)


def _keep(one: Found, name: str, *, full: bool, room: int) -> MailFile:
    kind = kind_of(name, one.content_type)
    why = danger_of_name(name, one.content_type)
    if why is None and full:
        why = _TOO_MANY
    if why is None:
        why = _limit(one.size, room)
    if why is not None:
        return MailFile(name, kind, None, one.size, one.content_id, one.inline, why)
    content = one.read()
    why = danger_of_content(name, content) or _limit(len(content), room)
    kind = kind_of(name, one.content_type, content)
    if why is not None:
        return MailFile(name, kind, None, len(content), one.content_id, one.inline, why)
    return MailFile(name, kind, content, len(content), one.content_id, one.inline)


def _limit(size: int, room: int) -> str | None:
    # What is not decoded yet is only about so large; a tenth more is looked at once it is.
    if size > MOST_BYTES * 1.1:
        return _TOO_LARGE
    return _TOO_MUCH if size > room else None


def safe_name(name: str | None, fallback: str) -> str:
    """A file's name without path, control characters, marks that turn the reading direction, and names that mean a
    device; at most LONGEST_NAME characters, the ending kept."""
    text = unicodedata.normalize("NFC", storable(name or ""))
    text = text.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    text = "".join(char for char in text if unicodedata.category(char) not in _OBEYED)
    text = " ".join(text.translate(_NOT_IN_NAMES).split()).strip(". ")
    if not text:
        return fallback
    stem, dot, ending = text.rpartition(".")
    if not stem or len(ending) > 12:
        stem, dot, ending = text, "", ""
    if stem.partition(".")[0].strip().lower() in _DEVICES:
        stem = f"_{stem}"
    return f"{stem[: LONGEST_NAME - len(ending) - 1].rstrip('. ')}{dot}{ending}" or fallback
