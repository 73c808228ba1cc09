"""The Flask application factory: wiring only. Commands are in `cli`, the way of a text is in ARCHITECTURE.md."""

from __future__ import annotations

import gc
from dataclasses import replace

import redis
from flask import Flask, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from channels.api.webhook import make_blueprint as api_blueprint
from channels.email.events import make_blueprint as events_blueprint
from channels.email.unsubscribe import make_blueprint as unsubscribe_blueprint
from channels.email.webhook import make_blueprint as email_blueprint
from channels.sms.webhook import make_blueprint as sms_blueprint
from crm.connectors.shopmonkey.webhook import make_blueprint as shopmonkey_blueprint
from ops.logging import configure_logging
from ops.queue import BackgroundWakes
from scheduler.canary import loop_of
from scheduler.runtime import Runtime, get_runtime

MAX_BODY = 35 * 1024 * 1024


def create_app(runtime: Runtime | None = None) -> Flask:
    """The web process. Refuses to start with a database role that row-level security does not hold for."""
    if runtime is None:
        runtime = get_runtime()
        runtime = replace(runtime, queue=BackgroundWakes(runtime.redis))
        # What is loaded by now lives as long as the process; walking through it again and again under load is what
        # the slowest requests were waiting for.
        gc.collect()
        gc.freeze()
    configure_logging(runtime.settings.log_level, process="web")
    runtime.db.refuse_unsafe_role()
    app = Flask("leads")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    for blueprint in (
        sms_blueprint,
        email_blueprint,
        events_blueprint,
        unsubscribe_blueprint,
        shopmonkey_blueprint,
        api_blueprint,
    ):
        app.register_blueprint(blueprint(runtime))

    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        """200 when database and queue answer, else 503 with what does not. Whether clock and workers turn is said beside
        it: this process takes webhooks in all the same."""
        state = {"database": _database_answers(runtime), "queue": _queue_answers(runtime)}
        return jsonify(state | _loop(runtime)), 200 if all(state.values()) else 503

    return app


def _database_answers(runtime: Runtime) -> bool:
    try:
        with runtime.db.system() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError:
        return False
    return True


def _loop(runtime: Runtime) -> dict[str, bool | str | None]:
    try:
        with runtime.db.system() as session:
            loop = loop_of(session, runtime.clock.now())
    except SQLAlchemyError:
        return {"loop": None}
    return {"loop": loop.turning, "loop_last": None if loop.last is None else loop.last.isoformat()}


def _queue_answers(runtime: Runtime) -> bool:
    try:
        return bool(runtime.redis.ping())
    except redis.RedisError:
        return False
