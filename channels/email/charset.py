"""Bytes of any declared charset to text that can be stored; never raises."""

from __future__ import annotations

import codecs

from crm.text import storable

# Names seen in mail that Python's codec registry does not know or does not mean the same way.
_ALIASES = {
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-1": "windows-1252",
    "latin-1": "windows-1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "x-unknown": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "ansi_x3.110-1983": "windows-1252",
    "ks_c_5601-1987": "cp949",
    "gb2312": "gb18030",
}


def decode(raw: bytes, declared: str | None) -> str:
    """`raw` in the declared charset, else UTF-8, else windows-1252, else latin-1 (messaging facts 4.1).

    A charset nobody knows or that does not fit falls through to the next one.
    """
    for name in (declared, "utf-8", "windows-1252"):
        codec = _codec(name)
        if codec is None:
            continue
        try:
            return storable(raw.decode(codec))
        except (UnicodeError, ValueError):
            continue
    return storable(raw.decode("latin-1"))


def _codec(name: str | None) -> str | None:
    if not name:
        return None
    wanted = name.strip().strip("\"'").lower()
    wanted = _ALIASES.get(wanted, wanted)
    try:
        info = codecs.lookup(wanted)
    except (LookupError, ValueError):
        return None
    # Python also knows codecs that are no charsets, such as base64 or zlib: a sender must not choose those.
    return info.name if getattr(info, "_is_text_encoding", True) else None
