"""What SendGrid's refusals and a broken network mean for a mail."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from channels.carrier import CarrierError, ErrorKind

INSTALLATION = "SENDGRID_API_KEY"
# A carrier that asks for more patience than this is asked again all the same.
_MOST_PATIENCE_S = 3600.0
# Fields of a mail that are the same for everybody it goes to: what is wrong with them, an owner has to mend.
_OUR_FIELDS = ("from", "reply_to", "ip_pool_name", "asm", "mail_settings")


def from_http(
    status: int, body: bytes | str | None, headers: Mapping[str, str] | None, *, whose: str = INSTALLATION
) -> CarrierError:
    """The CarrierError for an HTTP error status of mail/send. `whose`: how an owner knows the account's key."""
    said = _message(body)
    kind: ErrorKind
    if status in (401, 403):
        kind, text = "misconfigured", f"SendGrid refuses {whose} or the sender address: {said}"
    elif status in (404, 405):
        kind, text = "misconfigured", f"SENDGRID_API_BASE does not lead to SendGrid's API ({status})"
    elif status == 429:
        return CarrierError(
            "SendGrid asks to slow down",
            kind="transient",
            code="429",
            retry_after_s=_patience(headers or {}),
            slow_down=True,
        )
    elif status == 413:
        kind, text = "permanent", "this mail is too large for SendGrid"
    elif status >= 500 or status == 408:
        kind, text = "uncertain", f"SendGrid failed ({status}); the mail may have been sent"
    elif status == 400 and _about_us(body):
        kind, text = "misconfigured", f"SendGrid refuses the sender of this mail: {said}"
    else:
        kind, text = "permanent", f"SendGrid refuses this mail ({status}): {said}"
    return CarrierError(text, kind=kind, code=str(status))


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


def _errors(body: bytes | str | None) -> list[Any]:
    """SendGrid's list of what is wrong; empty for anything else, such as the page of a proxy."""
    try:
        found = json.loads(body or b"")["errors"]
    except (ValueError, KeyError, TypeError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _message(body: bytes | str | None) -> str:
    said = "; ".join(str(one.get("message")) for one in _errors(body))
    return " ".join(said.split())[:300] or "no reason given"


def _about_us(body: bytes | str | None) -> bool:
    """Whether everything that is wrong is wrong with our side of the mail."""
    fields = [str(one.get("field") or "").split(".")[0] for one in _errors(body)]
    return bool(fields) and all(field in _OUR_FIELDS for field in fields)


def _patience(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait. `Retry-After` in seconds, else `X-RateLimit-Reset`, a Unix time of SendGrid's clock, from which
    the answer's own `Date` is taken so that our clock does not matter."""
    seconds = _number(headers.get("Retry-After"))
    reset = _number(headers.get("X-RateLimit-Reset"))
    if seconds is None and reset is not None:
        try:
            seconds = reset - parsedate_to_datetime(headers.get("Date") or "").timestamp()
        except (TypeError, ValueError):
            return None
    return None if seconds is None else min(max(0.0, seconds), _MOST_PATIENCE_S)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None
