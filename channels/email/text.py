"""What an email of ours is called and where its answers go: subjects, addresses, ids of a thread."""

from __future__ import annotations

import re
import uuid

_PREFIX = re.compile(r"^(?:\s*(?:re|aw|sv|fw|fwd|wg)\s*(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
# What stands in angle brackets without blanks; longer than a line of a header may be, it is no id (RFC 5322, 2.1.1).
_ID = re.compile(r"<[!-;=?-~]{1,500}>")
MAX_REFERENCES = 20


def one_line(value: str, limit: int = 900) -> str:
    """A header value that cannot begin another header: no line breaks, no control characters."""
    return _CONTROL.sub(" ", value).strip()[:limit]


def base_subject(subject: str | None) -> str:
    """The subject without any `Re:`, `Fwd:` and the like, in one line; may be empty."""
    return _PREFIX.sub("", one_line(subject or "")).strip()


def reply_subject(subject: str | None, fallback: str) -> str:
    """The subject of an answer: exactly one `Re:`, so that mail programs keep one thread."""
    return f"Re: {base_subject(subject) or one_line(fallback)}"


def thread_subject(theirs: str | None, ours: str) -> str:
    """The subject of the answer to a mail called `theirs` in a conversation called `ours`.

    Mail programs keep a thread together only under one name, so an answer takes the name of the mail it answers.
    What a server on the way put in front ("[EXTERNAL]") is left out where ours follows.
    """
    name, own = base_subject(theirs), base_subject(ours)
    if own and name.casefold().endswith(own.casefold()):
        return f"Re: {own}"
    return reply_subject(name, own)


def thread_ids(references: str | None, message_id: str | None) -> list[str]:
    """The References of an answer to the mail with these References and this id: the oldest one and the youngest, at
    most 20, each an id in angle brackets and once (RFC 5322, 3.6.4; messaging facts 4.2). The last one is what is
    answered."""
    earlier = [one for one in _ID.findall(references or "") if one != message_id]
    own = _ID.findall(message_id or "")[:1]
    ids = list(dict.fromkeys([*earlier, *own]))
    return ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[1 - MAX_REFERENCES :]]


def reply_address(mailbox: str, token: str) -> str:
    """The mailbox with the session's token in its plus part: `shop+k3v9@north.example`."""
    local, _, domain = mailbox.partition("@")
    return f"{local}+{token}@{domain}"


def split_address(address: str) -> tuple[str, str | None]:
    """An address into the mailbox and the tag in its plus part, if any; both in lower case."""
    local, at, domain = address.strip().lower().rpartition("@")
    name, plus, tag = local.partition("+")
    return f"{name}{at}{domain}", (tag or None) if plus else None


def domain_of(address: str) -> str:
    """What stands behind the @, in lower case."""
    return address.rpartition("@")[2].strip().lower()


def message_id(outbox_id: uuid.UUID, from_address: str) -> str:
    """Our own Message-ID for an outbound mail, under the domain it comes from."""
    return f"<{outbox_id}@{domain_of(from_address)}>"
