"""What SendGrid's refusals and a broken network mean for a mail."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import URLError

from channels.carrier import CarrierError, ErrorKind


def from_http(status: int, body: bytes | str | None, headers: Mapping[str, str] | None) -> CarrierError:
    """The CarrierError for an HTTP error status of mail/send."""
    said = _message(body)
    retry_after = None
    kind: ErrorKind
    if status in (401, 403):
        kind, text = "misconfigured", f"SendGrid refuses SENDGRID_API_KEY or the sender address: {said}"
    elif status in (404, 405):
        kind, text = "misconfigured", f"SENDGRID_API_BASE does not lead to SendGrid's API ({status})"
    elif status == 429:
        kind, text = "transient", "SendGrid asks to slow down"
        retry_after = _seconds((headers or {}).get("Retry-After"))
    elif status >= 500 or status == 408:
        kind, text = "uncertain", f"SendGrid failed ({status}); the mail may have been sent"
    else:
        kind, text = "permanent", f"SendGrid refuses this mail ({status}): {said}"
    return CarrierError(text, kind=kind, code=str(status), retry_after_s=retry_after)


def from_network(error: OSError | HTTPException) -> CarrierError:
    """The CarrierError for a failure below HTTP: certain only when no connection came about."""
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, OSError) else error
    name = type(cause).__name__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CarrierError("SendGrid's certificate could not be verified", kind="misconfigured", code=name)
    # A name that does not resolve is a socket.gaierror, which is an OSError of the same kind of certainty.
    if isinstance(cause, ConnectionRefusedError) or name == "gaierror":
        return CarrierError("SendGrid cannot be reached", kind="transient", code=name)
    return CarrierError(
        "the connection to SendGrid broke; the mail may have been sent", kind="uncertain", code=name
    )


def _message(body: bytes | str | None) -> str:
    try:
        errors = json.loads(body or b"")["errors"]
        return "; ".join(str(error.get("message")) for error in errors)[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no reason given"


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
