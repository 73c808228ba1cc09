"""What went wrong at a vendor, in words an owner can act on, and what to do about it (LLM facts 1.6, 2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx2

from agent.models.base import ProviderError, Usage

TRANSIENT, PERMANENT, MISCONFIGURED = "transient", "permanent", "misconfigured"


@dataclass(frozen=True)
class Vendor:
    """A provider's names: for the records, for people, and the settings an owner would change."""

    provider: str
    title: str
    key_setting: str
    model_setting: str


class Reason(Enum):
    """Why a request failed: (what happens next, what the owner reads)."""

    KEY = (MISCONFIGURED, "the API key was refused; check {key}")
    MODEL = (MISCONFIGURED, "the model or address is not known to this account; check {model}")
    CREDIT = (MISCONFIGURED, "credit or a spend limit is used up; raise it in the vendor's console")
    FORBIDDEN = (MISCONFIGURED, "the account may not do this; check the permissions of {key}")
    TOO_LONG = (PERMANENT, "the conversation is larger than the model or the account's limit allows")
    REJECTED = (PERMANENT, "the request was rejected")
    BUSY = (TRANSIENT, "overloaded, or more requests than the account's rate limit allows")
    DOWN = (TRANSIENT, "an error on the vendor's side")
    TIMEOUT = (TRANSIENT, "no answer in time")
    UNREACHABLE = (TRANSIENT, "could not be reached")
    GARBLED = (TRANSIENT, "sent an answer that cannot be read")

    def __init__(self, kind: str, sentence: str) -> None:
        self.kind = kind
        self.sentence = sentence


class VendorFault(ProviderError):
    """A ProviderError with what the attempt's record needs: HTTP status, request id and tokens, where
    known."""

    def __init__(
        self,
        message: str,
        *,
        reason: Reason,
        provider: str,
        retry_after_s: float | None = None,
        status: int | None = None,
        request_id: str | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message, kind=reason.kind, provider=provider, retry_after_s=retry_after_s)
        self.reason = reason
        self.status = status
        self.request_id = request_id
        self.usage = usage


_CREDIT_CODES = {
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "billing_error",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_not_active",
    "enforced_spend_limit_reached", "contract_spend_limit_reached", "linked_organization_spend_limit_reached",
    "linked_organization_billing_unavailable", "organization_on_hold", "account_deactivated",
}  # fmt: skip
# Vendors report a used-up balance as a plain 400 as well, with nothing but the sentence to tell it by.
_CREDIT_TEXT = re.compile(
    r"credit balance is too low|specified api usage limits|exceeded your current quota", re.I
)
# A 429 with the ordinary code whose request can never fit (LLM facts 2.6), and 400s without a code of their
# own.
_LONG_TEXT = re.compile(
    r"^request too large|prompt is too long|exceeds? the context window|maximum context length", re.I
)
_BY_CODE: tuple[tuple[frozenset[str], Reason], ...] = (
    (frozenset(_CREDIT_CODES), Reason.CREDIT),
    (frozenset({"invalid_api_key", "authentication_error"}), Reason.KEY),
    (frozenset({"model_not_found", "not_found_error"}), Reason.MODEL),
    (frozenset({"permission_error", "workspace_policy_violation"}), Reason.FORBIDDEN),
    (frozenset({"context_length_exceeded", "request_too_large"}), Reason.TOO_LONG),
    (frozenset({"rate_limit_exceeded", "rate_limit_error", "overloaded_error", "slow_down"}), Reason.BUSY),
    (frozenset({"server_error", "timeout_error", "request_body_timeout"}), Reason.DOWN),
    (frozenset({"tool_use_failed"}), Reason.GARBLED),
    (frozenset({"invalid_prompt"}), Reason.REJECTED),
)
# Types that stand beside a more telling status or code.
_BY_BROAD_TYPE = {"api_error": Reason.DOWN, "invalid_request_error": Reason.REJECTED}
_BY_STATUS = {
    401: Reason.KEY, 402: Reason.CREDIT, 403: Reason.FORBIDDEN, 404: Reason.MODEL, 408: Reason.DOWN,
    409: Reason.DOWN, 413: Reason.TOO_LONG, 429: Reason.BUSY, 503: Reason.BUSY, 529: Reason.BUSY,
}  # fmt: skip


def reason_for(status: int | None, codes: Iterable[object], text: str) -> Reason:
    """Classify one failure. `status` is None or 200 for an error inside a successful answer; `codes` are all
    the type and code fields of the body. A specific code beats the status, the status beats a broad type."""
    known = {code for code in codes if isinstance(code, str)}
    if _CREDIT_TEXT.search(text):
        return Reason.CREDIT
    if _LONG_TEXT.search(text):
        return Reason.TOO_LONG
    by_code = (reason for names, reason in _BY_CODE if names & known)
    by_status = _BY_STATUS.get(status or 0)
    by_type = (reason for name, reason in _BY_BROAD_TYPE.items() if name in known)
    return next(by_code, None) or by_status or next(by_type, None) or _by_range(status or 0)


def _by_range(status: int) -> Reason:
    if status >= 500:
        return Reason.DOWN
    return Reason.REJECTED if status >= 400 else Reason.GARBLED


_SECRETS = re.compile(
    r"\b(?:sk|pk|key|org|proj)-[\w*-]+|\S*\*{3,}\S*|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
)
_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+|(?<![\w-])\+?\d[\d ().-]{8,}\d")
_MAX_TEXT = 300


def fault(
    vendor: Vendor,
    reason: Reason,
    *,
    text: str = "",
    status: int | None = None,
    codes: Iterable[object] = (),
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
    usage: Usage | None = None,
) -> VendorFault:
    """The error to raise. Keys, account ids, addresses and phone numbers are taken out of the vendor's
    words."""
    sentence = reason.sentence.format(key=vendor.key_setting, model=vendor.model_setting)
    facts = [f"HTTP {status}"] if status else []
    facts += dict.fromkeys(str(code)[:60] for code in codes if code)
    facts += [f"request {request_id}"] if request_id else []
    message = f"{vendor.title}: {sentence}" + (f" ({', '.join(facts)})" if facts else "")
    cleaned = _PERSONAL.sub("[removed]", _SECRETS.sub("[removed]", " ".join(text.split())))[:_MAX_TEXT]
    message += f". The vendor says: {cleaned}" if cleaned else ""
    wait = retry_after_s(headers, text) if reason.kind == TRANSIENT else None
    return VendorFault(
        message, reason=reason, provider=vendor.provider, retry_after_s=wait, status=status,
        request_id=request_id, usage=usage,
    )  # fmt: skip


# What a request over the network fails with; anything else was put into this thread from outside.
_NETWORK = (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, ValueError, TypeError)


def refuse_foreign(cause: BaseException | None) -> None:
    """Raise what a vendor's SDK took for a lost connection and was not: it wraps every exception of the moment, also a
    job's time-out, which has to end the job and not the request."""
    if cause is not None and not isinstance(cause, _NETWORK):
        raise cause


_IN_TEXT = re.compile(r"try again in (?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(ms|s))?", re.I)


def retry_after_s(headers: Mapping[str, str] | None, text: str = "") -> float | None:
    """Seconds the vendor asks to wait, from `retry-after-ms`, `retry-after` (seconds or an HTTP date) or, as
    OpenAI does without a header, from the sentence itself. None when it does not say."""
    headers = headers or {}
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / scale)
        except (KeyError, ValueError):
            continue
    if "retry-after" in headers:
        return _until(headers["retry-after"], headers.get("date"))
    match = _IN_TEXT.search(text)
    if match is None or not any(match.groups()):
        return None
    minutes, number, unit = match.groups()
    return int(minutes or 0) * 60 + float(number or 0) / (1000 if unit == "ms" else 1)


def _until(moment: str, now: str | None) -> float | None:
    try:
        then = parsedate_to_datetime(moment)
        # The vendor's own clock when it is given: this machine's may be off.
        start = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return max(0.0, (then - start).total_seconds())
    except (TypeError, ValueError):
        return None
