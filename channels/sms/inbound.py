"""What Twilio says of an inbound text, as the inbox wants it; the same for a webhook and for what a list brought."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from channels.inbound import Inbound, MediaPart
from channels.sms.tapback import read_tapback
from crm.consents import normal_address

# Twilio puts no more into one message; a form that claims more is not believed (messaging facts 1.5).
MOST_MEDIA = 10
_OPT_OUT_TYPES = frozenset({"STOP", "START", "HELP"})


class NotAText(ValueError):
    """It belongs to no conversation by text: another channel's address, or no sender at all. Says why."""


def inbound_of(
    fields: Mapping[str, Any],
    *,
    tenant_id: int,
    location_id: int,
    received_at: datetime,
    sent_at: datetime | None = None,
    fresh: bool = True,
) -> Inbound:
    """One message from its parameters (messaging facts 1.1), all of which are kept in `raw`.

    `sent_at` is Twilio's date of a message that no webhook brought in time. A reaction has no words of its own, so its
    body only names it and the whole text is kept beside. Raises NotAText.
    """
    sender, to = _text(fields, "From"), _text(fields, "To")
    if ":" in sender or ":" in to:
        # whatsapp:+1..., rcs:...: an answer by text would reach nobody, or somebody who did not text.
        raise NotAText("it came by another channel than text")
    body = _text(fields, "Body").replace("\x00", "")
    tapback = read_tapback(body)
    kind = _text(fields, "OptOutType").strip().upper()
    return Inbound(
        tenant_id=tenant_id,
        location_id=location_id,
        channel="sms",
        carrier="twilio",
        carrier_id=_text(fields, "MessageSid"),
        from_address=normal_address("sms", sender),
        to_address=to,
        body=body if tapback is None else tapback.words,
        body_full=None if tapback is None else body,
        received_at=received_at,
        raw={_clean(name): _clean(value) for name, value in fields.items()},
        automatic=tapback is not None and not tapback.wants_answer,
        opt_out_type=kind if kind in _OPT_OUT_TYPES else None,
        media=media_of(fields) if fields.get("NumMedia", "0") != "0" else (),
        sent_at=sent_at,
        fresh=fresh,
    )


def media_of(fields: Mapping[str, Any]) -> tuple[MediaPart, ...]:
    """The pictures and files a message names, ten at most; one without an address is left out."""
    named = (
        (_text(fields, f"MediaUrl{n}"), _text(fields, f"MediaContentType{n}")) for n in range(MOST_MEDIA)
    )
    return tuple(
        MediaPart(_clean(url), _clean(kind) or "application/octet-stream") for url, kind in named if url
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else str(value[0]) if value else ""


def _clean(value: Any) -> Any:
    """PostgreSQL stores no NUL; everything else is kept as it came."""
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value.replace("\x00", "") if isinstance(value, str) else value
