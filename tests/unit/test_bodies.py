"""A body is read whole or refused, whether or not it says how long it is."""

from __future__ import annotations

import io

import pytest
from flask import Flask, request

from ops.bodies import whole_body

MOST = 1000


def post(length: int, *, chunked: bool) -> tuple[int, bytes]:
    """Status and answer of an application that sends back how much it read."""
    app = Flask(__name__)
    app.add_url_rule("/", "read", lambda: str(len(whole_body(request, MOST))), methods=["POST"])
    body = b"a" * length
    if not chunked:
        answer = app.test_client().post("/", data=body)
    else:
        # What a server hands on of a body that came in chunks: a stream that ends, and no length.
        given = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        answer = app.test_client().post("/", environ_overrides=given)
    return answer.status_code, answer.data


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_whole_up_to_the_limit_and_refused_beyond(chunked: bool) -> None:
    assert post(MOST - 1, chunked=chunked) == (200, b"999")
    assert post(MOST, chunked=chunked) == (200, b"1000")
    assert post(MOST + 1, chunked=chunked)[0] == 413
    assert post(MOST * 50, chunked=chunked)[0] == 413
