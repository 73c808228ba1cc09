"""GET and POST /u/<token>: the link that ends our mail, for mail programs (RFC 8058) and for people.

Only a POST does something: scanners open every link of a mail before its reader does. A POST needs no cookie and no
log-in, is never redirected, may come any number of times and is answered with 200 whatever its body says, because a
mail program shows its user nothing else. Only when the database is away it says 503: nothing was done then, and who
asks again is heard.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from channels.email.links import PATH, links_from
from channels.email.unsubscribe_effect import end_mail, find_mail, look
from channels.email.unsubscribe_page import away_page, nowhere_page, page
from crm.deps import WebDeps
from ops.settings import secret

log = structlog.get_logger(__name__)

# More than this is no form of RFC 8058; what it says does not matter anyway.
_MAX_BODY = 64 * 1024
_RETRY_AFTER_S = "120"
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    # Nothing is loaded, and no other page can put the button under somebody's mouse.
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}


def make_blueprint(deps: WebDeps) -> Blueprint:
    """The blueprint of the unsubscribe links."""
    blueprint = Blueprint("unsubscribe", __name__)
    links = links_from(deps.settings.public_base_url, secret(deps.settings.encryption_key))

    @blueprint.get(f"{PATH}<token>", strict_slashes=False)
    def show(token: str) -> Response:
        try:
            mail = find_mail(deps.db, links, token)
            found = look(deps.db, mail) if mail is not None else None
        except SQLAlchemyError as error:
            return _away(error)
        return _answer(nowhere_page(), 404) if found is None else _answer(page(found))

    @blueprint.post(f"{PATH}<token>", strict_slashes=False)
    def unsubscribe(token: str) -> Response:
        how = _how()
        try:
            mail = find_mail(deps.db, links, token)
            found = end_mail(deps.db, mail, how, deps.clock.now()) if mail is not None else None
        except SQLAlchemyError as error:
            return _away(error)
        if mail is None or found is None:
            return _answer(nowhere_page())
        log.info("unsubscribed", tenant_id=mail.tenant_id, message_id=mail.message_id)
        return _answer(page(found))

    return blueprint


def _how() -> str:
    """What was done, for the ledger. A body that cannot be read is a click as well."""
    request.max_content_length = _MAX_BODY
    request.max_form_memory_size = _MAX_BODY
    try:
        by_page = request.form.get("by") == "page"
    except HTTPException:
        by_page = False
    return "the button of the unsubscribe page" if by_page else "List-Unsubscribe=One-Click"


def _away(error: SQLAlchemyError) -> Response:
    log.error("unsubscribe_not_stored", error=type(error).__name__)
    response = _answer(away_page(), 503)
    response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def _answer(text: str, status: int = 200) -> Response:
    return Response(text, status, headers=_HEADERS, mimetype="text/html")
