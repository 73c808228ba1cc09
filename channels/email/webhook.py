"""POST /hooks/sendgrid/inbound/<token>: SendGrid's Inbound Parse. Verify, store, wake, answer.

SendGrid takes any 4xx as final and the mail is gone, while a 5xx is tried again for 72 hours (messaging facts 0 and
4.1). So a real mail gets 200 once it is stored and 503 for everything temporary; only a forgery gets 403.
"""

from __future__ import annotations

import base64
import hmac

import structlog
from flask import Blueprint, Request, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from channels.email.aside import (
    NO_SIGNATURE,
    NOBODYS,
    UNREADABLE,
    WRONG_PASSWORD,
    WRONG_SIGNATURE,
    Post,
    keep_aside,
)
from channels.email.aside import SOURCE as SOURCE
from channels.email.form import BadForm, InboundForm, parse_form
from channels.email.parse import dedupe_key
from channels.email.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, BadKey, verify
from channels.email.text import split_address
from crm.deps import WebDeps
from crm.mail_accounts import HookAccount, hook_keys
from crm.routing import route_mailbox
from crm.text import storable
from crm.webhooks import kept_headers, store_event
from ops.bodies import whole_body
from ops.settings import Settings, secret

__all__ = ["MAX_BYTES", "SOURCE", "make_blueprint"]

log = structlog.get_logger(__name__)

# SendGrid takes mails up to 30 MB; what is larger than this is none of its (messaging facts 4.1).
MAX_BYTES = 35 * 1024 * 1024
STORED, FORGED, LATER = 200, 403, 503


def make_blueprint(deps: WebDeps) -> Blueprint:
    """The blueprint of inbound email. 200: stored; 403: a forgery; 503: come again. Nothing else is ever answered."""
    blueprint = Blueprint("email_webhook", __name__)

    # Also without the secret end, so that a forgotten one is answered like a wrong one and not with a 404.
    @blueprint.post("/hooks/sendgrid/inbound", strict_slashes=False)
    @blueprint.post("/hooks/sendgrid/inbound/<token>", strict_slashes=False)
    def inbound(token: str = "") -> Response:
        try:
            return Response(status=_answer(deps, token, request))
        except HTTPException as error:
            log.error("inbound_email_unread", reason=error.name, length=request.content_length)
        except SQLAlchemyError as error:
            log.error("inbound_email_not_stored", error=type(error).__name__)
        except BadKey:
            log.error("inbound_email_refused", reason="a configured key is no key; see `leads config check`")
        except Exception:
            # A mistake of ours is temporary too: it will be mended, and the mail comes again.
            log.exception("inbound_email_failed")
        return Response(status=LATER)

    return blueprint


def _answer(deps: WebDeps, token: str, request: Request) -> int:
    """What to answer a post that came under this secret end of the path. Raises what its caller takes for "later"."""
    account = hook_keys(deps.db, deps.settings, token) if token == storable(token) else None
    if account is None and secret(deps.settings.sendgrid_inbound_token) is None:
        log.error("inbound_email_refused", reason="SENDGRID_INBOUND_TOKEN is not set")
        return LATER
    # Read by a limit of its own, whatever the application's is: a 413 would destroy the mail.
    raw = whole_body(request, MAX_BYTES)
    if account is None:
        return _strange_path(deps.settings, request, raw)
    post, form = _post(deps, request, raw)
    ground = _doubt(deps.settings, account, request, raw)
    if ground is not None:
        return _keep_unproven(deps, account, post, ground)
    return _store(deps, account, post, form)


def _strange_path(settings: Settings, request: Request, raw: bytes) -> int:
    """A path nobody knows. Signed by SendGrid for us it is an address of ours that is out of date, and is waited for."""
    if verify(_signed(request), raw, settings.sendgrid_inbound_keys) == "good":
        log.error(
            "inbound_email_refused", reason="rightly signed, but to an address of ours that is out of date"
        )
        return LATER
    return FORGED


def _signed(request: Request) -> dict[str, str]:
    return {name: request.headers.get(name, "") for name in (SIGNATURE_HEADER, TIMESTAMP_HEADER)}


def _post(deps: WebDeps, request: Request, raw: bytes) -> tuple[Post, InboundForm | None]:
    content_type = request.headers.get("Content-Type", "")
    try:
        form = parse_form(raw, content_type)
    except BadForm:
        form = None
    headers = kept_headers(request.headers.items())
    return Post(raw, content_type, headers, dedupe_key(raw, form), deps.clock.now()), form


def _doubt(settings: Settings, account: HookAccount, request: Request, raw: bytes) -> str | None:
    """On which ground the post is not believed; None when it is. A signature proves more than a password."""
    if account.inbound_keys:
        verdict = verify(_signed(request), raw, account.inbound_keys)
        return {"good": None, "wrong": WRONG_SIGNATURE, "missing": NO_SIGNATURE}[verdict]
    wanted = secret(settings.sendgrid_inbound_basic_auth)
    if account.tenant_id is None and wanted is not None and not _knows(request, wanted):
        return WRONG_PASSWORD
    return None


def _knows(request: Request, wanted: str) -> bool:
    """Whether the request carries this `user:password`; compared in constant time."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        told = base64.b64decode(given.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        told = b""
    return hmac.compare_digest(told, wanted.encode())


def _keep_unproven(deps: WebDeps, account: HookAccount, post: Post, ground: str) -> int:
    """A stale key or password of ours must not lose mail: a copy is kept, and it comes again. Without any signature
    where one is due it is a forgery; a copy is kept all the same, because it knew the secret path."""
    scope = deps.db.system() if account.tenant_id is None else deps.db.tenant(account.tenant_id)
    with scope as s:
        kept = keep_aside(s, post, account.tenant_id, ground)
    log.error(
        "inbound_email_unproven", ground=ground, kept=kept, tenant_id=account.tenant_id, look="leads kept"
    )
    return FORGED if ground == NO_SIGNATURE else LATER


def _store(deps: WebDeps, account: HookAccount, post: Post, form: InboundForm | None) -> int:
    owners = _owners(deps, account, form)
    if not owners:
        scope = deps.db.system() if account.tenant_id is None else deps.db.tenant(account.tenant_id)
        with scope as s:
            kept = keep_aside(s, post, account.tenant_id, UNREADABLE if form is None else NOBODYS)
        log.warning("inbound_email_of_nobody", kept=kept, tenant_id=account.tenant_id, look="leads kept")
        return STORED if kept else LATER
    for tenant_id in owners:
        _store_for(deps, post, tenant_id)
    return STORED


def _store_for(deps: WebDeps, post: Post, tenant_id: int) -> None:
    with deps.db.tenant(tenant_id) as s:
        event_id = store_event(
            s,
            tenant_id=tenant_id,
            source=SOURCE,
            # With whose it is: what came through one business's path must not hide another one's mail.
            dedupe_key=f"{tenant_id}:{post.digest}",
            headers=post.headers,
            content_type=post.content_type,
            body=post.raw,
            now=post.now,
        )
    if event_id is not None:
        deps.queue.wake("webhook", tenant_id, str(event_id), post.now)
    log.info("inbound_email_stored", event_id=str(event_id), duplicate=event_id is None, tenant_id=tenant_id)


def _owners(deps: WebDeps, account: HookAccount, form: InboundForm | None) -> list[int]:
    """The tenants whose mailboxes the mail was sent to. Through a business's own path, that business only."""
    mailboxes = dict.fromkeys(split_address(address)[0] for address in form.recipients) if form else {}
    with deps.db.system() as s:
        routes = [route for mailbox in mailboxes if (route := route_mailbox(s, mailbox)) is not None]
    tenants = dict.fromkeys(route.tenant_id for route in routes)
    return [one for one in tenants if account.tenant_id in (None, one)]
