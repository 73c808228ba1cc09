"""Twilio's Consent API: telling the carrier about a stop or a START that it cannot have noticed (messaging facts 2.8).

Twilio blocks a number by itself only at a one-word keyword. "Please stop texting me", a mail or a word on the phone is
a revocation too, and with this call Twilio holds it as well: the second lock on the door.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

TIMEOUT_S = 12.0
API, ACCOUNTS = "https://api.twilio.com", "https://accounts.twilio.com"
# Ours, so that the same event pushed twice has the same correlation id.
_NAMESPACE = uuid.UUID("5a0c6a3e-2f0b-5b0e-9d52-6d3f7f2a9f11")

Status = Literal["opt-in", "opt-out"]
Source = Literal["website", "offline", "opt-in-message", "opt-out-message", "others"]


class ConsentPushFailed(Exception):
    """Twilio did not take it. `lasting`: asking again gives the same, so a person has to look. Fit to be shown."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True)
class ConsentItem:
    """One person's consent for one of our senders (a Messaging Service SID or a number)."""

    contact: str
    sender: str
    status: Status
    source: Source
    since: datetime
    event_id: int

    @property
    def correlation(self) -> str:
        """32 characters that name this event at this sender."""
        return uuid.uuid5(_NAMESPACE, f"{self.event_id}:{self.sender}").hex

    def as_json(self) -> dict[str, str]:
        """The object Twilio takes."""
        return {
            "contact_id": self.contact,
            "correlation_id": self.correlation,
            "sender_id": self.sender,
            "status": self.status,
            "source": self.source,
            "date_of_consent": self.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class ConsentApi:
    """The Consent API of one account. `base` is where accounts.twilio.com is reached (a stand-in in tests)."""

    def __init__(self, account_sid: str, auth_token: str, base: str) -> None:
        self._client = Client(account_sid, auth_token, http_client=_Redirected(base))

    def push(self, items: list[ConsentItem]) -> None:
        """Tell Twilio, all items in one call; repeating it is harmless. Raises ConsentPushFailed."""
        try:
            created = self._client.accounts.v1.bulk_consents.create(items=[item.as_json() for item in items])
        except TwilioRestException as error:
            lasting = 400 <= error.status < 500 and error.status not in (401, 403, 408, 429)
            raise ConsentPushFailed(
                f"Twilio answered {error.status}, code {error.code}", lasting=lasting
            ) from error
        except (TwilioException, requests.RequestException, ValueError) as error:
            raise ConsentPushFailed("Twilio could not be asked", lasting=False) from error
        _check(created.items, {item.correlation for item in items})


def accounts_base(api_base: str, accounts_base: str | None) -> str:
    """Where the Consent API is: as configured; else beside a redirected API, so that a stand-in for one is one for
    both and nothing goes to the real Twilio by accident; else Twilio's own."""
    if accounts_base:
        return accounts_base.rstrip("/")
    return ACCOUNTS if api_base == API else api_base


def _check(answers: Any, wanted: set[str]) -> None:
    """Every item has to be answered with error code 0."""
    found = answers if isinstance(answers, list) else []
    bad = [one for one in found if isinstance(one, dict) and int(one.get("error_code") or 0) != 0]
    if bad:
        codes = ", ".join(sorted({str(one["error_code"]) for one in bad}))
        raise ConsentPushFailed(f"Twilio refused the consent record: error {codes}", lasting=True)
    told = {str(one.get("correlation_id")) for one in found if isinstance(one, dict)}
    if not wanted <= told:
        raise ConsentPushFailed("Twilio did not say what became of every consent record", lasting=False)


class _Redirected(TwilioHttpClient):  # type: ignore[misc]
    """Sends the requests for accounts.twilio.com to another base address, with a time-out and no retry."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=TIMEOUT_S, max_retries=None)
        self._base = base

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace(ACCOUNTS, self._base, 1), *args, **kwargs)
