"""A server on a loopback socket that is never silent for long and never done."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
PACE_S = 0.05
# So long that a client with no end of its own gives up for another reason: the answer is cut.
BYTES = 200


class Dripping:
    """Answers the first `whole` requests of each connection with {}, and every other with one byte at a time, from its
    `head` on or from its body on. `hung_up` is set when a client closed the connection before the last byte."""

    def __init__(self, *, head: bool = False, whole: int = 0) -> None:
        self._head, self._whole = head, whole
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self.hung_up = threading.Event()
        self.connections = 0
        self._threads = [threading.Thread(target=self._serve)]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Dripping:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        # Ends the accept.
        socket.create_connection(self._socket.getsockname()).close()
        for thread in self._threads:
            thread.join(20)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._closing.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            for _ in range(self._whole):
                _request(connection)
                connection.sendall(WHOLE)
            _request(connection)
            try:
                self._drip(connection)
            except OSError:
                self.hung_up.set()

    def _drip(self, connection: socket.socket) -> None:
        if not self._head:
            connection.sendall(HEAD)
        said = b"HTTP/1.1 200 OK\r\nx: " + b"x" * BYTES if self._head else b" " * BYTES
        for place in range(BYTES):
            if self._closing.wait(PACE_S):
                return
            connection.sendall(said[place : place + 1])


def _request(connection: socket.socket) -> None:
    """Read one request to its end."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        if not part:
            return
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-length")),
        0,
    )
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return
        body += part
