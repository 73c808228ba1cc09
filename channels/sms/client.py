"""The official Twilio client, with explicit time-outs and at a base address of our choosing."""

from __future__ import annotations

from typing import Any

from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from ops.http_environment import use_environment

TIMEOUT_S = 12.0
API = "https://api.twilio.com"


class RateLimited(TwilioException):  # type: ignore[misc]
    """A 429, which the SDK reports without its headers. Nothing was processed (messaging facts 2.4, 20429)."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__("Twilio asks to slow down")
        self.retry_after_s = retry_after_s


class RedirectedClient(TwilioHttpClient):  # type: ignore[misc]
    """Sends api.twilio.com's requests to another base address (setting TWILIO_API_BASE): a region or a stand-in."""

    def __init__(self, base: str) -> None:
        # No pooled retries: a POST whose answer was lost must not be repeated by a library.
        super().__init__(timeout=TIMEOUT_S, max_retries=None)
        self._base = base
        if self.session is not None:
            use_environment(self.session, base)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """One request, at our base. Raises RateLimited for a 429."""
        answer = super().request(method, url.replace(API, self._base, 1), *args, **kwargs)
        if answer.status_code == 429:
            wait = str((answer.headers or {}).get("Retry-After", ""))
            raise RateLimited(float(wait) if wait.isdigit() else None)
        return answer


def make_client(account_sid: str, auth_token: str, api_base: str = API) -> Client:
    """A client for one account. Safe to share between threads."""
    return Client(account_sid, auth_token, http_client=RedirectedClient(api_base))
