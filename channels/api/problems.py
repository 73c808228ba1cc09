"""Every refusal of the API in one shape: problem+json (RFC 9457), with the fields that are wrong and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response

MEDIA_TYPE = "application/problem+json"
# What each kind of refusal is called; `type` is this name behind URN.
URN = "urn:leads:problem:"
KINDS: dict[str, tuple[int, str]] = {
    "unreadable": (400, "The body cannot be read"),
    "key": (401, "A valid key is needed"),
    "paused": (403, "This business takes nothing at the moment"),
    "method": (405, "Leads are posted"),
    "idempotency-conflict": (409, "This idempotency key was used for something else"),
    "too-large": (413, "The body is too large"),
    "media-type": (415, "This kind of body is not understood"),
    "fields": (422, "Some fields are not right"),
    "too-many": (429, "Too many requests with this key"),
    "away": (503, "Nothing can be stored at the moment"),
}


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong. `path`: where it stands, outermost first; empty: the request as a whole."""

    path: tuple[str, ...]
    detail: str

    @property
    def field(self) -> str:
        """The path as one name, the way a form names it: `vehicle.year`."""
        return ".".join(self.path)

    @property
    def pointer(self) -> str:
        """The path as a JSON Pointer in a URI fragment (RFC 6901)."""
        return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.path)


class Problem(Exception):
    """A request that is refused. `detail` is for whoever built the caller; it never repeats a value that was sent."""

    def __init__(
        self, kind: str, detail: str, errors: Sequence[FieldError] = (), *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.retry_after_s = kind, detail, tuple(errors), retry_after_s
        self.status, self.title = KINDS[kind]


def answer(problem: Problem) -> Response:
    """The refusal as an answer."""
    body: dict[str, object] = {
        "type": URN + problem.kind,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = [
            {"field": one.field, "pointer": one.pointer, "detail": one.detail} for one in problem.errors
        ]
    response = Response(
        json.dumps(body, ensure_ascii=False), problem.status, content_type=f"{MEDIA_TYPE}; charset=utf-8"
    )
    response.headers["Cache-Control"] = "no-store"
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="leads"'
    if problem.status == 405:
        response.headers["Allow"] = "POST"
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    return response
