"""Who signed a webhook: the installation's account, or a tenant's own one, found by the AccountSid in the request.

The AccountSid only says whose secrets to try; nothing in the request is believed before one of them fits (messaging
facts 1.4), and a tenant's secret never speaks for another tenant.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import structlog
from flask import Request

from channels.sms.signature import SignatureCheck
from crm.carrier_accounts import ACCOUNT_SID, Credentials, credentials_of
from crm.deps import WebDeps
from crm.routing import route_account
from ops.secrets import SecretBox
from ops.settings import Settings, secret

log = structlog.get_logger(__name__)

KEEP_S = 30.0
# A signature that does not fit may mean a token replaced in this moment: looked up anew, but not at a stranger's pace.
LOOK_AGAIN_S = 1.0
# Forgotten all at once beyond this, so that made-up AccountSids fill no memory.
MOST_KNOWN = 5000


@dataclass(frozen=True)
class Signer:
    """Whose secret signed. `tenant_id` None: the installation's own account, which may speak for every location."""

    tenant_id: int | None

    def may_speak_for(self, tenant_id: int) -> bool:
        """Whether what this signer says about a tenant's number or message is to be believed."""
        return self.tenant_id is None or self.tenant_id == tenant_id


@dataclass(frozen=True)
class _Known:
    """What was found for an AccountSid, and when; `check` None: no tenant has it."""

    at: float
    tenant_id: int | None
    check: SignatureCheck | None


class Signers:
    """The secrets of this installation and of its tenants. Safe to share between threads."""

    def __init__(self, deps: WebDeps, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._deps = deps
        self._own = installation_check(deps.settings)
        self._now = monotonic
        self._known: dict[str, _Known] = {}
        self._lock = Lock()

    def signer_of(self, request: Request) -> Signer | None:
        """Who signed this request, or None for nobody we know. The usual case asks no database.

        Raises the database's errors, and ops.secrets.SecretsError where ENCRYPTION_KEY cannot read a tenant's token.
        """
        if self._own.is_valid(request):
            return Signer(None)
        sid = request.form.get("AccountSid", "")
        if not ACCOUNT_SID.fullmatch(sid) or not request.headers.get("X-Twilio-Signature"):
            return None
        for oldest in (KEEP_S, LOOK_AGAIN_S):
            known = self._find(sid, oldest)
            if known.check is not None and known.check.is_valid(request):
                return Signer(known.tenant_id)
        return None

    def _find(self, sid: str, oldest: float) -> _Known:
        known = self._known.get(sid)
        if known is not None and self._now() - known.at < oldest:
            return known
        found = self._load(sid)
        with self._lock:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[sid] = found
        return found

    def _load(self, sid: str) -> _Known:
        with self._deps.db.system() as session:
            route = route_account(session, sid)
        if route is None:
            return _Known(self._now(), None, None)
        box = SecretBox(secret(self._deps.settings.encryption_key))
        with self._deps.db.tenant(route.tenant_id) as session:
            account = credentials_of(session, box)
        if account is None or account.account_sid != sid:
            return _Known(self._now(), None, None)
        check = account_check(self._deps.settings.public_base_url, account)
        return _Known(self._now(), route.tenant_id, check)


def installation_check(settings: Settings) -> SignatureCheck:
    """What the installation's own account may sign with."""
    tokens = [secret(settings.twilio_auth_token) or "", secret(settings.twilio_auth_token_previous) or ""]
    shared = {settings.twilio_shared_key_id or "": secret(settings.twilio_shared_key) or ""}
    return SignatureCheck(settings.public_base_url, tokens, shared)


def account_check(public_base_url: str, account: Credentials) -> SignatureCheck:
    """What a tenant's account may sign with."""
    shared = {account.shared_key_id or "": account.shared_key or ""}
    return SignatureCheck(public_base_url, account.tokens, shared)


def carrier_answers_keywords(settings: Settings, *, own_account: bool) -> bool:
    """Whether Twilio confirms STOP, START and HELP itself, so that we must not (messaging facts 0.9): where there is an
    account at all, the installation's or the tenant's own, and its default handling is on."""
    return settings.twilio_answers_keywords and (own_account or bool(settings.twilio_account_sid))
