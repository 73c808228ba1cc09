"""What the tests of the Shopmonkey stand-in ask it with, and the receiver they let it post to."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import requests

from tests.standins.http import Response
from tests.standins.server import LoopbackServer
from tests.standins.shopmonkey import ShopmonkeyStandIn


def call(
    shop: ShopmonkeyStandIn, method: str, path: str, *, key: str = "key", **kwargs: Any
) -> requests.Response:
    """One request to the API with this key."""
    headers = {"Authorization": f"Bearer {key}", **kwargs.pop("headers", {})}
    return requests.request(method, f"{shop.url}/v3/{path}", headers=headers, timeout=5, **kwargs)


def listed(shop: ShopmonkeyStandIn, table: str, **query: Any) -> Any:
    """The answer to a list, with JSON arguments encoded."""
    params = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()}
    return call(shop, "GET", table, params=params).json()


class Receiver:
    """Our side: takes everything, or answers with the next of `answers`."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.server = LoopbackServer(0, self.serve)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> Response:
        """Keep the delivery and answer."""
        self.got.append(({name.lower(): value for name, value in handler.headers.items()}, body))
        return Response(self.answers.pop(0) if self.answers else 200)

    def events(self) -> list[tuple[str, str, str]]:
        """Table, operation and id of every delivery, in order."""
        bodies = [json.loads(body) for _, body in self.got]
        return [(body["table"], body["operation"], body["data"]["id"]) for body in bodies]


class Hands:
    """A clock that a test moves."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        """The present."""
        return self.moment

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)
