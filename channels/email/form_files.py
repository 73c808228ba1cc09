"""The files of a post in parsed mode: their real names stand in `attachment-info` (messaging facts 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels.email.files import Found, keep_files
from channels.email.form import FormFile, InboundForm
from channels.email.headers import decode_words
from channels.email.mail import MailFile, Report
from channels.email.mime import MOST_REPORTS, report_of
from crm.text import storable


def parts_of_form(form: InboundForm) -> tuple[tuple[MailFile, ...], tuple[Report, ...]]:
    """(the files, what stands in them for machines) of a post in parsed mode."""
    info = form.json_object("attachment-info")
    ids = {str(field): str(cid) for cid, field in form.json_object("content-ids").items()}
    html = form.text("html")
    files = keep_files(_found(one, _told(info, one.field), ids.get(one.field), html) for one in form.files)
    reports = [report_of(_type(one, _told(info, one.field)), one.content) for one in form.files]
    return files, tuple(one for one in reports if one is not None)[:MOST_REPORTS]


def _told(info: dict[str, Any], field: str) -> dict[str, Any]:
    told = info.get(field)
    return told if isinstance(told, dict) else {}


def _type(file: FormFile, told: dict[str, Any]) -> str:
    kind = told.get("type")
    return kind.partition(";")[0].strip().lower() if isinstance(kind, str) and kind else file.content_type


def _found(file: FormFile, told: dict[str, Any], content_id: str | None, html: str) -> Found:
    names = (told.get("filename"), told.get("name"), file.filename)
    name = next((one for one in names if isinstance(one, str) and one.strip()), None)
    listed = told.get("content-id")
    content_id = content_id or (listed if isinstance(listed, str) else "")
    content_id = storable(content_id).strip("<> ")[:200] or None
    return Found(
        name=decode_words(name) if name else None,
        content_type=_type(file, told),
        size=len(file.content),
        read=_reader(file.content),
        content_id=content_id,
        inline=content_id is not None and f"cid:{content_id}" in html,
    )


def _reader(content: bytes) -> Callable[[], bytes]:
    return lambda: content
