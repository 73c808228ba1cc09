"""What every connector has to keep. Inherit `ConnectorContract` and give it a `site` fixture.

A test of something the connector cannot do holds it to saying so: nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from crm.connectors import base
from crm.connectors.base import (
    AppointmentDraft,
    Change,
    Connector,
    ConnectorError,
    LeadContext,
    NotALead,
    NotSupported,
)

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
START, END = NOW + timedelta(days=1), NOW + timedelta(days=1, hours=2)
SECRET, OLD_SECRET = "new-secret-0123456789", "old-secret-0123456789"
Trouble = Literal["down", "bad_key", "malformed"]
Delivery = tuple[Mapping[str, str], bytes, Change]


@dataclass
class Site:
    """A connector and the system behind it. `foreign` is a location of another tenant, `private` the words no error
    may hold."""

    connector: Connector
    location: str
    foreign: str
    new_lead: Callable[[str], Change]
    unknown: Change
    in_trouble: Callable[[Trouble], Connector]
    networked: bool = True
    deliver: Callable[[str, Change], Delivery] | None = None
    appointments_held: Callable[[], int] | None = None
    private: tuple[str, ...] = field(default=())


CALLS: dict[str, list[Callable[[Connector], object]]] = {
    base.WEBHOOKS: [lambda c: c.read_webhook(b"{}")],
    base.CHANGES: [lambda c: list(c.changes_since("l1", NOW, NOW)), lambda c: list(c.new_everywhere(NOW))],
    base.LEADS: [lambda c: c.fetch_lead(Change("order", "INSERT", "o1", None), frozenset({"l1"}), NOW)],
    base.CATALOGUE: [lambda c: c.catalogue("l1")],
    base.APPOINTMENTS: [lambda c: c.appointments("l1", START, END), lambda c: c.fetch_appointment("a1")],
    base.BOOKING: [
        lambda c: c.create_appointment(draft("l1")),
        lambda c: c.move_appointment("a1", draft("l1")),
        lambda c: c.cancel_appointment("a1", "no"),
        lambda c: c.find_appointment("b1", None, START),
    ],
    base.CONVERSATION: [
        lambda c: c.mark_conversation("o1", "hello"),
        lambda c: c.person_wrote("o1"),
        lambda c: c.persons_messages("o1"),
        lambda c: c.message_author("m1"),
    ],
    base.CHECK: [lambda c: c.check()],
    base.REGISTRATION: [
        lambda c: c.webhook_state("w1"),
        lambda c: c.register_webhook("https://x.example", "s"),
        lambda c: c.repair_webhook("w1"),
        lambda c: c.remove_webhook("w1"),
    ],
}


def supported(call: Callable[[Connector], object], connector: Connector) -> bool:
    """False when the connector says that it cannot; any other failure is of something it can do."""
    try:
        call(connector)
    except NotSupported as error:
        return connector.name not in str(error)
    except ConnectorError:
        return True
    return True


def draft(location: str, our_id: str = "lo-1", start: datetime = START) -> AppointmentDraft:
    """Two hours of tinting."""
    return AppointmentDraft(
        our_id, location, "Dana / Civic / Tint", start, start + timedelta(hours=2), "Ceramic"
    )


def changes(connector: Connector, location: str) -> list[str]:
    """Ids of what changed since an hour ago."""
    pages: Iterator[list[Change]] = connector.changes_since(location, NOW - timedelta(hours=1), NOW)
    return [change.record_id for page in pages for change in page]


class ConnectorContract:
    """Inherited by the tests of each connector."""

    def test_it_is_a_connector_and_honest_about_what_it_can(self, site: Site) -> None:
        assert isinstance(site.connector, Connector)
        assert site.connector.capabilities <= set(CALLS)
        for capability, calls in CALLS.items():
            for call in calls:
                assert supported(call, site.connector) == (capability in site.connector.capabilities)

    # Secrets

    @pytest.mark.parametrize(
        "given", ["valid", "missing", "wrong", "rotated", "retired", "altered", "unsigned"]
    )
    def test_secrets(self, site: Site, given: str) -> None:
        if site.deliver is None:
            assert base.WEBHOOKS not in site.connector.capabilities
            assert site.connector.verify({}, b"{}", SECRET, NOW) == "unsigned"
            return
        headers, raw, _ = site.deliver(
            OLD_SECRET if given in ("rotated", "retired") else SECRET, site.unknown
        )
        held: str | None = {"missing": None, "wrong": "another", "rotated": f"{SECRET}\n{OLD_SECRET}"}.get(
            given, SECRET
        )
        verdict = site.connector.verify(
            {} if given == "unsigned" else headers, raw + b" " if given == "altered" else raw, held, NOW
        )
        expected = {"valid": "valid", "rotated": "valid", "unsigned": "unsigned"}.get(given, "invalid")
        assert verdict == expected

    @pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"null", b'{"data": 5}', b"[" * 100_000])
    def test_junk_is_no_change(self, site: Site, raw: bytes) -> None:
        if base.WEBHOOKS in site.connector.capabilities:
            assert site.connector.read_webhook(raw) is None
        else:
            with pytest.raises(NotSupported):
                site.connector.read_webhook(raw)

    def test_a_delivery_told_twice_is_the_same_change(self, site: Site) -> None:
        change = site.new_lead(site.location)
        if site.deliver is not None:
            told = [site.connector.read_webhook(site.deliver(SECRET, change)[1]) for _ in range(2)]
            assert told[0] == told[1]
            assert told[0] is not None
            assert (told[0].table, told[0].record_id) == (change.table, change.record_id)
        found = [site.connector.fetch_lead(change, frozenset({site.location}), NOW) for _ in range(2)]
        assert isinstance(found[0], LeadContext)
        assert found[0] == found[1]

    # Records

    def test_a_lead_is_fetched_by_its_id_alone(self, site: Site) -> None:
        change = replace(site.new_lead(site.location), version="nonsense", operation="UPDATE")
        found = site.connector.fetch_lead(change, frozenset({site.location, "elsewhere"}), NOW)
        assert isinstance(found, LeadContext)
        assert found.location_external_id == site.location
        assert found.data.external_id == change.record_id
        assert found.data.source == site.connector.name

    def test_unknown_and_deleted_records_are_no_leads(self, site: Site) -> None:
        deleted = replace(site.new_lead(site.location), operation="DELETE")
        odd = replace(site.unknown, table="no such table")
        for change in (site.unknown, deleted, odd):
            found = site.connector.fetch_lead(change, frozenset({site.location}), NOW)
            assert isinstance(found, NotALead)
            assert found.reason

    def test_another_tenants_location_is_none_of_ours(self, site: Site) -> None:
        theirs, ours = site.new_lead(site.foreign), site.new_lead(site.location)
        found = site.connector.fetch_lead(theirs, frozenset({site.location}), NOW)
        assert isinstance(found, NotALead)
        assert "Dana" not in found.reason
        if base.CHANGES in site.connector.capabilities:
            listed = changes(site.connector, site.location)
            assert (ours.record_id in listed, theirs.record_id in listed) == (True, False)

    def test_changes_are_listed_once(self, site: Site) -> None:
        made = {site.new_lead(site.location).record_id for _ in range(3)}
        if base.CHANGES not in site.connector.capabilities:
            with pytest.raises(NotSupported):
                changes(site.connector, site.location)
            return
        assert sorted(changes(site.connector, site.location)) == sorted(made)

    # Trouble

    @pytest.mark.parametrize("trouble", ["down", "bad_key", "malformed"])
    def test_trouble_is_a_connector_error_fit_to_be_shown(self, site: Site, trouble: Trouble) -> None:
        change = site.new_lead(site.location)
        broken = site.in_trouble(trouble)
        if not site.networked:
            assert isinstance(broken.fetch_lead(change, frozenset({site.location}), NOW), NotALead)
            return
        with pytest.raises(ConnectorError) as caught:
            broken.fetch_lead(change, frozenset({site.location}), NOW)
        assert caught.value.kind == ("misconfigured" if trouble == "bad_key" else "transient")
        assert str(caught.value)
        assert not [word for word in site.private if word in str(caught.value)]

    @pytest.mark.parametrize("trouble", ["down", "bad_key", "malformed"])
    def test_a_check_tells_and_does_not_raise(self, site: Site, trouble: Trouble) -> None:
        if base.CHECK not in site.connector.capabilities:
            with pytest.raises(NotSupported):
                site.connector.check()
            return
        well = site.connector.check()
        assert (well.works, well.problem) == (True, None)
        assert site.location in {each.external_id for each in well.locations}
        ill = site.in_trouble(trouble).check()
        assert (ill.works, ill.locations) == (False, ())
        assert ill.problem
        assert ill.kind == ("misconfigured" if trouble == "bad_key" else "transient")

    # Bookings

    def test_a_booking_is_made_once_found_moved_and_cancelled(self, site: Site) -> None:
        if base.BOOKING not in site.connector.capabilities:
            assert site.appointments_held is None
            return
        assert site.appointments_held is not None
        wanted = draft(site.location)
        made = site.connector.create_appointment(wanted)
        again = site.connector.create_appointment(wanted)
        assert (again.external_id, site.appointments_held()) == (made.external_id, 1)
        assert (made.starts_at, made.ends_at, made.our_id) == (wanted.starts_at, wanted.ends_at, "lo-1")
        assert site.connector.find_appointment("lo-1", None, START) == made
        assert site.connector.find_appointment("lo-11", None, START) is None
        fetched = site.connector.fetch_appointment(made.external_id)
        assert fetched is not None
        assert (fetched.starts_at, fetched.our_id, fetched.cancelled) == (wanted.starts_at, "lo-1", False)
        assert site.connector.fetch_appointment("5b0a4c1e-gone") is None
        later = draft(site.location, start=START + timedelta(hours=3))
        for _ in range(2):
            assert site.connector.move_appointment(made.external_id, later).starts_at == later.starts_at
        for _ in range(2):
            site.connector.cancel_appointment(made.external_id, "the customer cannot come")
        found = site.connector.find_appointment("lo-1", None, later.starts_at)
        assert found is None or found.cancelled
        with pytest.raises(ConnectorError) as caught:
            site.connector.move_appointment("5b0a4c1e-gone", later)
        assert caught.value.status == 404
