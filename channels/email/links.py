"""The links in our mail that do something: so far the one that ends mail of the cadence (RFC 8058).

A token is the message's outbox id and a HMAC of it, so that nobody makes one from a Message-ID. Its key comes from
ENCRYPTION_KEY by HKDF. The whole link is kept with the row of its message, where it is still good after the key was
replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ops.settings import Settings, secret

PATH = "/u/"
# Where the row of a message keeps its link, in `raw`.
KEPT_AS = "unsubscribe_url"
_LABEL = b"leads unsubscribe link v1"
_MAC_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, repr=False)
class MailLinks:
    """Makes and checks links. `keys`: derived ones, the present one first."""

    base_url: str
    keys: tuple[bytes, ...]

    def unsubscribe(self, outbox_id: uuid.UUID) -> str:
        """The link for the mail with this outbox id; the same one every time."""
        token = outbox_id.bytes + _mac(self.keys[0], outbox_id)
        return f"{self.base_url}{PATH}{base64.urlsafe_b64encode(token).rstrip(b'=').decode()}"

    def is_ours(self, token: str) -> bool:
        """Whether a key that is known now made this token. A replaced key's tokens are known by their row."""
        outbox_id = outbox_id_in(token)
        if outbox_id is None:
            return False
        given = _bytes_of(token)[16:]
        return any(hmac.compare_digest(given, _mac(key, outbox_id)) for key in self.keys)


def links_of(settings: Settings) -> MailLinks | None:
    """The maker of links, or None where mail can be ended by an answer only: without ENCRYPTION_KEY, or where
    PUBLIC_BASE_URL is no https address, which RFC 8058 asks for and a customer could not open."""
    if not settings.public_base_url.startswith("https://"):
        return None
    return links_from(settings.public_base_url, secret(settings.encryption_key))


def links_from(base_url: str, keys: str | None) -> MailLinks | None:
    """`keys` in the form of ENCRYPTION_KEY: several behind commas, the present one first."""
    parts = [part.strip() for part in (keys or "").split(",") if part.strip()]
    return MailLinks(base_url, tuple(_derived(part) for part in parts)) if parts else None


def outbox_id_in(token: str) -> uuid.UUID | None:
    """Which mail a token names, whoever made it; None for what has not the form of a token."""
    raw = _bytes_of(token)
    return uuid.UUID(bytes=raw[:16]) if raw else None


def _bytes_of(token: str) -> bytes:
    if not _TOKEN.fullmatch(token):
        return b""
    try:
        raw = base64.urlsafe_b64decode(f"{token}=")
    except (binascii.Error, ValueError):
        return b""
    # The last letter holds two bits that mean nothing; one spelling of a token is enough.
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token else b""


def _mac(key: bytes, outbox_id: uuid.UUID) -> bytes:
    return hmac.new(key, outbox_id.bytes, hashlib.sha256).digest()[:_MAC_BYTES]


def _derived(key: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_LABEL).derive(key.encode())
