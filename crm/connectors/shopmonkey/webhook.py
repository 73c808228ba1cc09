"""POST /hooks/shopmonkey/<hook token>: store, wake, answer 200 at once.

Shopmonkey switches a webhook off after errors (shopmonkey facts 5.5), so everything under a known token
gets 200, junk too. Only a database that is away gets 503, because then the delivery has to come again.
"""

from __future__ import annotations

import hashlib

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from crm.connectors.base import Verdict
from crm.connectors.shopmonkey import signature
from crm.connectors.shopmonkey.mapping import SOURCE, read_change
from crm.deps import WebDeps
from crm.models import TenantCrmConfig
from crm.routing import Route, route_hook
from crm.webhooks import kept_headers, store_event
from ops.bodies import whole_body
from ops.secrets import SecretBox, SecretsError
from ops.settings import secret

log = structlog.get_logger(__name__)

MAX_BYTES = 5 * 1024 * 1024


def make_blueprint(deps: WebDeps) -> Blueprint:
    """The blueprint of Shopmonkey's webhooks."""
    blueprint = Blueprint("shopmonkey_webhook", __name__)

    @blueprint.post("/hooks/shopmonkey/<hook_token>", strict_slashes=False)
    def change(hook_token: str) -> Response:
        try:
            with deps.db.system() as s:
                route = route_hook(s, hook_token)
            if route is None:
                return Response(status=404)
            _receive(deps, route)
        except SQLAlchemyError as error:
            log.error("shopmonkey_webhook_not_stored", error=type(error).__name__)
            return Response(status=503)
        return Response(status=200)

    return blueprint


def _receive(deps: WebDeps, route: Route) -> None:
    try:
        raw = whole_body(request, MAX_BYTES)
    except HTTPException as error:
        log.warning("shopmonkey_webhook_unread", reason=error.name, length=request.content_length)
        return
    now = deps.clock.now()
    headers = kept_headers(request.headers.items())
    with deps.db.tenant(route.tenant_id) as s:
        config = s.get_one(TenantCrmConfig, route.row_id)
        verdict, note = _judge(deps, config, headers, raw)
        refused = config.signature_mode == "enforce" and verdict != "valid"
        event_id = store_event(
            s,
            tenant_id=route.tenant_id,
            source=SOURCE,
            dedupe_key=dedupe_key(route.tenant_id, raw, refused=refused),
            headers=headers,
            content_type=request.headers.get("Content-Type", ""),
            body=raw,
            now=now,
            status="quarantined" if refused else "received",
            note=note,
        )
    if event_id is not None and not refused:
        deps.queue.wake("webhook", route.tenant_id, str(event_id), now)
    log.info("shopmonkey_webhook_stored", event_id=str(event_id), duplicate=event_id is None, verdict=verdict)


def _judge(
    deps: WebDeps, config: TenantCrmConfig, headers: dict[str, str], raw: bytes
) -> tuple[Verdict, str]:
    try:
        stored = config.webhook_secret_encrypted
        key = SecretBox(secret(deps.settings.encryption_key)).decrypt(stored) if stored is not None else None
    except SecretsError as error:
        return "invalid", f"signature not checked: {error}"
    verdict = signature.verify(headers, raw, key, deps.clock.now())
    if key is None and verdict == "invalid":
        return verdict, "signature not checked: no secret is stored"
    return verdict, f"signature {verdict}"


def dedupe_key(tenant_id: int, raw: bytes, *, refused: bool) -> str:
    """What makes two deliveries the same change: table, record, version and operation; else the same bytes.

    `webhook-id` differs between attempts and cannot serve (shopmonkey facts 5.3). A refused delivery has a
    key of its own, or a forgery could make the real one look like a repetition.
    """
    change = read_change(raw)
    parts = [str(tenant_id), "refused" if refused else "taken"]
    if change is not None and change.version is not None:
        parts += [change.table, change.record_id, change.version, change.operation]
    else:
        parts.append(hashlib.sha256(raw).hexdigest())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
