"""Bytes of any declared charset to text that can be stored; never raises."""

from __future__ import annotations

import codecs

from crm.text import storable

# Names seen in mail that Python's codec registry does not know, or knows as less than what mail programs mean.
_ALIASES = {
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-1": "windows-1252",
    "iso8859-1": "windows-1252",
    "iso_8859-1": "windows-1252",
    "latin1": "windows-1252",
    "latin-1": "windows-1252",
    "x-ansi": "windows-1252",
    "ansi": "windows-1252",
    "ansi_x3.110-1983": "windows-1252",
    "iso-8859-9": "windows-1254",
    "iso-8859-11": "cp874",
    "windows-874": "cp874",
    "x-windows-874": "cp874",
    "tis-620": "cp874",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "utf8mb4": "utf-8",
    "utf-8-sig": "utf-8",
    "x-utf-8": "utf-8",
    "utf-8mac": "utf-8",
    "x-unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "unicode": "utf-16",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "x-windows-949": "cp949",
    "windows-949": "cp949",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "big5": "cp950",
    "x-x-big5": "cp950",
    "big5-hkscs": "big5hkscs",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-cp1251": "windows-1251",
    "x-cp1252": "windows-1252",
}
# They turn text into text, so Python lists them among the charsets; some take quadratic time, some warn.
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode-escape", "unicode_escape", "raw-unicode-escape", "raw_unicode_escape", "undefined",
     "mbcs", "oem"}
)  # fmt: skip
_WIDE = ("utf-16", "utf-32")
# What is declared out of habit, also by programs that write UTF-8.
_HABITS: tuple[str | None, ...] = ("cp1252", "cp1254", "iso8859-15", "cp1250")

_WESTERN = "leads.western"


def decode(raw: bytes, declared: str | None) -> str:
    """`raw` in the declared charset, else as UTF-8, where a byte that is none is windows-1252, else latin-1 (messaging
    facts 4.1); without NUL and lone surrogates.

    A charset nobody knows or that does not fit is passed over. Two declarations are not believed: a western one over
    bytes that are UTF-8 throughout, and UTF-16 over bytes without a single zero.
    """
    codec = _codec(declared)
    if codec in _HABITS:
        tried: tuple[str | None, ...] = ("utf-8", codec)
    elif codec is not None and codec.startswith(_WIDE) and b"\x00" not in raw:
        tried = ()
    else:
        tried = (codec,)
    for name in tried:
        try:
            return _clean(raw.decode(name)) if name else _clean(raw.decode("utf-8"))
        except (UnicodeError, ValueError):
            continue
    return _clean(raw.decode("utf-8", _WESTERN))


def _clean(text: str) -> str:
    return storable(text).removeprefix("\ufeff")


def _as_western(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    try:
        return bad.decode("cp1252"), error.end
    except UnicodeError:
        return bad.decode("latin-1"), error.end


codecs.register_error(_WESTERN, _as_western)


def _codec(name: str | None) -> str | None:
    """Python's name of a charset, or None for what is none."""
    if not name:
        return None
    wanted = name.strip().strip("\"'").strip().lower()[:60]
    # RFC 2231 lets a language follow: `utf-8*en`.
    wanted = wanted.partition("*")[0]
    wanted = _ALIASES.get(wanted) or _ALIASES.get(wanted.replace("_", "-"), wanted)
    try:
        info = codecs.lookup(wanted)
    except (LookupError, ValueError):
        return None
    # Python also knows codecs that are no charsets, such as base64 or zlib: a sender must not choose those.
    return info.name if getattr(info, "_is_text_encoding", True) and info.name not in _NO_CHARSETS else None
