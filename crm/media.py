"""Pictures and files of messages: what a reader is told of them, and what of them is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import ChatMessage, MessageMedia

# A message that took longer than this to reach us says so: what was said in between was said without it.
LATE = timedelta(minutes=2)
# Under this name a mail's files stand beside its message, as a list of {"type", "kept"}.
FILES = "files"
_NAMES = {"image": "picture", "video": "video", "audio": "voice message"}
_CARDS = ("text/vcard", "text/x-vcard", "text/directory")


@dataclass(frozen=True)
class MediaLine:
    """One picture or file of a message. `size` in bytes once it is stored; `error` says why it is not. `filename` as
    the sender called it, made harmless; texts have none."""

    id: int
    place: int
    content_type: str
    status: str
    size: int | None
    error: str | None
    filename: str | None = None


def spoken(message: ChatMessage) -> str:
    """What a message says to whoever answers it: the customer's own words, then in brackets what came besides them,
    such as "[sent a picture: image/jpeg]". Never empty for an inbound message. The pictures themselves are not shown.
    """
    if message.direction != "in":
        return message.body
    parts = [message.body] if message.body.strip() else []
    notes = [*media_notes(message.raw or {}), *_reaction(message), *_lateness(message)]
    if not parts and not notes:
        notes = ["[sent an empty message]"]
    return "\n".join([*parts, *notes])


def media_notes(raw: Mapping[str, Any]) -> list[str]:
    """A line for each kind of file a message came with: of a text from its parameters (messaging facts 1.1), of a mail
    from what was noted of its files."""
    kinds = Counter(str(raw.get(f"MediaContentType{place}") or "unknown") for place in range(_count(raw)))
    kept, refused = _mail_files(raw)
    return [
        *(f"[sent {_how_many(kind, count)}: {kind}]" for kind, count in (kinds + kept).items()),
        *(f"[sent {_how_many(kind, count)} that we did not keep: {kind}]" for kind, count in refused.items()),
    ]


def _mail_files(raw: Mapping[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """How many files of each kind a mail came with: those that are kept, and those that are not."""
    files = raw.get(FILES)
    told = [one for one in files if isinstance(one, dict)] if isinstance(files, list) else []
    kept = Counter(str(one.get("type")) for one in told if one.get("kept"))
    return kept, Counter(str(one.get("type")) for one in told if not one.get("kept"))


def _count(raw: Mapping[str, Any]) -> int:
    told = str(raw.get("NumMedia") or "0")
    return min(int(told), 10) if told.isdecimal() else 0


def _how_many(kind: str, count: int) -> str:
    name = "contact card" if kind in _CARDS else _NAMES.get(kind.partition("/")[0], "file")
    return f"a {name}" if count == 1 else f"several {name}s"


def _reaction(message: ChatMessage) -> list[str]:
    """A reaction is at most weak assent. What it quotes is left out: those are our words, and readers would take times
    and prices in them for the customer's."""
    is_reaction = message.channel == "sms" and bool(message.body_full)
    return ["[a reaction to the last message; it confirms nothing by itself]"] if is_reaction else []


def _lateness(message: ChatMessage) -> list[str]:
    """Without figures: a reader of times must find none that the customer did not write."""
    if message.received_at is None or message.created_at - message.received_at < LATE:
        return []
    return ["[this reached us late: it was written before what was said last]"]


def in_order(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Messages by id, except that one which reached us late stands where it was written."""
    placed: list[ChatMessage] = []
    for message in sorted(messages, key=lambda one: one.id):
        place = len(placed)
        if message.direction == "in" and message.received_at:
            # A little late it only changes places with what the customer wrote after it, never with an answer of ours.
            late = bool(_lateness(message))
            while place and (late or placed[place - 1].direction == "in"):
                if not _moment(placed[place - 1]) > message.received_at:
                    break
                place -= 1
        placed.insert(place, message)
    return placed


def _moment(message: ChatMessage) -> Any:
    return message.received_at or message.sent_at or message.created_at


def media_of(session: Session, message_ids: Sequence[int]) -> dict[int, list[MediaLine]]:
    """The pictures and files of messages, in their order, without their bytes."""
    found: dict[int, list[MediaLine]] = defaultdict(list)
    if not message_ids:
        return found
    rows = session.scalars(
        select(MessageMedia)
        .where(MessageMedia.message_id.in_(message_ids))
        .order_by(MessageMedia.message_id, MessageMedia.place)
    )
    for row in rows:
        line = MediaLine(row.id, row.place, row.content_type, row.status, row.size, row.error, row.filename)
        found[row.message_id].append(line)
    return found


def media_body(session: Session, media_id: int) -> bytes | None:
    """The bytes of one stored picture or file; None when it is not stored (yet)."""
    body = session.scalar(select(MessageMedia.body).where(MessageMedia.id == media_id))
    return None if body is None else bytes(body)
