"""The API over a real database and queue: keys, posts, and what of them is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from channels.api import openapi
from channels.api.webhook import PATH, make_blueprint
from crm.api_keys import add_key
from crm.db import Database
from ops.clock import FixedClock
from ops.queue import WakeQueue
from ops.settings import Settings
from tests.conftest import Shop

PHONE = "+13125550150"
AGREED = "Text me about my request. Reply STOP to end."


@dataclass
class Deps:
    """What the API's blueprint needs; a test may exchange parts of it while it runs."""

    db: Database
    queue: WakeQueue
    clock: FixedClock
    settings: Settings
    redis: redis.Redis


@dataclass
class Api:
    """The API of an installation, and its tables."""

    deps: Deps
    app: Flask
    owner: Engine
    keys: dict[int, str] = field(default_factory=dict)

    def key(self, shop: Shop, name: str = "website", **given: Any) -> str:
        """A new key of a shop's business."""
        with self.deps.db.tenant(shop.tenant_id) as session:
            return add_key(session, tenant_id=shop.tenant_id, name=name, **given)[1]

    def server_key(self, shop: Shop) -> str:
        """The key the shop's server has, made once."""
        if shop.tenant_id not in self.keys:
            self.keys[shop.tenant_id] = self.key(shop)
        return self.keys[shop.tenant_id]

    def client(self) -> FlaskClient:
        """A client of its own, for a thread."""
        return self.app.test_client()

    def tell(
        self, shop: Shop, body: Any, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> TestResponse:
        """Post JSON with the shop's key; bytes go as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {key or self.server_key(shop)}", **(headers or {})}
        return self.client().post(PATH, data=raw, content_type="application/json", headers=given)

    def submit(self, fields: Any, *, accept: str = "text/html", **given: Any) -> TestResponse:
        """Post a form, as a browser does."""
        return self.client().post(
            PATH, data=fields, headers={"Accept": accept, **given.pop("headers", {})}, **given
        )

    def rows(self, statement: str, **given: Any) -> list[Any]:
        """What the owner of the database sees, of all tenants."""
        with self.owner.begin() as connection:
            return list(connection.execute(text(statement), given))

    def one(self, statement: str, **given: Any) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(statement, **given)
        return row[0]


@contextmanager
def serving(
    db: Database, queue: WakeQueue, clock: FixedClock, client: redis.Redis, owner: Engine
) -> Iterator[Api]:
    """The API's blueprint in an application of its own, with an application-wide limit as in the real one."""
    settings = Settings(_env_file=None, public_base_url="https://hooks.example.com")
    deps = Deps(db, queue, clock, settings, client)
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 35 * 1024 * 1024
    app.register_blueprint(make_blueprint(deps))
    yield Api(deps, app, owner)


def refusal(response: TestResponse, status: int) -> dict[str, Any]:
    """The body of a refusal; asserts that it is one, in the shape that is described."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = response.get_json(force=True)
    assert body["status"] == status
    against("Refusal", body)
    return body


def wrong(response: TestResponse) -> dict[str, str]:
    """The fields a refusal names, with the reasons."""
    return {one["field"]: one["detail"] for one in refusal(response, 422)["errors"]}


def against(schema: str, value: Any) -> None:
    """Assert that a value fits a schema of the description."""
    document = openapi.document("https://x.example")
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)
