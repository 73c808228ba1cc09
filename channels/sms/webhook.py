"""Twilio's webhooks: an inbound text, and the status of one we sent. Verify, store, answer; nothing else."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from channels.inbox import NumberMoved, receive
from channels.sms.inbound import NotAText, inbound_of
from channels.sms.quarantine import FALLBACK_SOURCE, keep
from channels.sms.signers import Signer, Signers, carrier_answers_keywords
from channels.statuses import record_status
from crm.consents import normal_address
from crm.deps import WebDeps
from crm.leads import NoIdentity
from crm.routing import Route, route_outbox, route_phone
from ops.secrets import SecretsError

log = structlog.get_logger(__name__)

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
ROUTE_SECONDS = 30.0


def _twiml() -> Response:
    return Response(EMPTY_TWIML, 200, mimetype="text/xml")


class PhoneRoutes:
    """Which location owns a number, remembered for half a minute: it is asked for every text and hardly changes. Whoever
    stores by it makes sure that it still holds."""

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

    def forget(self, phone: str) -> None:
        """Another location has the number by now."""
        with self._lock:
            self._known.pop(phone, None)


def make_blueprint(deps: WebDeps) -> Blueprint:
    """`/hooks/twilio/sms`, its fallback, and `/hooks/twilio/status`. 403: not Twilio's; 503: come again (fallback URL).

    The fallback does the same as the first address; whoever points both at one address loses nothing.
    """
    signers, routes = Signers(deps), PhoneRoutes(deps)
    blueprint = Blueprint("sms", __name__)

    @blueprint.post("/hooks/twilio/sms")
    @blueprint.post("/hooks/twilio/sms/fallback")
    def inbound() -> Response:
        return _guarded(signers, lambda signer: _receive(deps, routes, signer)) or _twiml()

    @blueprint.post("/hooks/twilio/status")
    def status() -> Response:
        return _guarded(signers, lambda signer: _status(deps, signer)) or Response(status=204)

    return blueprint


def _guarded(signers: Signers, work: Callable[[Signer], None]) -> Response | None:
    """Do the work for a request that is Twilio's; otherwise, or when it cannot be stored, the answer that says so."""
    try:
        signer = signers.signer_of(request)
        if signer is None:
            return Response("signature does not match", 403, mimetype="text/plain")
        work(signer)
    except (SQLAlchemyError, SecretsError):
        log.exception("webhook_not_stored", path=request.path)
        return Response("try again", 503, mimetype="text/plain")
    return None


def _receive(deps: WebDeps, routes: PhoneRoutes, signer: Signer) -> None:
    form = _fields()
    to, sid = str(form.get("To", "")), str(form.get("MessageSid", ""))
    number = normal_address("sms", to)
    if form.get("ErrorCode") or form.get("ErrorUrl"):
        _note_fallback(deps, form, sid)
    try:
        _route(deps, routes, signer, form, sid, number)
    except NumberMoved:
        routes.forget(number)
        _route(deps, routes, signer, form, sid, number)


def _route(
    deps: WebDeps, routes: PhoneRoutes, signer: Signer, form: dict[str, Any], sid: str, number: str
) -> None:
    """Store a text where its number belongs, or keep it where nobody may have it. Raises NumberMoved."""
    route = routes.find(number) if sid else None
    if route is None:
        _keep(deps, sid, "no location owns this number" if sid else "no MessageSid", None)
    elif not signer.may_speak_for(route.tenant_id):
        # Believed, it would let one business put words into another one's conversations.
        _keep(deps, sid, "signed by the account of another business than the number's", None)
    else:
        own = signer.tenant_id is not None
        we_confirm = not carrier_answers_keywords(deps.settings, own_account=own)
        _take(deps, route, form, sid, number, we_confirm)


def _fields() -> dict[str, Any]:
    """Every parameter of the form; a name that comes more than once keeps all its values."""
    fields: dict[str, Any] = request.form.to_dict()
    if len(fields) != sum(len(values) for values in request.form.listvalues()):
        fields = {name: values[0] if len(values) == 1 else values for name, values in request.form.lists()}
    return fields


def _take(deps: WebDeps, route: Route, form: dict[str, Any], sid: str, number: str, we_confirm: bool) -> None:
    try:
        message = inbound_of(
            form, tenant_id=route.tenant_id, location_id=route.row_id, received_at=deps.clock.now()
        )
        message = replace(message, reached_by=number)
        receive(deps.db, deps.queue, message, we_confirm_stops=we_confirm)
    except NotAText as error:
        _keep(deps, sid, str(error), route.tenant_id)
    except NoIdentity:
        _keep(deps, sid, "the sender is no phone number, so it can be no lead", route.tenant_id)


def _keep(deps: WebDeps, sid: str, why: str, tenant_id: int | None) -> None:
    keep(deps.db, sid=sid, body=_encoded(), why=why, now=deps.clock.now(), tenant_id=tenant_id)


def _note_fallback(deps: WebDeps, form: dict[str, Any], sid: str) -> None:
    """Twilio failed at our first address: its error is kept, because it names what to mend (messaging facts 1.1)."""
    why = f"Twilio's error {form.get('ErrorCode', '?')} at {form.get('ErrorUrl', '?')}"
    now = deps.clock.now()
    try:
        keep(
            deps.db, sid=sid, body=_encoded(), why=why, now=now, tenant_id=None, source=FALLBACK_SOURCE, status="processed",
        )  # fmt: skip
    except SQLAlchemyError:
        # A note only; the message itself decides whether Twilio has to come again.
        log.exception("fallback_not_noted")


def _encoded() -> bytes:
    """The form in its own shape again: Flask has read the bytes to check the signature."""
    return urlencode(list(request.form.items(multi=True))).encode()


def _status(deps: WebDeps, signer: Signer) -> None:
    form = request.form
    try:
        outbox_id = uuid.UUID(request.args.get("o", ""))
    except ValueError:
        log.info("status_without_outbox_id", sid=form.get("MessageSid"))
        return
    with deps.db.system() as session:
        route = route_outbox(session, outbox_id)
    if route is None or not signer.may_speak_for(route.tenant_id):
        log.info("status_of_nothing_of_ours", sid=form.get("MessageSid"))
        return
    record_status(
        deps.db,
        route.tenant_id,
        route.row_id,
        form.get("MessageStatus", ""),
        form.get("MessageSid", ""),
        form.get("ErrorCode") or None,
        deps.clock.now(),
    )
