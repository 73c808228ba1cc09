"""ECDSA signatures of SendGrid webhooks, P-256 over timestamp and raw body (messaging facts 4.3)."""

from __future__ import annotations

import base64
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_PREFIX = "X-Twilio-Email-Event-Webhook-"


class EventSigner:
    """A fresh key per stand-in."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """Base64 SPKI DER."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def headers(self, body: bytes, sign: str, now: datetime) -> dict[str, str]:
        """The two signature headers. sign: good; wrong (another body was signed); none (no headers)."""
        if sign == "none":
            return {}
        stamp = str(int(now.timestamp()))
        signed = stamp.encode() + (body if sign == "good" else body + b" ")
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return {f"{_PREFIX}Signature": base64.b64encode(signature).decode(), f"{_PREFIX}Timestamp": stamp}
