"""An explicit no in a form or in the CRM is a refusal, not silence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crm.connectors.intake import REFUSED
from crm.connectors.records import LeadContext
from crm.connectors.shopmonkey.mapping import lead_context
from crm.consent_policy import consent_from, may_email, may_text
from crm.leads import LeadData
from crm.models import ConsentEvent
from crm.tenants import TenantSettings

AT = datetime(2026, 5, 4, 15, tzinfo=UTC)
PHONE = "+15125550100"


@pytest.mark.parametrize(
    ("row", "mail", "expected"),
    [
        ({"optIn": False}, {"subscribed": False}, [("sms", True), ("email", True)]),
        ({"optIn": True}, {"subscribed": True}, [("sms", False)]),
        ({"optIn": None}, {}, []),
    ],
    ids=str,
)
def test_the_crm_tells_a_no(
    row: dict[str, Any], mail: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    customer = {
        "id": "c",
        "phoneNumbers": [{"id": "p", "number": PHONE, **row}],
        "emails": [{"id": "e", "email": "dana@example.com", **mail}],
    }
    found = lead_context({"id": "o", "locationId": "l"}, customer, None, [])
    assert isinstance(found, LeadContext)
    assert [(one.channel, one.refused) for one in found.consents] == expected


def event(number: int, action: str, scope: str, address: str = PHONE, source: str = "api") -> ConsentEvent:
    return ConsentEvent(
        id=number, tenant_id=1, channel="sms", address=address, action=action, actor="crm", scope=scope,
        source=source, evidence="x", effective_at=AT,
    )  # fmt: skip


def test_a_no_closes_texts_alone_until_a_yes() -> None:
    settings, lead = TenantSettings(text_consent="assumed"), LeadData(source="api", phone=PHONE)
    stated, no = event(1, "grant", "all", "*"), event(2, "revoke", "marketing", source="api" + REFUSED)
    assert may_text(consent_from([stated], "all"), lead, settings).allowed
    refused = consent_from([stated, no], "all")
    verdict = may_text(refused, lead, settings)
    assert not verdict.allowed
    assert verdict.why == "this person wants no promotions, said on 2026-05-04"
    assert may_email(refused).allowed
    assert refused.stop("sms") is None
    assert may_text(consent_from([stated, no, event(3, "grant", "all")], "all"), lead, settings).allowed
