"""Our web side of Inbound Parse on loopback, posts to it, and what of them is stored."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Engine, text
from werkzeug.serving import make_server

from channels.email.webhook import make_blueprint
from crm.db import Database
from ops.clock import FixedClock
from ops.queue import WakeQueue
from ops.settings import Settings
from tests.standins.sendgrid import SendGridStandIn, compose

TOKEN = "inbound-token-1"
NORTH = "shop@north.example"


@dataclass
class Deps:
    """What a web blueprint needs; a test may exchange parts of it while it runs."""

    db: Database
    queue: WakeQueue
    clock: FixedClock
    settings: Settings


@dataclass
class Site:
    """The running web side."""

    deps: Deps
    base: str

    @property
    def url(self) -> str:
        """The installation's address."""
        return self.under(TOKEN)

    def under(self, token: str) -> str:
        """The address with this secret end."""
        return f"{self.base}/hooks/sendgrid/inbound/{token}"


def settings(**given: Any) -> Settings:
    """Settings of a test; nothing comes from the environment."""
    return Settings(_env_file=None, **{"sendgrid_inbound_token": SecretStr(TOKEN), **given})


@contextmanager
def serving(db: Database, queue: WakeQueue, clock: FixedClock) -> Iterator[Site]:
    """Our web side on loopback, with an application-wide limit that would destroy mail if it counted."""
    deps = Deps(db, queue, clock, settings())
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    app.register_blueprint(make_blueprint(deps))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(deps, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join(10)
    server.server_close()


def mail(body: str = "Tuesday works", **extra: Any) -> bytes:
    """A whole mail of the customer both shops know."""
    return compose("Dana <dana@example.com>", "shop@north.example", "Re: Tint", body, **extra)


def post(
    sendgrid: SendGridStandIn,
    site: Site,
    raw: bytes,
    to: str | list[str] = NORTH,
    *,
    url: str | None = None,
    sign: str = "good",
) -> int:
    """Post one mail in raw mode; our answer."""
    delivery = sendgrid.deliver_inbound(
        url or site.url, raw=raw, envelope_to=to, envelope_from="dana@example.com", attempts=1, sign=sign
    )
    assert delivery.statuses[-1] is not None
    return delivery.statuses[-1]


def events(owner_engine: Engine) -> list[Any]:
    """What is stored, as (id, tenant, status, note, bytes), oldest first."""
    with owner_engine.begin() as connection:
        return list(
            connection.execute(
                text(
                    "select id, tenant_id, status, note, octet_length(body) from webhook_events order by received_at, id"
                )
            )
        )
