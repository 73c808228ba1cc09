"""SendGrid's signatures: ECDSA P-256 with SHA-256 over the timestamp and the body's very bytes (messaging facts 4.1,
4.3). The SDK's own helper joins text, which no multipart body survives, and `json.loads` before it breaks the rest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

Verdict = Literal["good", "wrong", "missing"]

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"


class BadKey(ValueError):
    """A configured key is no public key of the kind SendGrid shows: base64 of a P-256 key, without PEM armour."""


@lru_cache(maxsize=512)
def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """A key as SendGrid shows it. Raises BadKey."""
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(BadKey.__doc__) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise BadKey(BadKey.__doc__)
    return key


def verify(headers: Mapping[str, str], raw: bytes, keys: Sequence[str]) -> Verdict:
    """Whether one of `keys` signed these bytes with the timestamp in `headers`. `missing`: there is no signature at
    all, which is a forgery; `wrong` may be a key of ours that is out of date. Raises BadKey.

    The age of the timestamp is not looked at: a repetition after three days may carry the first one (messaging facts
    4.1), and every post is stored once only.
    """
    signature, stamp = headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    if not signature or not stamp:
        return "missing"
    try:
        der = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return "wrong"
    signed = stamp.encode("utf-8", "surrogateescape") + raw
    return "good" if any(_fits(public_key(key), der, signed) for key in keys) else "wrong"


def _fits(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
