"""Fetching a picture of a text from Twilio, within narrow limits (messaging facts 1.5).

The address in a webhook is only a name: it has to be exactly the place of our own account's message, and is asked for
at the API's own address, with credentials. From there Twilio leads to its store of files, which gets no credentials and
has to be one of the known ones, by https, at a public address.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

API_HOST = "api.twilio.com"
# Twilio takes messages of 5 MB; a store that sends much more is not Twilio's.
MOST_BYTES = 10 * 1024 * 1024
MOST_HOPS = 3
TIMEOUTS_S = (5.0, 10.0)
# For the whole of one file, so that a store that drips bytes holds nobody up.
DEADLINE_S = 40.0
CHUNK = 64 * 1024
_PATH = r"/2010-04-01/Accounts/{account}/Messages/{message}/Media/ME[0-9a-fA-F]{{32}}"
_STORES = re.compile(
    r"(?:[a-z0-9-]+\.)*twiliocdn\.com|(?:[a-z0-9.-]+\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com", re.IGNORECASE
)
_REDIRECTS = (301, 302, 303, 307, 308)


class MediaRefused(Exception):
    """It breaks a limit and is never fetched; says which."""


class MediaAway(Exception):
    """It cannot be had now, and may be later; says why. `code` is the HTTP status, None without an answer."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Fetched:
    """One file: its bytes, their SHA-256 in hexadecimal, and the type the store named, without parameters."""

    body: bytes
    sha256: str
    content_type: str | None


def addresses_of(host: str, port: int) -> list[str]:
    """The IP addresses a name stands for. Raises OSError when it cannot be resolved."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class MediaFetcher:
    """Fetches for one account. `api_base` is where the API is really asked (a region, or a stand-in)."""

    account_sid: str
    auth_token: str
    api_base: str = f"https://{API_HOST}"
    resolve: Callable[[str, int], Iterable[str]] = addresses_of
    monotonic: Callable[[], float] = time.monotonic
    most_bytes: int = MOST_BYTES
    deadline_s: float = DEADLINE_S

    def fetch(self, url: str, message_sid: str) -> Fetched:
        """The file at a message's media address. Raises MediaRefused and MediaAway."""
        end = self.monotonic() + self.deadline_s
        target, auth = self._first(url, message_sid), (self.account_sid, self.auth_token)
        for hop in range(MOST_HOPS + 1):
            with self._get(target, auth if hop == 0 else None) as answer:
                if answer.status_code in _REDIRECTS:
                    target = self._next(target, answer.headers.get("Location", ""))
                    continue
                _check(answer)
                return self._read(answer, end)
        raise MediaRefused("it leads from one address to the next and never to the file")

    def _first(self, url: str, message_sid: str) -> str:
        """Where to ask with credentials: the API's own base and the path, if it is this message's and nothing else."""
        parts = _split(url)
        own_place = _PATH.format(account=re.escape(self.account_sid), message=re.escape(message_sid))
        hosts = {(API_HOST, "https"), (_authority(_split(self.api_base)), _split(self.api_base).scheme)}
        if (_authority(parts), parts.scheme) not in hosts or parts.query or parts.fragment:
            raise MediaRefused("its address is not Twilio's")
        if not re.fullmatch(own_place, parts.path):
            raise MediaRefused("its address is not the one of this message in our account")
        return f"{self.api_base}{parts.path}"

    def _next(self, base: str, location: str) -> str:
        """Where a redirect leads, if it may lead there."""
        target = urljoin(base, location)
        parts, api = _split(target), _split(self.api_base)
        if (_authority(parts), parts.scheme) == (_authority(api), api.scheme):
            return target
        if parts.scheme != "https" or parts.port not in (None, 443) or "@" in parts.netloc:
            raise MediaRefused("it leads away from https")
        if not _STORES.fullmatch(parts.hostname or ""):
            raise MediaRefused("it leads to a host that is not one of Twilio's stores")
        self._refuse_private(parts.hostname or "")
        return target

    def _refuse_private(self, host: str) -> None:
        """A known name that stands for an address inside is a trap. (That the name is really the store's, its
        certificate proves afterwards.)"""
        try:
            found = list(self.resolve(host, 443))
        except OSError as error:
            raise MediaAway("the store's name cannot be resolved") from error
        if not found or not all(ipaddress.ip_address(one.partition("%")[0]).is_global for one in found):
            raise MediaRefused("it leads to a private address")

    def _get(self, url: str, auth: tuple[str, str] | None) -> requests.Response:
        with requests.Session() as session:
            # Nothing of the environment: a netrc file would give credentials to hosts of its own choosing.
            session.trust_env = False
            try:
                return session.get(
                    url,
                    auth=auth,
                    timeout=TIMEOUTS_S,
                    allow_redirects=False,
                    stream=True,
                    headers={"Accept": "*/*", "Accept-Encoding": "identity"},
                )
            except requests.RequestException as error:
                raise MediaAway(f"there was no answer ({type(error).__name__})") from error

    def _read(self, answer: requests.Response, end: float) -> Fetched:
        """The body, cut off as soon as it is too long or takes too long."""
        told = answer.headers.get("Content-Length", "")
        if told.isdecimal() and int(told) > self.most_bytes:
            raise MediaRefused(_TOO_LARGE)
        chunks: list[bytes] = []
        size = 0
        try:
            # What one packet brought at a time: a read that waits for a full block could be dripped to for days.
            while chunk := answer.raw.read1(CHUNK):
                size += len(chunk)
                if size > self.most_bytes:
                    raise MediaRefused(_TOO_LARGE)
                if self.monotonic() > end:
                    raise MediaAway("it took too long")
                chunks.append(chunk)
        except (HTTPError, OSError) as error:
            raise MediaAway(f"it broke off ({type(error).__name__})") from error
        body = b"".join(chunks)
        if told.isdecimal() and len(body) != int(told):
            raise MediaAway("it broke off")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Fetched(body, hashlib.sha256(body).hexdigest(), kind or None)


_TOO_LARGE = f"it is larger than {MOST_BYTES // (1024 * 1024)} MB"


def _check(answer: requests.Response) -> None:
    code = answer.status_code
    if code == 200 and answer.headers.get("Content-Encoding", "identity") == "identity":
        return
    if code == 200:
        raise MediaRefused("it comes in an encoding that nobody asked for")
    if code == 410:
        raise MediaRefused("it has been deleted")
    if code in (401, 403):
        raise MediaAway(f"Twilio refused our account or token ({code})", code)
    raise MediaAway("it is not there (yet)" if code == 404 else f"the answer was {code}", code)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise MediaRefused("its address is none") from error
    return parts


def _authority(parts: SplitResult) -> str:
    """Host and port as they stand there, user names and all, so that nothing but the exact host compares equal."""
    return parts.netloc.lower()
