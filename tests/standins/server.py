"""The threaded HTTP/1.1 server under a stand-in: keep-alive, silent, quick to start and to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from tests.standins.http import Response

Serve = Callable[[BaseHTTPRequestHandler, bytes], Response | None]


class Handler(BaseHTTPRequestHandler):
    """Reads one request, asks the owner for the answer, writes it in one piece; None drops the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the stand-in keeps its own request log."""

    def _serve(self) -> None:
        response = self.server.serve(self, self._read_body())
        if response is None:
            self.close_connection = True
            return
        try:
            self.wfile.write(self._encode(response))
        except OSError:
            # The client gave up waiting, which is what a time-out test provokes.
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _encode(self, response: Response) -> bytes:
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Status"
        lines = [f"HTTP/1.1 {response.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if response.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(response.body)}")
        body = b"" if self.command == "HEAD" else response.body
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class LoopbackServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1 only; `close` also ends the idle keep-alive connections of pooled clients."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, serve: Serve) -> None:
        self.serve = serve
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        """Bind without the reverse name look-up of HTTPServer, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection cut by the client is part of the tests; errors of the owner never get here."""

    def close(self) -> None:
        """Stop listening, cut all connections and wait (5 s at most) for their threads."""
        self.shutdown()
        self.server_close()
        self._thread.join(5)
        with self._changed:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
            self._changed.wait_for(lambda: not self._open, timeout=5)
