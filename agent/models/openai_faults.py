"""What both OpenAI endpoints share: the call with its errors, and the token counts (LLM facts 2.6, 2.8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai

from agent.models.base import Json, Usage
from agent.models.deadline import within
from agent.models.faults import Reason, Vendor, VendorFault, fault, reason_for, refuse_foreign

CONNECT_S = 5.0


def call_openai(
    vendor: Vendor, expected: type[Any], create: Callable[..., Any], body: Json, timeout_s: float
) -> tuple[Json, str | None]:
    """Make one request, which takes `timeout_s` at most, and return the answer as a plain object, and the vendor's
    request id.

    Raises VendorFault. `from None` everywhere: the SDK's exception quotes the body, which may hold the
    customer's words or half a key.
    """
    timeout = httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
    try:
        with within(timeout_s):
            answer = create(**body, timeout=timeout)
    except openai.APIStatusError as error:
        raise _status_fault(vendor, error) from None
    except openai.APITimeoutError:
        raise fault(vendor, Reason.TIMEOUT) from None
    except (openai.APIConnectionError, httpx2.HTTPError) as error:
        refuse_foreign(error.__cause__)
        raise fault(vendor, Reason.UNREACHABLE) from None
    except openai.APIError as error:
        # An error inside a successful answer has no status: its code is all there is (facts 2.6).
        raise error_fault(vendor, error.body, None) from None
    except (openai.OpenAIError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise fault(vendor, Reason.GARBLED, codes=[type(error).__name__]) from None
    if not isinstance(answer, expected):
        raise fault(vendor, Reason.GARBLED, status=200, codes=["not the expected object"])
    # Without warnings, which would print the parts of the answer they stumble over.
    return answer.to_dict(warnings=False), getattr(answer, "_request_id", None)


def _status_fault(vendor: Vendor, error: openai.APIStatusError) -> VendorFault:
    codes = [error.type, error.code]
    text = _message(error.body)
    return fault(
        vendor, reason_for(error.status_code, codes, text), text=text, status=error.status_code,
        codes=codes, headers=error.response.headers, request_id=error.request_id,
    )  # fmt: skip


def error_fault(
    vendor: Vendor, error: object, request_id: str | None, usage: Usage | None = None
) -> VendorFault:
    """The fault for an `error` object found inside a 200. Some routers put the HTTP status in `code`."""
    found = error if isinstance(error, dict) else {}
    code = found.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 200
    codes = [found.get("type"), code if isinstance(code, str) else None]
    text = _message(found)
    reason = reason_for(status, codes, text)
    return fault(vendor, reason, text=text, status=status, codes=codes, request_id=request_id, usage=usage)


def _message(body: object) -> str:
    if not isinstance(body, dict):
        return ""
    metadata = body.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    parts = [part for part in (body.get("message"), raw) if isinstance(part, str)]
    return ". ".join(parts)


def read_usage(usage: object, prompt: str, completion: str) -> Usage:
    """OpenAI's totals include cached and written tokens; they are taken out (facts 3.1).

    `prompt` and `completion` are the field names, which differ by endpoint. All zeros mean the vendor did not
    count (facts 2.8), and so does a missing field.
    """
    found = usage if isinstance(usage, dict) else {}
    total, output = _count(found, prompt), _count(found, completion)
    if not total and not output:
        return Usage()
    details = _part(found, f"{prompt}_details")
    read, written = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    plain = None if total is None else max(0, total - (read or 0) - (written or 0))
    thought = _count(_part(found, f"{completion}_details"), "reasoning_tokens")
    return Usage(input=plain, cache_read=read, cache_write=written, output=output, thinking=thought)


def _part(found: Json, name: str) -> Json:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _count(found: Json, name: str) -> int | None:
    value = found.get(name)
    return value if isinstance(value, int) else None
