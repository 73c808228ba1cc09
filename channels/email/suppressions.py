"""The lists SendGrid keeps of addresses it sends nothing to, for one account or subuser (messaging facts 4.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Literal
from urllib.parse import quote

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from channels.carrier import CarrierError
from channels.email.errors import from_http
from channels.email.event_effects import what_they_said
from crm.emails import normal_email

TIMEOUT_S = 10
PAGE = 500
# No list of a service shop's customers is longer; a server that gives the same page for ever is not asked for ever.
MOST_PAGES = 4000

Kind = Literal["bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes"]
KINDS: tuple[Kind, ...] = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")


class ListsFailed(Exception):
    """SendGrid did not answer as it should. `lasting`: asking again gives the same, so a person has to look;
    `retry_after_s`: what it asks for. Fit to be shown to an owner."""

    def __init__(self, message: str, *, lasting: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Listed:
    """One address on a list. `reason` is a strange server's text in one line, `status` its code."""

    kind: Kind
    address: str
    created: datetime
    reason: str = ""
    status: str = ""


class SuppressionLists:
    """The lists of one account; not to be shared between threads, as the SDK's client is not."""

    def __init__(self, api_key: str, host: str, subuser: str | None = None) -> None:
        sdk = SendGridAPIClient(api_key.strip(), host=host, impersonate_subuser=subuser)
        sdk.client.timeout = TIMEOUT_S
        self._client = sdk.client

    def pages(self, kind: Kind, since: datetime, until: datetime) -> Iterator[list[Listed]]:
        """What came onto a list within this time, page by page. A page may hold fewer than asked for, so only an empty
        one is the end. Raises ListsFailed."""
        offset = 0
        for _ in range(MOST_PAGES):
            asked = {
                "start_time": int(since.timestamp()),
                "end_time": int(until.timestamp()),
                "limit": PAGE,
                "offset": offset,
            }
            rows = _rows(self._call(self._client.suppression._(kind).get, query_params=asked))
            if not rows:
                return
            offset += len(rows)
            yield [found for row in rows if (found := _listed(kind, row)) is not None]
        raise ListsFailed(f"SendGrid's list of {kind} has no end", lasting=True)

    def stop(self, address: str) -> None:
        """Have no mail of this account go to an address any more, whoever asks for it. Repeating is harmless. Raises
        ListsFailed."""
        everywhere = self._client.asm.suppressions._("global")
        self._call(everywhere.post, request_body={"recipient_emails": [address]})

    def start(self, address: str) -> None:
        """Take back `stop` and a spam report, because the person asked for mail again. Not being on the lists is fine.
        Raises ListsFailed."""
        written = quote(address, safe="@")
        self._call(self._client.asm.suppressions._("global")._(written).delete, missing_ok=True)
        self._call(self._client.suppression.spam_reports._(written).delete, missing_ok=True)

    def _call(self, request: Any, *, missing_ok: bool = False, **more: Any) -> Any:
        try:
            return request(**more)
        except HTTPError as error:
            if missing_ok and error.status_code == 404:
                return None
            raise _failed(from_http(error.status_code, error.body, error.headers), error) from error
        except (OSError, HTTPException) as error:
            raise ListsFailed(f"SendGrid could not be asked ({type(error).__name__})") from error


def _failed(carrier: CarrierError, error: HTTPError) -> ListsFailed:
    status = int(error.status_code)
    if status in (401, 403):
        said = "SendGrid refuses the API key; for its lists it needs the Suppressions permission"
        return ListsFailed(f"{said} ({status})")
    lasting = 400 <= status < 500 and status not in (408, 429)
    said = "SendGrid asks to slow down" if status == 429 else f"SendGrid answered {status}"
    return ListsFailed(said, lasting=lasting, retry_after_s=carrier.retry_after_s)


def _rows(response: Any) -> list[Any]:
    try:
        found = json.loads(response.body)
    except ValueError as error:
        raise ListsFailed("the answer was not SendGrid's") from error
    if not isinstance(found, list):
        raise ListsFailed("the answer was not SendGrid's")
    return found


def _listed(kind: Kind, row: Any) -> Listed | None:
    """One entry; None for what is no address."""
    if not isinstance(row, dict):
        return None
    address = normal_email(row.get("email")) if isinstance(row.get("email"), str) else None
    if address is None:
        return None
    try:
        created = datetime.fromtimestamp(float(row.get("created") or 0), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        created = datetime.fromtimestamp(0, UTC)
    return Listed(
        kind, address, created, what_they_said(row.get("reason")), what_they_said(row.get("status"), 40)
    )
