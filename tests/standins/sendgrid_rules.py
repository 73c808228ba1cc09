"""What POST /v3/mail/send refuses (messaging facts 4.2)."""

from __future__ import annotations

from typing import Any

RESERVED = frozenset(
    [
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc"),
    ]
)
Problem = tuple[str, str | None]


def problems(body: Any) -> list[Problem]:
    """(message, field) of everything wrong with a mail; empty when it is accepted."""
    if not isinstance(body, dict):
        return [("Bad Request", None)]
    return [
        *_personalizations(body),
        *_sender(body),
        *_content(body),
        *_headers(body.get("headers"), "headers"),
        *_custom_args(body.get("custom_args")),
    ]


def _personalizations(body: dict[str, Any]) -> list[Problem]:
    given = body.get("personalizations")
    if not isinstance(given, list) or not given:
        return [
            (
                "The personalizations field is required and must have at least one personalization.",
                "personalizations",
            )
        ]
    found: list[Problem] = []
    for index, each in enumerate(given):
        where = f"personalizations.{index}"
        if not each.get("to"):
            found.append(("The to array is required for all personalization objects.", f"{where}.to"))
        for kind in ("to", "cc", "bcc"):
            for place, person in enumerate(each.get(kind) or []):
                if "@" not in str(person.get("email", "")):
                    told = "Does not contain a valid address."
                    found.append((told, f"{where}.{kind}.{place}.email"))
        if not (each.get("subject") or body.get("subject")):
            found.append(
                ("The subject is required. You can get around this requirement with a template.", "subject")
            )
        found += _headers(each.get("headers"), f"{where}.headers")
        found += _custom_args(each.get("custom_args"))
    return found


def _sender(body: dict[str, Any]) -> list[Problem]:
    found: list[Problem] = []
    if "@" not in str((body.get("from") or {}).get("email", "")):
        found.append(("The from object must be provided for every email send.", "from.email"))
    if body.get("reply_to") and body.get("reply_to_list"):
        found.append(("The reply_to and reply_to_list fields are mutually exclusive.", "reply_to"))
    return found


def _content(body: dict[str, Any]) -> list[Problem]:
    given = body.get("content") or []
    if not given and not body.get("template_id"):
        return [("Unless a valid template_id is provided, the content parameter is required.", "content")]
    found: list[Problem] = []
    for index, part in enumerate(given):
        if not str(part.get("value") or "").strip():
            found.append(
                (
                    "The content value must be a string at least one character in length.",
                    f"content.{index}.value",
                )
            )
    kinds = [part.get("type") for part in given]
    if "text/plain" in kinds[1:]:
        told = "If present, text/plain must be the first content type, followed by text/html."
        found.append((told, "content"))
    return found


def _headers(headers: Any, where: str) -> list[Problem]:
    found: list[Problem] = []
    for name, value in (headers or {}).items():
        if name.lower() in RESERVED:
            told = f"The {name} header is reserved and can not be set through the API."
            found.append((told, f"{where}.{name}"))
        if not isinstance(value, str):
            found.append(("Header values must be strings.", f"{where}.{name}"))
    return found


def _custom_args(args: Any) -> list[Problem]:
    # A value that is not a string gives this opaque answer in reality.
    if any(not isinstance(value, str) for value in (args or {}).values()):
        return [("Bad Request", None)]
    if sum(len(key) + len(value) for key, value in (args or {}).items()) > 10_000:
        return [("The custom_args may not exceed 10000 bytes.", "custom_args")]
    return []
