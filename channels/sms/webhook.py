"""Twilio's webhooks: an inbound text, and the status of one we sent. Verify, store, answer; nothing else."""

from __future__ import annotations

import time
import uuid
from threading import Lock

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from channels.inbound import Inbound
from channels.inbox import receive
from channels.outcomes import apply_status
from channels.sms.signature import SignatureCheck
from crm.consents import normal_address
from crm.deps import WebDeps
from crm.leads import NoIdentity
from crm.models import ChatMessage, WebhookEvent
from crm.routing import Route, route_outbox, route_phone
from ops.settings import secret

log = structlog.get_logger(__name__)

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
ROUTE_SECONDS = 30.0


def _twiml() -> Response:
    return Response(EMPTY_TWIML, 200, mimetype="text/xml")


class PhoneRoutes:
    """Which location owns a number, remembered for half a minute: it is asked for every text and hardly changes."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        self._known: dict[str, tuple[float, Route]] = {}
        self._lock = Lock()

    def find(self, phone: str) -> Route | None:
        """The route, from memory or the database. Unknown numbers are never remembered."""
        known = self._known.get(phone)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        with self._deps.db.system() as session:
            route = route_phone(session, phone)
        if route is not None:
            with self._lock:
                self._known[phone] = (time.monotonic() + ROUTE_SECONDS, route)
        return route


def make_blueprint(deps: WebDeps) -> Blueprint:
    """`/hooks/twilio/sms` and `/hooks/twilio/status`. 403: not Twilio's; 503: come again (fallback URL)."""
    settings = deps.settings
    tokens = [secret(settings.twilio_auth_token) or "", secret(settings.twilio_auth_token_previous) or ""]
    check = SignatureCheck(settings.public_base_url, tokens)
    routes = PhoneRoutes(deps)
    blueprint = Blueprint("sms", __name__)
    we_confirm = not (settings.twilio_account_sid and settings.twilio_answers_keywords)

    @blueprint.post("/hooks/twilio/sms")
    def inbound() -> Response:
        if not check.is_valid(request):
            return Response("signature does not match", 403, mimetype="text/plain")
        try:
            _receive(deps, routes, request.form.to_dict(), we_confirm)
        except SQLAlchemyError:
            log.exception("inbound_text_not_stored")
            return Response("try again", 503, mimetype="text/plain")
        return _twiml()

    @blueprint.post("/hooks/twilio/status")
    def status() -> Response:
        if not check.is_valid(request):
            return Response("signature does not match", 403, mimetype="text/plain")
        try:
            _status(deps, request.args.get("o", ""), request.form.to_dict())
        except SQLAlchemyError:
            log.exception("status_not_stored")
            return Response("try again", 503, mimetype="text/plain")
        return Response(status=204)

    return blueprint


def _receive(deps: WebDeps, routes: PhoneRoutes, form: dict[str, str], we_confirm: bool) -> None:
    to, sid = form.get("To", ""), form.get("MessageSid", "")
    route = routes.find(normal_address("sms", to))
    if route is None or not sid:
        _keep_for_the_operator(deps, sid, form, "no location owns this number" if sid else "no MessageSid")
        return
    message = Inbound(
        tenant_id=route.tenant_id,
        location_id=route.row_id,
        channel="sms",
        carrier="twilio",
        carrier_id=sid,
        from_address=normal_address("sms", form.get("From", "")),
        to_address=to,
        # PostgreSQL stores no NUL; everything else of the text is kept as it came.
        body=form.get("Body", "").replace("\x00", ""),
        received_at=deps.clock.now(),
        raw={key: value.replace("\x00", "") for key, value in form.items()},
    )
    try:
        receive(deps.db, deps.queue, message, we_confirm_stops=we_confirm)
    except NoIdentity:
        _keep_for_the_operator(deps, sid, form, "the sender is no phone number, so it can be no lead")


def _keep_for_the_operator(deps: WebDeps, sid: str, form: dict[str, str], why: str) -> None:
    """Nothing signed is thrown away: what belongs to no conversation is quarantined, once."""
    log.warning("text_without_a_conversation", why=why, sid=sid)
    with deps.db.system() as session:
        session.execute(
            insert(WebhookEvent)
            .values(
                id=uuid.uuid4(),
                source="twilio_sms",
                dedupe_key=sid or str(uuid.uuid4()),
                headers={},
                content_type="application/x-www-form-urlencoded",
                body=request.get_data() or repr(form).encode(),
                status="quarantined",
                note=why,
                received_at=deps.clock.now(),
            )
            .on_conflict_do_nothing()
        )


def _status(deps: WebDeps, outbox: str, form: dict[str, str]) -> None:
    try:
        outbox_id = uuid.UUID(outbox)
    except ValueError:
        log.info("status_without_outbox_id", sid=form.get("MessageSid"))
        return
    with deps.db.system() as session:
        route = route_outbox(session, outbox_id)
    if route is None:
        return
    with deps.db.tenant(route.tenant_id) as session:
        message = session.get(ChatMessage, route.row_id, with_for_update=True)
        if message is not None:
            apply_status(
                session,
                message,
                form.get("MessageStatus", ""),
                form.get("MessageSid", ""),
                form.get("ErrorCode") or None,
                deps.clock.now(),
            )
