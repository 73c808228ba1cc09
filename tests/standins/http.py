"""What passes over the wire of a stand-in: the logged request and the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from tests.standins.faults import Fault


@dataclass
class Request:
    """One received request as logged. `status` is what was answered; None while open or when dropped."""

    method: str
    path: str
    raw_query: str
    headers: Message
    body: bytes
    received: datetime
    fault: Fault | None = None
    status: int | None = None

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """Decoded query parameters; repeated names keep all values."""
        return parse_qs(self.raw_query, keep_blank_values=True)

    @cached_property
    def form_lists(self) -> dict[str, list[str]]:
        """Decoded urlencoded body; repeated names keep all values."""
        return parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    @property
    def form(self) -> dict[str, str]:
        """Decoded urlencoded body, last value of each name."""
        return {name: values[-1] for name, values in self.form_lists.items()}

    @cached_property
    def json(self) -> Any:
        """Parsed JSON body, or None when the body is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def arg(self, name: str, default: str = "") -> str:
        """First value of a query parameter."""
        return self.query.get(name, [default])[0]

    def bearer(self) -> str:
        """The token of `Authorization: Bearer`, or an empty string."""
        scheme, _, token = str(self.headers.get("Authorization", "")).partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass
class Response:
    """An answer; Content-Length is added when it is written."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_response(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    return Response(
        status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}
    )


def html_response(status: int, title: str) -> Response:
    """The page a proxy or firewall shows in the vendor's place."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
