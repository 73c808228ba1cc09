"""The body of a request, whole or not at all."""

from __future__ import annotations

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge


def whole_body(request: Request, most: int) -> bytes:
    """The bytes of the body. Raises RequestEntityTooLarge for more than `most` bytes, and BadRequest or ClientDisconnected
    when the connection ends in the middle.

    A body that comes in chunks, without its length, is cut at the limit and nothing says so: one byte more shows it.
    """
    if (request.content_length or 0) > most:
        raise RequestEntityTooLarge
    request.max_content_length = most + 1
    raw = request.get_data(cache=False)
    if len(raw) > most:
        raise RequestEntityTooLarge
    return raw
