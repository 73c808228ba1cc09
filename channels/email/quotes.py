"""What the person wrote, without the quoted mail below it. Bounded against hostile mail."""

from __future__ import annotations

import re
from functools import lru_cache

from mailparser_reply.parser import EmailMessage

MAX_CHARS = 50_000
# The library's pattern takes time quadratic in the length of a line (messaging facts 4.6). No attribution
# line is longer than this, so longer lines are judged by their beginning.
_JUDGED_LINE = 400

_MORE_HEADERS = re.compile(
    # Yahoo for Android puts the quote on the same line.
    r"^On\b[^\n]{0,150}(?:\d{4}|\d{1,2}:\d{2})[^\n]{0,150}\bwrote:"
    r"|^-{5,} ?(?:Original|Forwarded) [Mm]essage ?-{3,}"
    r"|^Begin forwarded message:$",
    re.MULTILINE,
)
_DEVICE_LINE = re.compile(
    r"(?:Sent from my|Sent via|Sent from (?:Mail|Outlook|Yahoo|AOL|Proton|Gmail)|Get Outlook for"
    r"|Sent with|Enviado desde mi)\b[^\n]{0,100}",
    re.IGNORECASE,
)
_RULE = re.compile(r"[_\-–—=*]{3,}")


@lru_cache(maxsize=1)
def _library_headers() -> re.Pattern[str]:
    pattern: re.Pattern[str] = EmailMessage(text="", languages=["en"]).HEADER_REGEX
    return pattern


def strip_reply(text: str) -> str:
    """The newest part of a mail's text; the whole text when nothing sensible (two characters) would be left.

    Only the quoted mail and a signature after `--` or of a phone are cut. The library's own guess of
    signatures is not used: it takes `Thanks, but I meant Tuesday` or a list with hyphens for one, and what
    they say is lost.
    """
    whole = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    lines = whole[:MAX_CHARS].split("\n")
    start, end = _quoted_header(lines)
    reply = _trim(_unquoted(lines[:start]))
    if len(reply) < 2:
        # The answer stands below the quote, or between its lines.
        reply = _trim(_unquoted(lines[end:]))
    return reply if len(reply) >= 2 else whole


def _quoted_header(lines: list[str]) -> tuple[int, int]:
    """Where the line that introduces the quote begins and ends; (n, n) when there is none."""
    judged = "\n".join(line.strip()[:_JUDGED_LINE] for line in lines)
    found = [match for match in (_library_headers().search(judged), _MORE_HEADERS.search(judged)) if match]
    if not found:
        return len(lines), len(lines)
    first = min(found, key=lambda match: match.start())
    lead = len(first.group()) - len(first.group().lstrip("\n"))
    start = judged.count("\n", 0, first.start() + lead)
    return start, judged.count("\n", 0, first.end()) + 1


def _unquoted(lines: list[str]) -> list[str]:
    return [line.rstrip() for line in lines if not line.lstrip().startswith(">")]


def _trim(lines: list[str]) -> str:
    for number, line in enumerate(lines):
        if line.strip() == "--" and any(earlier.strip() for earlier in lines[:number]):
            lines = lines[:number]
            break
    while lines and (not lines[-1].strip() or _is_tail(lines[-1].strip())):
        lines = lines[:-1]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _is_tail(line: str) -> bool:
    return bool(_RULE.fullmatch(line) or _DEVICE_LINE.fullmatch(line))
