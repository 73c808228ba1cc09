"""One end for a whole request, whatever its server does.

The time-outs of an SDK count each read from the start, so a server that sends one byte a second is never late (LLM facts
1.1). Here every step on the wire, from the connection to the last byte, gets what is left until one moment. It is the same
thread that waits and that gives up: there is no timer to leak, and a request that is over closes its connection itself.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import httpcore2
import structlog

log = structlog.get_logger(__name__)

# Bytes of a request that are handed over at a time.
PIECE = 16_384
_end: ContextVar[float | None] = ContextVar("end_of_request", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What a bounded client asks for in this block has to be answered in full within so many seconds from now; later it
    fails like a read that came too late. An earlier end of a block around this one stays."""
    end, outer = monotonic() + seconds, _end.get()
    token = _end.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _end.reset(token)


def bounded(sdk: Any) -> None:
    """Make the connections of a vendor's SDK keep to `within`. Other transports, such as a test's, are left as they are.

    The SDKs hand no network of one's own through, hence the private names; a test over real sockets notices when one of
    them is called otherwise in a new release.
    """
    client = getattr(sdk, "_client", None)
    transports = [getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()]
    for pool in (getattr(one, "_pool", None) for one in transports):
        if pool is None:
            continue
        if not isinstance(getattr(pool, "_network_backend", None), httpcore2.NetworkBackend):
            log.warning("requests_without_a_deadline", sdk=type(sdk).__module__)
            continue
        pool._network_backend = _Network(pool._network_backend)


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """The seconds this step may take. Raises `late` when the request is over."""
    end = _end.get()
    if end is None:
        return timeout
    left = end - monotonic()
    if left <= 0:
        raise late("the request took too long as a whole")
    return left if timeout is None else min(timeout, left)


class _Network(httpcore2.NetworkBackend):
    """Connections whose every step ends with the request."""

    def __init__(self, inner: httpcore2.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, left, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore2.NetworkStream):
    """A connection; one that is kept open serves requests with other ends."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, because a slow reader is waited for once per piece that the system takes.
        for start in range(0, len(buffer), PIECE):
            self._inner.write(buffer[start : start + PIECE], _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
