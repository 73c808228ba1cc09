"""What a form has to record of a consent: the words, when, from where, on which page (messaging facts 3.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from channels.api.schema import ConsentIn, LeadIn
from crm.connectors.records import ConsentEvidence
from crm.text import storable

# The ledger keeps so many characters; beyond them the evidence would end in the middle.
LONGEST = 2000


@dataclass(frozen=True)
class Seen:
    """What we saw ourselves of the request. `address` is the one that connected to us, perhaps a proxy's; `forwarded`
    is what proxies, or anybody, say of the one behind. `by`: with whose key, and whether it is shown to everybody."""

    at: datetime
    address: str | None
    forwarded: str | None
    agent: str | None
    by: str
    public: bool


def consents_of(lead: LeadIn, seen: Seen) -> tuple[ConsentEvidence, ...]:
    """The consents that are evidence: an explicit yes with the words it was said to, or an explicit no."""
    channels: tuple[tuple[Literal["sms", "email"], str | None], ...] = (
        ("sms", lead.phone),
        ("email", lead.email),
    )
    found = []
    for channel, address in channels:
        consent = getattr(lead.consent, channel) if lead.consent is not None else None
        if consent is not None and consent.given and consent.text and address is not None:
            found.append(ConsentEvidence(channel, address, _as_text(consent, seen)))
        elif consent is not None and not consent.given and address is not None:
            words = _as_text(consent, seen)
            found.append(
                ConsentEvidence(channel, address, words, refused=True, fresh=True, said_at=consent.at)
            )
    return tuple(found)


def missing_words(lead: LeadIn) -> list[str]:
    """A sentence for every consent that was given and is no evidence."""
    found = []
    for channel, needed in (("sms", "phone"), ("email", "email")):
        consent = getattr(lead.consent, channel) if lead.consent is not None else None
        if consent is None or not consent.given:
            continue
        if not consent.text:
            found.append(f"consent.{channel} was not recorded: text is missing, the words they agreed to")
        elif getattr(lead, needed) is None:
            found.append(f"consent.{channel} was not recorded: {needed} is missing")
    return found


def _as_text(consent: ConsentIn, seen: Seen) -> str:
    told: dict[str, Any] = {
        "text": consent.text,
        "at": (consent.at or seen.at).isoformat(),
        "url": consent.url,
        "ip": consent.ip,
    }
    ours: dict[str, Any] = {
        "at": seen.at.isoformat(),
        "by": seen.by,
        "public_form": seen.public,
        "ip": seen.address,
        "forwarded_for": _short(seen.forwarded),
        "agent": _short(seen.agent),
    }
    evidence = {"agreed": consent.given, **_known(told), "seen": _known(ours)}
    text = json.dumps(evidence, ensure_ascii=False)
    # The words count most; what makes way first is what proves least.
    for drop in ("agent", "forwarded_for"):
        if len(text) > LONGEST:
            evidence["seen"].pop(drop, None)
            text = json.dumps(evidence, ensure_ascii=False)
    if len(text) > LONGEST and consent.url:
        evidence["url"] = consent.url[: max(0, len(consent.url) - (len(text) - LONGEST))]
        text = json.dumps(evidence, ensure_ascii=False)
    return text


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _short(text: str | None) -> str | None:
    return storable(text)[:200] if text else None
