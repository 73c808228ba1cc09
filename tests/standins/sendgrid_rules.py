"""What POST /v3/mail/send refuses (messaging facts 4.2)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any

# The whole request; a larger one never reaches the API but gets a proxy's page.
MOST_BYTES = 30 * 1024 * 1024
MOST_PEOPLE = 1000
SEND_AT_WITHIN = timedelta(hours=72)
RESERVED = frozenset(
    [
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc"),
    ]
)
Problem = tuple[str, str | None]


def problems(body: Any, now: datetime) -> list[Problem]:
    """(message, field) of everything wrong with a mail; empty when it is accepted."""
    if not isinstance(body, dict):
        return [("Bad Request", None)]
    return [
        *_personalizations(body),
        *_sender(body),
        *_content(body),
        *_attachments(body.get("attachments")),
        *_headers(body.get("headers"), "headers"),
        *_custom_args(body.get("custom_args")),
        *_categories(body.get("categories")),
        *_asm(body.get("asm")),
        *_send_at(body.get("send_at"), now),
    ]


def _personalizations(body: dict[str, Any]) -> list[Problem]:
    given = body.get("personalizations")
    if not isinstance(given, list) or not given:
        told = "The personalizations field is required and must have at least one personalization."
        return [(told, "personalizations")]
    found: list[Problem] = []
    for index, each in enumerate(given):
        where = f"personalizations.{index}"
        found += _people(each, where)
        if not (each.get("subject") or body.get("subject")):
            told = "The subject is required. You can get around this requirement with a template."
            found.append((told, "subject"))
        found += _headers(each.get("headers"), f"{where}.headers")
        found += _custom_args(each.get("custom_args"))
    people = sum(len(each.get(kind) or []) for each in given for kind in ("to", "cc", "bcc"))
    if len(given) > MOST_PEOPLE or people > MOST_PEOPLE:
        found.append((f"There is a limit of {MOST_PEOPLE} total recipients per request.", "personalizations"))
    return found


def _people(each: dict[str, Any], where: str) -> list[Problem]:
    found: list[Problem] = []
    seen: set[str] = set()
    if not each.get("to"):
        found.append(("The to array is required for all personalization objects.", f"{where}.to"))
    for kind in ("to", "cc", "bcc"):
        for place, person in enumerate(each.get(kind) or []):
            email = str(person.get("email", "")).lower()
            if "@" not in email:
                found.append(("Does not contain a valid address.", f"{where}.{kind}.{place}.email"))
            if email in seen:
                told = "Each email address in the personalization block should be unique between to, cc, and bcc."
                found.append((f"{told} We found the first duplicate instance of [{email}]", where))
            seen.add(email)
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
            told = "The content value must be a string at least one character in length."
            found.append((told, f"content.{index}.value"))
    if "text/plain" in [part.get("type") for part in given][1:]:
        told = "If present, text/plain must be the first content type, followed by text/html."
        found.append((told, "content"))
    return found


def _attachments(given: Any) -> list[Problem]:
    found: list[Problem] = []
    for index, each in enumerate(given or []):
        where = f"attachments.{index}"
        try:
            if not base64.b64decode(str(each.get("content") or ""), validate=True):
                raise ValueError("empty")
        except (binascii.Error, ValueError):
            found.append(("The attachment content must be base64 encoded.", f"{where}.content"))
        if not each.get("filename"):
            found.append(("The filename is required.", f"{where}.filename"))
        if set(";\r\n") & set(str(each.get("type") or "")):
            told = "The type of the attachment cannot contain ';', or CRLF characters."
            found.append((told, f"{where}.type"))
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
    if sum(len(key.encode()) + len(value.encode()) for key, value in (args or {}).items()) > 10_000:
        return [("The custom_args may not exceed 10000 bytes.", "custom_args")]
    return []


def _categories(given: Any) -> list[Problem]:
    names = given or []
    if len(names) > 10:
        return [("The length of the categories array must be less than 11.", "categories")]
    if len(set(names)) < len(names):
        return [("Each category must be unique.", "categories")]
    return [
        ("The category must be a string of at most 255 characters.", f"categories.{index}")
        for index, name in enumerate(names)
        if not isinstance(name, str) or len(name) > 255
    ]


def _asm(given: Any) -> list[Problem]:
    if not given:
        return []
    found: list[Problem] = []
    if not isinstance(given.get("group_id"), int):
        found.append(("The asm group_id is required and must be an integer.", "asm.group_id"))
    if len(given.get("groups_to_display") or []) > 25:
        found.append(("There is a limit of 25 groups to display.", "asm.groups_to_display"))
    return found


def _send_at(given: Any, now: datetime) -> list[Problem]:
    if given is None:
        return []
    if not isinstance(given, int) or given > (now + SEND_AT_WITHIN).timestamp():
        return [("send_at must be a unix timestamp in seconds, at most 72 hours from now.", "send_at")]
    return []
