"""Files and forms keep the contract: they bring leads, and say that they can do nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crm.connectors.base import Change, Connector, LeadContext, NotALead
from crm.connectors.registry import stored_connector
from crm.connectors.stored import TABLE
from tests.contract.connector_contract import NOW, ConnectorContract, Site, Trouble


def site_of(name: str) -> Site:
    """Records in a dictionary, as they lie in a database."""
    records: dict[str, Any] = {}

    def new_lead(location: str) -> Change:
        record_id = f"row-{len(records)}"
        records[record_id] = {"location": location, "first_name": "Dana", "phone": "+13125550199"}
        return Change(TABLE, "INSERT", record_id, None)

    def in_trouble(trouble: Trouble) -> Connector:
        broken: Any = {"malformed": ["junk"], "bad_key": {}, "down": None}[trouble]
        return stored_connector(name, lambda record_id: broken)

    return Site(
        connector=stored_connector(name, records.get),
        location="north",
        foreign="south",
        new_lead=new_lead,
        unknown=Change(TABLE, "INSERT", "nowhere", None),
        in_trouble=in_trouble,
        networked=False,
    )


class TestCsv(ConnectorContract):
    """Rows of a file."""

    @pytest.fixture
    def site(self) -> Site:
        return site_of("csv")


class TestWebForm(ConnectorContract):
    """Filled-in forms."""

    @pytest.fixture
    def site(self) -> Site:
        return site_of("web_form")


def lead(record: dict[str, Any], default: str | None = "north") -> LeadContext | NotALead:
    connector = stored_connector("web_form", lambda record_id: record, default_location=default)
    return connector.fetch_lead(Change(TABLE, "INSERT", "7", None), frozenset({"north"}), NOW)


def test_a_whole_form_becomes_a_lead() -> None:
    found = lead(
        {
            "name": "Dana Maria Reyes", "phone": "(312) 555-0199", "email": "Dana@Example.com", "wish": "Tint",
            "language": "es", "vehicle_year": "2021", "vehicle_make": "Honda", "vehicle_style": "SUV",
            "sms_consent": True, "sms_consent_text": "Text me", "made_at": "2026-11-23T09:00:00-06:00",
            "facts": {"page": "/quote"},
        }
    )  # fmt: skip
    assert isinstance(found, LeadContext)
    data = found.data
    assert (data.first_name, data.last_name) == ("Dana", "Maria Reyes")
    assert (data.phone, data.email) == ("+13125550199", "dana@example.com")
    assert data.vehicle is not None
    assert (data.vehicle.year, data.vehicle.make, data.vehicle.body_style) == (2021, "Honda", "suv")
    assert (found.made_at, found.facts) == (NOW, {"page": "/quote"})
    (consent,) = found.consents
    assert (consent.channel, consent.address) == ("sms", "+13125550199")
    assert json.loads(consent.evidence)["text"] == "Text me"


@pytest.mark.parametrize("value", ["yes", "true", 1, "no", None, {}, [True]])
def test_only_a_real_true_is_consent(value: Any) -> None:
    found = lead({"phone": "+13125550199", "sms_consent": value, "sms_consent_text": "I agree"})
    assert isinstance(found, LeadContext)
    assert found.consents == ()


def test_odd_values_never_raise() -> None:
    odd: list[Any] = [5, None, [], {}, "\x00", "x" * 5000, 10**30, float("nan"), True]
    for value in odd:
        found = lead(
            {
                **dict.fromkeys(("name", "wish", "vehicle_year", "made_at", "facts"), value),
                "phone": "+13125550199",
            }
        )
        assert isinstance(found, LeadContext)
        assert isinstance(lead({"phone": value, "email": value}), NotALead)
        assert isinstance(lead({"phone": "+13125550199", "location": value}, None), NotALead)
