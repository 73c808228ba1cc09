"""POST /hooks/sendgrid/events: SendGrid's Event Webhook. Verify, split by business, store, wake, answer.

Other than mail, events are told again for a day after anything but 2xx (messaging facts 4.3, 6.37), so a wrong
signature may be refused: a key of ours that is out of date costs nothing while somebody mends it within that day.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from typing import Any

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from channels.email.event_rows import outbox_id_of
from channels.email.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, BadKey, verify
from crm.deps import WebDeps
from crm.mail_accounts import HookAccount, hook_keys
from crm.routing import Route, route_outboxes
from crm.webhooks import kept_headers, store_event
from ops.bodies import whole_body

log = structlog.get_logger(__name__)

SOURCE = "sendgrid_events"
# SendGrid sends some hundred kilobytes at a time; more than this is not from there.
MAX_BYTES = 8 * 1024 * 1024
# So many events are one row, so that one claim of a worker is enough for them.
CHUNK = 200
NOBODYS = "of no mail of ours"
UNREADABLE = "signed by SendGrid, but not the array of events it should be"

Event = dict[str, Any]


def make_blueprint(deps: WebDeps) -> Blueprint:
    """The blueprint of mail events; without a token in the path they are of the installation's own account."""
    blueprint = Blueprint("mail_events", __name__)

    @blueprint.post("/hooks/sendgrid/events", strict_slashes=False)
    @blueprint.post("/hooks/sendgrid/events/<token>", strict_slashes=False)
    def events(token: str | None = None) -> Response:
        try:
            return Response(status=_receive(deps, token))
        except SQLAlchemyError as error:
            log.error("mail_events_not_stored", error=type(error).__name__)
            return Response(status=503)

    return blueprint


def _receive(deps: WebDeps, token: str | None) -> int:
    account = hook_keys(deps.db, deps.settings, token)
    if account is None:
        return 403
    if not account.event_keys:
        log.error("mail_events_refused", reason="no public key of the Event Webhook is configured")
        return 503
    try:
        raw = whole_body(request, MAX_BYTES)
    except HTTPException as error:
        log.error("mail_events_unread", reason=error.name, length=request.content_length)
        return 413
    try:
        verdict = verify(_signature(), raw, account.event_keys)
    except BadKey as error:
        log.error("mail_events_refused", reason=str(error), tenant_id=account.tenant_id)
        return 503
    if verdict != "good":
        # Told again for a day, which is the time to mend a key of ours that is out of date.
        log.error("mail_events_refused", reason=f"the signature is {verdict}", tenant_id=account.tenant_id)
        return 403
    _store(deps, account, raw)
    return 200


def _store(deps: WebDeps, account: HookAccount, raw: bytes) -> None:
    found = _parse(raw)
    digest = hashlib.sha256(raw).hexdigest()
    if found is None:
        _keep(deps, account.tenant_id, raw, f"{digest}:unread", UNREADABLE)
        return
    rows = 0
    for tenant_id, events in _split(deps, account, found).items():
        if tenant_id is None:
            _keep(deps, None, _dump(events), f"{digest}:nobody", NOBODYS)
            continue
        stored = _store_for(deps, tenant_id, events, digest)
        rows += len(stored)
        for row_id in stored:
            deps.queue.wake("webhook", tenant_id, row_id, deps.clock.now())
    log.info("mail_events_stored", events=len(found), rows=rows)


def _signature() -> dict[str, str]:
    return {name: request.headers.get(name, "") for name in (SIGNATURE_HEADER, TIMESTAMP_HEADER)}


def _parse(raw: bytes) -> list[Event] | None:
    """The events; None when this is not JSON, or not an array of objects (one object alone counts as such)."""
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    found = [given] if isinstance(given, dict) else given
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None
    return found


def _split(deps: WebDeps, account: HookAccount, events: list[Event]) -> dict[int | None, list[Event]]:
    """By the business whose mail an event is about. What comes by a business's own path is never about another's."""
    ids = [outbox_id_of(event) for event in events]
    with deps.db.system() as session:
        routes = route_outboxes(session, {one for one in ids if one is not None})
    found: dict[int | None, list[Event]] = defaultdict(list)
    for event, outbox_id in zip(events, ids, strict=True):
        found[_owner(account, outbox_id, routes)].append(event)
    return found


def _owner(account: HookAccount, outbox_id: uuid.UUID | None, routes: dict[uuid.UUID, Route]) -> int | None:
    if account.tenant_id is not None:
        return account.tenant_id
    route = routes.get(outbox_id) if outbox_id is not None else None
    return None if route is None else route.tenant_id


def _store_for(deps: WebDeps, tenant_id: int, events: list[Event], digest: str) -> list[str]:
    """Store one business's part, all of it or nothing; returns the new rows. What is known already is none."""
    stored = []
    with deps.db.tenant(tenant_id) as session:
        for start in range(0, len(events), CHUNK):
            event_id = store_event(
                session,
                tenant_id=tenant_id,
                source=SOURCE,
                dedupe_key=f"{digest}:{tenant_id}:{start}",
                headers=kept_headers(request.headers.items()),
                content_type="application/json",
                body=_dump(events[start : start + CHUNK]),
                now=deps.clock.now(),
            )
            if event_id is not None:
                stored.append(str(event_id))
    return stored


def _keep(deps: WebDeps, tenant_id: int | None, body: bytes, dedupe_key: str, note: str) -> None:
    with deps.db.system() if tenant_id is None else deps.db.tenant(tenant_id) as session:
        store_event(
            session,
            tenant_id=tenant_id,
            source=SOURCE,
            dedupe_key=dedupe_key,
            headers=kept_headers(request.headers.items()),
            content_type="application/json",
            body=body,
            now=deps.clock.now(),
            status="quarantined" if note == UNREADABLE else "ignored",
            note=note,
        )


def _dump(events: list[Event]) -> bytes:
    # Escaped, so that a lone surrogate stays what it was.
    return json.dumps(events, separators=(",", ":")).encode("ascii")
