"""POST /hooks/sendgrid/inbound/<token>: SendGrid's Inbound Parse. Verify, store, wake, answer.

SendGrid takes any 4xx as final and the mail is gone, while a 5xx is tried again for 72 hours (messaging
facts 0 and 4.1). So a real mail gets 200 once it is stored and 503 for everything temporary; only a forgery
gets 403.
"""

from __future__ import annotations

import hashlib
import hmac

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from channels.email.form import BadForm, InboundForm, parse_form
from channels.email.parse import cheap_ids
from channels.email.text import split_address
from crm.deps import WebDeps
from crm.routing import Route, route_mailbox
from crm.webhooks import kept_headers, store_event
from ops.settings import secret

log = structlog.get_logger(__name__)

SOURCE = "sendgrid_inbound"
MAX_BYTES = 35 * 1024 * 1024
_CONTENT_FIELDS = ("email", "text", "html", "subject", "from")


def make_blueprint(deps: WebDeps) -> Blueprint:
    """The blueprint of inbound email."""
    blueprint = Blueprint("email_webhook", __name__)

    @blueprint.post("/hooks/sendgrid/inbound/<token>", strict_slashes=False)
    def inbound(token: str) -> Response:
        expected = secret(deps.settings.sendgrid_inbound_token)
        if expected is None:
            log.error("inbound_email_refused", reason="SENDGRID_INBOUND_TOKEN is not set")
            return Response(status=503)
        if not hmac.compare_digest(token.encode(), expected.encode()):
            return Response(status=403)
        return Response(status=_receive(deps))

    return blueprint


def _receive(deps: WebDeps) -> int:
    # For this request only, whatever the application's own limit is: a 413 would destroy the mail.
    request.max_content_length = MAX_BYTES
    try:
        raw = request.get_data(cache=False)
    except HTTPException as error:
        log.error("inbound_email_unread", reason=error.name, length=request.content_length)
        return 503
    try:
        _store(deps, raw, request.headers.get("Content-Type", ""))
    except SQLAlchemyError as error:
        log.error("inbound_email_not_stored", error=type(error).__name__)
        return 503
    return 200


def _store(deps: WebDeps, raw: bytes, content_type: str) -> None:
    now = deps.clock.now()
    form = _form(raw, content_type)
    route = _route(deps, form)
    tenant_id = route.tenant_id if route else None
    scope = deps.db.tenant(tenant_id) if tenant_id is not None else deps.db.system()
    with scope as s:
        event_id = store_event(
            s,
            tenant_id=tenant_id,
            source=SOURCE,
            dedupe_key=dedupe_key(raw, form),
            headers=kept_headers(request.headers.items()),
            content_type=content_type,
            body=raw,
            now=now,
            status="received" if route else "quarantined",
            note=None if route else "no location owns the mailbox this was sent to",
        )
    if event_id is not None and tenant_id is not None:
        deps.queue.wake("webhook", tenant_id, str(event_id), now)
    log.info(
        "inbound_email_stored", event_id=str(event_id), duplicate=event_id is None, routed=route is not None
    )


def _form(raw: bytes, content_type: str) -> InboundForm | None:
    try:
        return parse_form(raw, content_type)
    except BadForm:
        return None


def _route(deps: WebDeps, form: InboundForm | None) -> Route | None:
    mailboxes = [split_address(address)[0] for address in form.recipients] if form else []
    with deps.db.system() as s:
        return next((route for mailbox in mailboxes if (route := route_mailbox(s, mailbox))), None)


def dedupe_key(raw: bytes, form: InboundForm | None) -> str:
    """What makes a post the same mail to the same address: recipient, Message-ID and content.

    The recipient, because one mail to two of our addresses comes as two posts. The content, because some
    web forms send every mail with the same Message-ID. A post that cannot be read is known by its bytes.
    """
    digest = hashlib.sha256()
    if form is None:
        digest.update(raw)
        return digest.hexdigest()
    for value in cheap_ids(form):
        digest.update(value.encode("utf-8", "surrogatepass") + b"\0")
    for name in _CONTENT_FIELDS:
        digest.update(hashlib.sha256(form.fields.get(name, b"")).digest())
    return digest.hexdigest()
