"""The floor of the webhook benchmark: the least that could be called an inbound webhook. Flask, a checked signature,
one committed INSERT; no routing, no session, no debt, no stop words, no wake-up."""

from __future__ import annotations

import os

from flask import Flask, Response, request
from psycopg2.pool import ThreadedConnectionPool
from twilio.request_validator import RequestValidator


def create_app() -> Flask:
    """The bare application; addresses come from FLOOR_* variables."""
    app = Flask("floor")
    pool = ThreadedConnectionPool(16, 32, os.environ["FLOOR_DATABASE"])
    validator = RequestValidator(os.environ["FLOOR_TOKEN"])
    base = os.environ["FLOOR_BASE"]

    @app.post("/hooks/twilio/sms")
    def inbound() -> Response:
        if not validator.validate(
            base + request.path, request.form, request.headers.get("X-Twilio-Signature", "")
        ):
            return Response(status=403)
        connection = pool.getconn()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    "insert into floor (sid, sender, recipient, body) values (%s, %s, %s, %s) on conflict do nothing",
                    (
                        request.form["MessageSid"],
                        request.form["From"],
                        request.form["To"],
                        request.form["Body"],
                    ),
                )
        finally:
            pool.putconn(connection)
        return Response("<Response></Response>", mimetype="text/xml")

    return app
