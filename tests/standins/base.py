"""What all stand-ins share: life cycle, request log, fault queue."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from tests.standins.faults import Fault, FaultQueue
from tests.standins.http import Request, Response, html_response
from tests.standins.server import LoopbackServer

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present, aware UTC; tests with their own time pass another clock."""
    return datetime.now(UTC)


class StandIn:
    """A vendor on a loopback port. Use as a context manager, or start() and stop().

    Leaving the `with` block raises AssertionError when the stand-in itself broke on a request, so that a bug
    here cannot pass for a vendor's 500.
    """

    extra_kinds: frozenset[str] = frozenset()

    def __init__(self, *, clock: Clock = system_clock) -> None:
        self.clock = clock
        self.requests: list[Request] = []
        self.crashes: list[str] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._faults = FaultQueue(self.extra_kinds)
        self._logged = threading.Condition()
        self._released = threading.Event()
        self._server: LoopbackServer | None = None
        self._port = 0

    # Life cycle

    def start(self) -> Self:
        """Listen. After a stop() the same port is taken again, which plays an outage that ends."""
        if self._server is None:
            self.stopping.clear()
            self._server = LoopbackServer(self._port, self._serve)
            self._port = self._server.server_port
        return self

    def stop(self) -> None:
        """Refuse connections from now on; hanging requests are cut."""
        self.stopping.set()
        self._released.set()
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if exc_type is None and self.crashes:
            raise AssertionError("the stand-in broke:\n" + "\n".join(self.crashes))

    @property
    def url(self) -> str:
        """Base address without a trailing slash; known after the first start()."""
        return f"http://127.0.0.1:{self._port}"

    # Faults

    def fail_next(self, n: int, kind: str | int, **opts: Any) -> None:
        """Let the next n requests fail; narrow with path= (substring) or method=."""
        self._faults.add(self._faults.make(kind, **opts), n)

    def fail_always(self, kind: str | int, **opts: Any) -> None:
        """Let every request fail until clear_faults()."""
        self._faults.add(self._faults.make(kind, **opts), None)

    def clear_faults(self) -> None:
        """Work normally again."""
        self._faults.clear()

    def release(self) -> None:
        """Let all requests held by the kind "hold" go on, now and later."""
        self._released.set()

    # Log

    def wait_for_requests(self, n: int, *, path: str = "", timeout_s: float = 10.0) -> list[Request]:
        """Requests whose path contains `path`, once there are n; AssertionError after timeout_s."""

        def found() -> list[Request]:
            return [request for request in self.requests if path in request.path]

        with self._logged:
            if not self._logged.wait_for(lambda: len(found()) >= n, timeout_s):
                raise AssertionError(f"{len(found())} of {n} requests to {path!r} within {timeout_s} s")
            return found()

    # For the vendors

    def handle(self, request: Request) -> Response:
        """Do the vendor's work; the fault of this request, if any, is in `request.fault`."""
        raise NotImplementedError

    def error_response(self, fault: Fault) -> Response:
        """The vendor's error body for `fault.status`."""
        raise NotImplementedError

    # One request

    def _serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> Response | None:
        path, _, raw_query = handler.path.partition("?")
        method = handler.command
        request = Request(method, path, raw_query, handler.headers, body, self.clock())
        request.fault = self._faults.take(method, path)
        with self._logged:
            self.requests.append(request)
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            self._logged.notify_all()
        try:
            response = self._answer(request)
        finally:
            with self._logged:
                self.in_flight -= 1
        request.status = response.status if response else None
        return response

    def _answer(self, request: Request) -> Response | None:
        fault = request.fault
        if fault is None:
            return self._work(request)
        early = self._before_work(fault)
        if isinstance(early, Response) or fault.kind in {"hang", "drop_connection"}:
            return early
        response = self._work(request)
        if fault.kind == "accept_then_hang":
            self.stopping.wait(fault.lasting(3600))
        if fault.kind in {"accept_then_drop", "accept_then_hang"}:
            return None
        if fault.kind == "broken_json":
            return Response(200, response.body[: max(1, len(response.body) // 2)] or b"{", response.headers)
        return response

    def _before_work(self, fault: Fault) -> Response | None:
        match fault.kind:
            case "status":
                return _with_headers(self.error_response(fault), fault.headers)
            case "retry_after":
                limited = Fault("status", status=429, code=fault.code, message=fault.message)
                return _with_headers(self.error_response(limited), {"Retry-After": f"{fault.lasting(1):g}"})
            case "html_200":
                return html_response(200, "Welcome")
            case "html":
                return html_response(fault.status, "Access denied")
            case "hang":
                self.stopping.wait(fault.lasting(3600))
            case "slow":
                self.stopping.wait(fault.lasting(1))
            case "hold":
                self._released.wait(fault.lasting(60))
        return None

    def _work(self, request: Request) -> Response:
        try:
            return self.handle(request)
        except Exception:  # noqa: BLE001 - whatever broke here is shown by __exit__, not hidden in a thread
            self.crashes.append(f"{request.method} {request.path}\n{traceback.format_exc()}")
            return Response(500, b"the stand-in broke", {"Content-Type": "text/plain"})


def _with_headers(response: Response, headers: dict[str, str]) -> Response:
    response.headers.update(headers)
    return response
