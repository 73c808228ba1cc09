"""The signature of a Shopmonkey webhook, by the Standard Webhooks convention its header names follow.

The algorithm is assumed, not documented where we could read it (shopmonkey facts 5.4): hence a mode per
tenant that observes before it enforces.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from crm.connectors.base import Verdict

TOLERANCE_S = 300


def verify(headers: Mapping[str, str], raw: bytes, secret: str | None, now: datetime) -> Verdict:
    """Judge a delivery; `headers` have lower-case names. Without a secret of ours nothing can be valid.

    While a secret is replaced both may be given with white space between them.
    """
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and stamp and given):
        return "unsigned"
    if not secret or not _fresh(stamp, now):
        return "invalid"
    # The whole first: a secret that somebody typed in may hold a space.
    keys = [key for each in dict.fromkeys([secret, *secret.split()]) if (key := _key(each)) is not None]
    signed = f"{message_id}.{stamp}.".encode("latin-1", "replace") + raw
    wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()) for key in keys]
    given_signatures = [part.removeprefix("v1,") for part in given.split() if part.startswith("v1,")]
    candidates = [part.encode("latin-1", "replace") for part in given_signatures]
    matches = [hmac.compare_digest(want, each) for want in wanted for each in candidates]
    return "valid" if any(matches) else "invalid"


def _key(secret: str) -> bytes | None:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return None


def _fresh(stamp: str, now: datetime) -> bool:
    try:
        return abs(now.timestamp() - int(stamp)) <= TOLERANCE_S
    except ValueError:
        return False
