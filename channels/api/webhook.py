"""POST /api/v1/leads: a web form, a site's server, another program tells of a lead. Check, store, wake, answer.

A secret key comes as `Authorization: Bearer`, and everything is answered. A page that everybody can read posts its
form with a form's key in it: the answer is a page, or the way to the owner's, and tells nothing about anybody.
"""

from __future__ import annotations

import json
from typing import Protocol

import psycopg2
import redis
import structlog
from flask import Blueprint, Request, Response, request
from sqlalchemy.exc import SQLAlchemyError

from channels.api import bodies, openapi, pages
from channels.api.bodies import FORM_KEY, REDIRECT, TRAP, Posted
from channels.api.checking import check
from channels.api.evidence import Seen
from channels.api.limits import keep_to_the_limit
from channels.api.problems import Problem
from channels.api.problems import answer as refused
from channels.api.schema import LeadIn
from channels.api.storing import Answer, Work, store
from crm.api_keys import Caller, caller_of
from crm.deps import WebDeps
from crm.webhooks import kept_headers, store_event

log = structlog.get_logger(__name__)

PATH = "/api/v1/leads"
TRAP_SOURCE = "form_trap"
LONGEST_IDEMPOTENCY_KEY = 200
RETRY_AFTER_S = 5


class ApiDeps(WebDeps, Protocol):
    """What the API needs besides: the Redis that limits are kept in."""

    @property
    def redis(self) -> redis.Redis:
        """The connection of this process."""
        ...


def make_blueprint(deps: ApiDeps) -> Blueprint:
    """The blueprint of the API and of its description."""
    blueprint = Blueprint("api", __name__)

    @blueprint.post(PATH, strict_slashes=False)
    def leads() -> Response:
        try:
            return _take(deps, request)
        except Problem as problem:
            return _refused(problem)
        except (SQLAlchemyError, psycopg2.Error) as error:
            # Its text holds what was to be stored.
            log.error("api_lead_not_stored", error=type(error).__name__)
            again = Problem("away", "come again in a few seconds", retry_after_s=RETRY_AFTER_S)
            return _refused(again)

    @blueprint.route(PATH, methods=["GET", "PUT", "PATCH", "DELETE"], strict_slashes=False)
    def others() -> Response:
        return refused(Problem("method", f"POST to {PATH}; /api/v1/openapi.json says how"))

    @blueprint.get("/api/v1/openapi.json")
    def description() -> Response:
        text = openapi.as_text(deps.settings.public_base_url)
        response = Response(text, content_type="application/json; charset=utf-8")
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    return blueprint


def _take(deps: ApiDeps, asked: Request) -> Response:
    key = _bearer(asked)
    if key is not None:
        caller = _caller(deps, key, "server")
        posted = bodies.read(asked)
    else:
        if asked.mimetype not in (bodies.FORM, bodies.MULTIPART):
            raise Problem("key", "send your key as Authorization: Bearer")
        posted = bodies.read(asked)
        caller = _caller(deps, posted.page.get(FORM_KEY, ""), "form")
    if posted.page.get(TRAP):
        _keep_trapped(deps, caller, posted)
        answer = Answer(200, {"lead_id": None, "request_id": None, "created": False, "warnings": []})
    else:
        answer = store(deps.db, _work(deps, asked, caller, posted))
    if answer.event_id is not None:
        deps.queue.wake("webhook", caller.tenant_id, str(answer.event_id), deps.clock.now())
    return _told(answer) if caller.kind == "server" else _shown(asked, caller, posted, answer)


def _bearer(asked: Request) -> str | None:
    """The key of the header; None without such a header."""
    given = asked.headers.get("Authorization")
    if given is None:
        return None
    scheme, _, key = given.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Problem("key", "send your key as Authorization: Bearer")
    return key.strip()


def _caller(deps: ApiDeps, key: str, kind: str) -> Caller:
    caller = caller_of(deps.db, key, deps.clock.now())
    if caller is None:
        raise Problem("key", "this key is not known, or was revoked")
    if caller.kind != kind:
        why = (
            "this is the key of a form: it belongs into the field form_key of the page"
            if kind == "server"
            else "this key is secret and must not stand in a page: revoke it, and make one with --form"
        )
        raise Problem("key", why)
    keep_to_the_limit(deps.redis, caller)
    if caller.paused:
        raise Problem("paused", "its owner has paused it")
    return caller


def _work(deps: ApiDeps, asked: Request, caller: Caller, posted: Posted) -> Work:
    now = deps.clock.now()
    seen = Seen(
        at=now,
        address=asked.remote_addr,
        forwarded=asked.headers.get("X-Forwarded-For"),
        agent=asked.headers.get("User-Agent"),
        by=caller.name,
        public=caller.kind == "form",
    )
    # Visitors all share a page's key, so one could use up what another one sends.
    key = _idempotency_key(asked) if caller.kind == "server" else None
    return Work(caller, check(posted.fields, now), posted, seen, key, now)


def _idempotency_key(asked: Request) -> str | None:
    given = asked.headers.get("Idempotency-Key")
    if given is None:
        return None
    key = given.strip()
    if not key or len(key) > LONGEST_IDEMPOTENCY_KEY or not all(" " <= char <= "~" for char in key):
        limit = LONGEST_IDEMPOTENCY_KEY
        raise Problem("unreadable", f"an Idempotency-Key has 1 to {limit} letters, digits and plain signs")
    return key


def _keep_trapped(deps: ApiDeps, caller: Caller, posted: Posted) -> None:
    """A field that people cannot see was filled in. A browser may have done that for a person, so it is kept where the
    owner can look (`leads kept --all`)."""
    with deps.db.tenant(caller.tenant_id) as session:
        store_event(
            session,
            tenant_id=caller.tenant_id,
            source=TRAP_SOURCE,
            dedupe_key=f"{caller.key_id}:{posted.digest()}",
            headers=kept_headers(request.headers.items()),
            content_type=bodies.JSON,
            body=json.dumps(posted.fields).encode(),
            now=deps.clock.now(),
            status="ignored",
            note="a form with its trap filled in: a machine, most likely",
        )
    log.info("api_form_trapped", key_id=caller.key_id)


def _told(answer: Answer) -> Response:
    response = Response(
        # Sorted, so that the same answer is the same text.
        json.dumps(answer.body, sort_keys=True),
        answer.status,
        content_type="application/json; charset=utf-8",
    )
    response.headers["Cache-Control"] = "no-store"
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _shown(asked: Request, caller: Caller, posted: Posted, answer: Answer) -> Response:
    """For a visitor: always the same, whoever they are and whatever is known of them."""
    if answer.body["warnings"]:
        log.warning("api_form_without_evidence", key_id=caller.key_id)
    wanted = posted.page.get(REDIRECT)
    to = pages.redirect_to(wanted, caller.redirect_hosts)
    if wanted and to is None:
        # The visitor did nothing wrong, and their request is stored.
        log.warning("api_redirect_refused", key_id=caller.key_id)
    if not pages.wants_page(asked):
        response = Response(json.dumps({"received": True}), 200, content_type="application/json")
    elif to is not None:
        response = Response(status=303, headers={"Location": to, "Referrer-Policy": "no-referrer"})
    else:
        response = pages.thanks(pages.language_of(asked, posted.fields.get("language")))
    # A script of the page may read this; there is nothing in it.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _refused(problem: Problem) -> Response:
    # Names that the caller made up may be anything, also somebody's address.
    fields = sorted(
        {one.path[0] for one in problem.errors if one.path and one.path[0] in LeadIn.model_fields}
    )
    log.info("api_refused", kind=problem.kind, fields=fields)
    from_page = "Authorization" not in request.headers and request.mimetype in (bodies.FORM, bodies.MULTIPART)
    if not from_page:
        return refused(problem)
    response = (
        pages.sorry(pages.language_of(request, None), problem)
        if pages.wants_page(request)
        else refused(problem)
    )
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
