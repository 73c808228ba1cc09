"""What an element's own style and attributes say: shown or not, and whose words are inside."""

from __future__ import annotations

import re
from typing import NamedTuple

Attributes = dict[str, str | None]

_COMMENT = re.compile(r"/\*[^*]{0,200}\*/|\s+")
_GONE = re.compile(
    r"(?:^|;)(?:display:none|opacity:0(?:\.0+)?(?![\d.])|clip:rect\(0|(?:left|top|text-indent):-\d{4,})",
    re.ASCII,
)
_FLAT = re.compile(r"(?:^|;)(?:max-height|height|max-width|width):0(?:\.0+)?(?![\d.])", re.ASCII)
_FONT_SIZE = re.compile(r"(?:^|;)font-size:([\d.]{1,12})([a-z%]{0,4})", re.ASCII)
_VISIBILITY = re.compile(r"(?:^|;)visibility:(hidden|collapse|visible)")
_OUTLOOK_BORDER = re.compile(r"border-top:solid[^;]{0,24};padding:3\.0pt")
# Outlook's web programs put x_ before every name of a quoted mail, Yahoo's its ydp and a number.
_PREFIX = re.compile(r"^(?:(?:x_)+|ydp[0-9a-z]{1,16}?(?=yahoo|signature))")

_BOXES = frozenset({
    "gmail_quote", "gmail_quote_container", "protonmail_quote", "zmail_extra", "tutanota_quote",
    "messagereplysection", "moz-forward-container",
})  # fmt: skip
_WHOLE = frozenset(
    {"yahoo_quoted", "quoted-content", "mail-editor-reference-message-container", "olk_src_body_section"}
)
_SURE_RESTS = frozenset({"divrplyfwdmsg", "stopspelling"})
_MAYBE_RESTS = frozenset({"appendonsend"})
_INTRODUCTIONS = frozenset({"gmail_attr", "moz-cite-prefix", "tutanota_quote_attr"})
_CITES = frozenset({"gmail_quote", "protonmail_quote", "iosymail", "tutanota_quote", "yahoo_quoted"})
_SIGNATURES = frozenset({
    "gmail_signature", "gmail_signature_prefix", "moz-signature", "protonmail_signature_block", "signature",
    "ms-outlook-mobile-signature", "applemailsignature", "composer_signature", "yahoo_signature", "tutanota_signature",
})  # fmt: skip


class Look(NamedTuple):
    """What a style does to the words inside. `tiny` and `invisible` are None where it says nothing."""

    gone: bool = False
    tiny: bool | None = None
    invisible: bool | None = None
    keeps_lines: bool | None = None
    bordered: bool = False
    outlook_header: bool = False


PLAIN_LOOK = Look()


class Role(NamedTuple):
    """Whose words an element holds, by the names that mail programs give their elements."""

    box: bool = False
    whole: bool = False
    introduces: bool = False
    cites: bool = False
    signature: bool = False
    starts_rest: str = ""


NO_ROLE = Role()


def look_of(attributes: Attributes) -> Look:
    """How an element is shown, by its own style. White on white is not looked for."""
    style = attributes.get("style")
    hidden = "hidden" in attributes
    if not style:
        return Look(gone=True) if hidden else PLAIN_LOOK
    style = _COMMENT.sub("", style.lower())
    flat = "overflow:hidden" in style and _FLAT.search(style) is not None
    sizes = _FONT_SIZE.findall(style)
    seen = _VISIBILITY.findall(style)
    return Look(
        gone=hidden or flat or _GONE.search(style) is not None,
        tiny=_is_tiny(*sizes[-1]) if sizes else None,
        invisible=seen[-1] != "visible" if seen else None,
        keeps_lines="white-space:pre" in style if "white-space:" in style else None,
        bordered="border-left:" in style or "border-left-" in style,
        outlook_header=_OUTLOOK_BORDER.search(style) is not None,
    )


def role_of(tag: str, attributes: Attributes) -> Role:
    """What part of a mail an element is."""
    names = _names(attributes)
    cites = tag == "blockquote" and ((attributes.get("type") or "").lower() == "cite" or bool(names & _CITES))
    if not names and not cites:
        return NO_ROLE
    rest = "surely" if names & _SURE_RESTS else "maybe" if names & _MAYBE_RESTS else ""
    return Role(
        box=tag != "blockquote" and bool(names & _BOXES),
        whole=bool(names & _WHOLE) or (attributes.get("name") or "").lower() == "quote",
        introduces=bool(names & _INTRODUCTIONS),
        cites=cites,
        signature=bool(names & _SIGNATURES),
        starts_rest=rest,
    )


def _names(attributes: Attributes) -> set[str]:
    given = " ".join(filter(None, (attributes.get(key) for key in ("class", "id", "name", "data-smartmail"))))
    names = {_PREFIX.sub("", name) for name in given.lower().split()}
    return {"yahoo_quoted" if name.startswith("yahoo_quoted") else name for name in names}


def _is_tiny(size: str, unit: str) -> bool:
    try:
        number = float(size)
    except ValueError:
        return False
    # A pixel high is a trick of newsletters to hide a line; nobody can read it.
    return number == 0 or (number <= 1 and unit in {"px", "pt"})
