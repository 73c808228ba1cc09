"""One request to Shopmonkey's API v3 and its repetitions (shopmonkey facts 1-3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_random_exponential
from urllib3.exceptions import NewConnectionError

from crm.connectors.errors import ConnectorError, Uncertain
from crm.connectors.limits import Slots
from crm.connectors.shopmonkey.answers import Answer, Refusal, answer_of
from ops.http_environment import use_environment

log = structlog.get_logger(__name__)

TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
DEADLINE_S = 20.0
ATTEMPTS = 4
MAX_BYTES = 32 * 1024 * 1024
# Longer than this nobody waits inside a job: its row is tried again when the vendor wants it to be.
PATIENCE_S = 5.0
USER_AGENT = "lead-orchestrator/1"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_backoff = wait_random_exponential(multiplier=0.4, max=5)


class _KeepOpen(HTTPAdapter):
    """Connections outlive the client of one job: a new TLS handshake for each lead would cost more than its answer."""

    def close(self) -> None:
        """Sessions close their adapters; this one belongs to the process."""


_ADAPTER = _KeepOpen(pool_connections=32, pool_maxsize=32)


class _Bearer(requests.auth.AuthBase):
    """As an auth object, because a netrc entry for the host would replace a plain header."""

    def __init__(self, api_key: str) -> None:
        self._value = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class Lost(ConnectorError):
    """No usable answer came. `sent` False: the request never left."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message, kind="transient")
        self.sent = sent


@dataclass
class Transport:
    """Requests with one key. Safe between the threads of one job.

    `timeout_s` bounds each wait for bytes and each whole answer; `deadline_s` a request with its repetitions.
    """

    api_key: str = field(repr=False)
    base_url: str
    timeout_s: float = TIMEOUT_S
    deadline_s: float = DEADLINE_S
    patience_s: float = PATIENCE_S
    limits: Slots | None = None
    sleep: Callable[[float], None] = time.sleep
    _http: requests.Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._http = requests.Session()
        self._http.mount("https://", _ADAPTER)
        self._http.mount("http://", _ADAPTER)
        self._http.auth = _Bearer(self.api_key.strip())
        self._http.headers["User-Agent"] = USER_AGENT
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.base_url = self.base_url.rstrip("/")
        use_environment(self._http, self.base_url)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool,
    ) -> Answer:
        """The answer to `method` on `/v3/<path>`. Raises ConnectorError.

        `repeatable`: a second time does no harm, so it is tried again on 408, 429, 502, 503, 504, resets and
        broken answers. What is not repeatable is only tried again when it surely did not happen; Uncertain when it
        may have.
        """
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(self.deadline_s),
            wait=_pause,
            retry=retry_if_exception(lambda error: self._again(error, repeatable)),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            answer: Answer = retrying(self._once, method, path, params, body)
        except (Lost, Refusal) as error:
            if repeatable or not _may_have_happened(error):
                raise
            raise Uncertain(str(error), status=error.status) from error
        return answer

    def together(self, requests: int) -> AbstractContextManager[None]:
        """So many requests that belong together: they get their turn all at once, or none of them. Raises like `call`
        when the key's limits are reached."""
        return self.limits.prepay(requests) if self.limits is not None else nullcontext()

    def close(self) -> None:
        """The key is forgotten; connections stay with the process."""
        self._http.close()

    def _again(self, error: BaseException, repeatable: bool) -> bool:
        if isinstance(error, Lost):
            return repeatable or not error.sent
        if not isinstance(error, Refusal) or (error.retry_after_s or 0) > self.patience_s:
            return False
        return error.passing if repeatable else error.status == 429

    def _once(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Mapping[str, Any] | None
    ) -> Answer:
        url = f"{_safe(self.base_url)}/v3/{path}"
        with self.limits.slot() if self.limits is not None else nullcontext():
            try:
                answer = self._exchange(method, url, params, body)
            except Refusal as error:
                if error.status == 429 and self.limits is not None:
                    self.limits.rest(error.retry_after_s if error.retry_after_s is not None else 2.0)
                log.info("shopmonkey_refused", method=method, path=path, status=error.status)
                raise
        log.debug("shopmonkey_answered", method=method, path=path, request_id=answer.request_id)
        return answer

    def _exchange(
        self, method: str, url: str, params: Mapping[str, Any] | None, body: Mapping[str, Any] | None
    ) -> Answer:
        waits = (min(CONNECT_TIMEOUT_S, self.timeout_s), self.timeout_s)
        try:
            with self._http.request(
                method, url, params=params, json=body, timeout=waits, allow_redirects=False, stream=True
            ) as response:
                raw = self._read(response)
        except (requests.ConnectionError, requests.Timeout) as error:
            message = f"Shopmonkey cannot be reached ({type(error).__name__})"
            raise Lost(message, sent=not _never_left(error)) from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise Lost("Shopmonkey's answer broke off", sent=True) from error
        except (requests.RequestException, ValueError) as error:
            raise ConnectorError("the base address or the key is malformed", kind="misconfigured") from error
        return answer_of(response.status_code, response.headers, raw)

    def _read(self, response: requests.Response) -> bytes:
        """All of the body. A server that drips bytes without end keeps a plain read waiting for ever."""
        until, parts, size = time.monotonic() + self.timeout_s, [], 0
        for part in response.iter_content(65536):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES or time.monotonic() > until:
                raise Lost("Shopmonkey's answer has no end", sent=True)
        return b"".join(parts)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after_s if isinstance(error, ConnectorError) else None
    return asked if asked is not None else float(_backoff(state))


def _may_have_happened(error: Lost | Refusal) -> bool:
    return error.sent if isinstance(error, Lost) else error.unclear


def _never_left(error: requests.RequestException) -> bool:
    if isinstance(
        error, (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)
    ):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _safe(base_url: str) -> str:
    """The key leaves this machine only over TLS."""
    try:
        parts = urlsplit(base_url)
    except ValueError as error:
        raise ConnectorError("the base address of Shopmonkey is malformed", kind="misconfigured") from error
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return base_url
    raise ConnectorError("the base address of Shopmonkey must begin with https://", kind="misconfigured")
