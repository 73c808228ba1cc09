"""A MIME mail taken apart as bytes: its leaves with their headers, in order. Never raises, and takes time and memory in
proportion to the mail, whatever its nesting."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from channels.email.headers import base64_bytes, parameters, parse_headers, split_head

MOST_PARTS = 300
# What is nested deeper is read as the source it is.
DEEPEST = 20
_KIND = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,100}")


@dataclass(frozen=True)
class Part:
    """One leaf. `raw[start:end]` is its content, still encoded.

    `group` is the same for parts that say the same in different forms (`multipart/alternative`), `container` the kind
    of multipart it stands in, empty for the mail itself.
    """

    raw: bytes
    start: int
    end: int
    headers: dict[str, str]
    kind: str
    charset: str | None = None
    filename: str | None = None
    disposition: str = ""
    container: str = ""
    group: int = 0
    params: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """About how many bytes it has, without decoding it."""
        length = self.end - self.start
        return length * 3 // 4 if self._encoding() == "base64" else length

    @property
    def content_id(self) -> str | None:
        """The name by which the HTML shows it, without brackets."""
        return self.headers.get("content-id", "").strip("<> ")[:200] or None

    def content(self, most: int | None = None) -> bytes:
        """Its bytes, decoded; of at most `most` encoded ones."""
        end = self.end if most is None else min(self.end, self.start + most)
        body = self.raw[self.start : end]
        match self._encoding():
            case "base64" if not (self.kind.startswith("text/") and _is_written(body)):
                return base64_bytes(body)
            case "quoted-printable":
                return binascii.a2b_qp(body)
        return body

    def _encoding(self) -> str:
        return self.headers.get("content-transfer-encoding", "").strip().lower()


@dataclass(frozen=True)
class Taken:
    """A mail taken apart: its leaves in order, its headers, whether there were `more` parts than are read, and as
    `margins` what stood outside all parts."""

    parts: list[Part]
    headers: dict[str, str]
    more: bool
    margins: list[Part]


def take_apart(raw: bytes) -> Taken:
    """The leaves of a mail. A mail attached as a whole is one leaf: its text is not this person's."""
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    top = _part(raw, 0, len(raw), "", 0)
    found: list[Part] = []
    margins: list[Part] = []
    waiting = [(top, 0)]
    while waiting and len(found) < MOST_PARTS:
        part, depth = waiting.pop()
        spans = _spans(part, MOST_PARTS - len(found)) if depth < DEEPEST else []
        if spans:
            margins += [_margin(part, part.start, spans[0][0]), _margin(part, spans[-1][1], part.end)]
            group = part.group or (part.start + 1 if part.kind == "multipart/alternative" else 0)
            children = [_part(raw, start, end, part.kind, group) for start, end in spans]
            waiting += [(child, depth + 1) for child in reversed(children)]
        else:
            # A multipart without parts still has words in it.
            found.append(_as_text(part) if part.kind.startswith("multipart/") else part)
    return Taken(found, top.headers, bool(waiting), margins)


def _spans(part: Part, most: int) -> list[tuple[int, int]]:
    """Where the parts of a multipart begin and end, `most` at most; none where it is no multipart."""
    boundary = part.params.get("boundary", "").encode("utf-8", "surrogateescape")
    if not part.kind.startswith("multipart/") or not boundary:
        return []
    edge = re.compile(rb"\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    # The line end in front of a boundary belongs to it, also the one that ends the headers.
    for match in edge.finditer(part.raw, max(part.start - 1, 0), part.end):
        if begin is not None:
            spans.append((begin, max(begin, _before(part.raw, match.start()))))
        begin = None if match.group(1) else part.raw.find(b"\n", match.end(), part.end) + 1 or None
        if begin is None or len(spans) >= most:
            return spans
    if begin is not None:
        # The end is missing: cut off, or never written.
        spans.append((begin, part.end))
    return spans


def _margin(part: Part, start: int, end: int) -> Part:
    return Part(part.raw, start, max(start, end), {}, "text/plain")


def _is_written(body: bytes) -> bool:
    """Whether a text that is said to be Base64 is none: signs and blanks stand in it as in a sentence."""
    letters = re.sub(rb"[\r\n\t=]", b"", body[:20_000])
    return len(re.findall(rb"[^A-Za-z0-9+/]", letters)) * 50 > len(letters)


def _before(raw: bytes, newline: int) -> int:
    return newline - 1 if newline > 0 and raw[newline - 1 : newline] == b"\r" else newline


def _part(raw: bytes, start: int, end: int, container: str, group: int) -> Part:
    end = max(start, end)
    head_end, body = split_head(raw, start, end)
    headers = parse_headers(raw[start:head_end])
    kind, params = parameters(headers.get("content-type", ""))
    disposition, named = parameters(headers.get("content-disposition", ""))
    if not _KIND.fullmatch(kind):
        kind = "message/rfc822" if container == "multipart/digest" else "text/plain"
    return Part(
        raw=raw,
        start=body,
        end=end,
        headers=headers,
        kind=kind,
        charset=params.get("charset"),
        filename=named.get("filename") or params.get("name") or None,
        disposition=disposition,
        container=container,
        group=group,
        params=params,
    )


def _as_text(part: Part) -> Part:
    headers = {name: value for name, value in part.headers.items() if name != "content-transfer-encoding"}
    return Part(
        part.raw, part.start, part.end, headers, "text/plain", container=part.container, group=part.group
    )
