"""A time that is taken in Shopmonkey: the shop is told, and the customer chooses among times that are free in both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.calendar.booking import Booker, book_directly
from crm.calendar.job import Job
from crm.calendar.labels import label
from crm.calendar.offers import UNSEEN
from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatSession, Lead, Location, Offer, Tenant
from ops.clock import FixedClock
from scheduler import appointment_push
from scheduler.push_deeds import Outcome
from scheduler.push_outcome import CLASH_WAIT
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.calendar_help import customers, local
from tests.integration.push_help import NINE, Site, connected_site
from tests.integration.talking import answer, flush, hear, outgoing

LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
WORK = timedelta(minutes=150)


@pytest.fixture
def site(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Site]:
    with connected_site(test_database, redis_url, clock, db, world) as made:
        yield made


def full(site: Site, starts_at: datetime = NINE, hours: float = 2.5) -> list[str]:
    """Both bays are taken there."""
    return [site.busy(starts_at, hours, name=name) for name in ("Oil change", "Brakes")]


def offers(site: Site) -> list[Offer]:
    """What the customer was shown because of a clash."""
    ids = [message.id for message in site.asked()]
    with site.db.tenant(site.shop.tenant_id) as s:
        return list(s.scalars(select(Offer).where(Offer.message_id.in_(ids)).order_by(Offer.starts_at)))


def test_the_shop_is_told_and_the_customer_is_asked(site: Site) -> None:
    full(site)
    number = site.book()
    assert site.push(number) == "clash"
    row = site.row(number)
    assert (row.status, row.starts_at, row.external_id, row.sync_asked_at) == ("booked", NINE, None, None)
    assert site.posts() == 0
    (told,) = site.told()
    assert told.startswith("The visit of Dana Reyes on Tue, Nov 24 at 9:00 AM clashes with")
    assert "(Tue, Nov 24 at 9:00 AM to 11:30 AM) in Shopmonkey" in told
    assert "The customer is sent other times" in told
    (asked,) = site.asked()
    assert (
        "Hi Dana, the time of your appointment at North Tint, Tue, Nov 24 at 9:00 AM, turned out"
        in asked.body
    )
    times = [label(offer.starts_at, "America/Chicago") for offer in offers(site)]
    assert LABEL.findall(asked.body)[1:] == times
    assert len(times) == 3
    assert "the customer was asked" in site.look()[0].reason
    assert flush(site.runtime, site.shop) == "sent, sent"
    assert [text.body for text in site.texts.sent if text.to_address == CUSTOMER_PHONE] == [asked.body]


def test_only_times_that_are_free_there_too_are_offered(site: Site) -> None:
    full(site, local(23, 9), 33)
    full(site, local(25, 9), 5)
    site.busy(local(26, 9), 9)
    number = site.book()
    site.push(number)
    busy = [(local(23, 9), local(24, 18)), (local(25, 9), local(25, 14))]
    found = offers(site)
    assert len(found) == 3
    assert not any(one.starts_at < end and one.ends_at > start for one in found for start, end in busy)
    assert found[0].starts_at == local(25, 14)


def test_the_customer_chooses_and_the_new_time_goes_there(site: Site) -> None:
    full(site)
    number = site.book()
    site.push(number)
    flush(site.runtime, site.shop)
    chosen = offers(site)[1].starts_at
    hear(site.runtime, site.shop, f"{label(chosen, 'America/Chicago')} works, please move it")
    assert answer(site.runtime, site.shop) == "done"
    assert site.row(number).starts_at == chosen
    assert site.push(number) == "created"
    assert chosen in site.starts()
    assert (len(site.told()), len(site.asked())) == (1, 1)


def test_nobody_is_told_twice_and_what_becomes_free_is_taken(site: Site) -> None:
    taken = full(site)
    number = site.book()
    site.push(number)
    assert site.owed() == []
    assert site.push(number, CLASH_WAIT) == "clash"
    assert (len(site.told()), len(site.asked()), len(offers(site))) == (1, 1, 3)
    site.shopmonkey.remove("appointment", taken[0])
    assert site.push(number, CLASH_WAIT) == "created"
    assert site.look() == []


def test_a_move_into_a_taken_time_leaves_the_entry_where_it_was(site: Site) -> None:
    number = site.book()
    site.push(number)
    full(site, local(24, 13))
    site.move(local(24, 13))
    assert site.push(number) == "clash"
    assert NINE in site.starts()
    row = site.row(number)
    assert (row.starts_at, row.external_starts_at, len(site.asked())) == (local(24, 13), NINE, 1)


def test_a_change_meanwhile_is_looked_at_instead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    full(site)
    number = site.book()
    real = appointment_push.carry_out

    def overtaken(*given: Any) -> Outcome:
        outcome = real(*given)
        site.move(local(25, 9))
        return outcome

    monkeypatch.setattr(appointment_push, "carry_out", overtaken)
    assert site.push(number) == "clash, and changed meanwhile"
    monkeypatch.setattr(appointment_push, "carry_out", real)
    assert (site.told(), site.asked()) == ([], [])
    assert site.push(number) == "created"


@pytest.mark.parametrize("how", ["cancelled", "moved"])
def test_who_chose_otherwise_meanwhile_is_not_asked(site: Site, how: str) -> None:
    """ "Your appointment stays as it is" would be untrue by now."""
    full(site)
    number = site.book()
    site.push(number)
    if how == "cancelled":
        site.cancel(number)
    else:
        site.move(local(27, 9))
    assert "dropped" in flush(site.runtime, site.shop)
    assert site.asked()[0].status == "dropped"
    assert [one for one in site.texts.sent if one.to_address == CUSTOMER_PHONE] == []
    assert not any("was to hear" in told for told in site.told())


def test_a_spanish_speaker_is_asked_in_spanish(site: Site) -> None:
    with site.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Lead, site.shop.lead_id).language = "es"
    full(site)
    site.push(site.book())
    (asked,) = site.asked()
    assert "Hola Dana, resulta que la hora de su cita en North Tint, Tue, Nov 24 at 9:00 AM" in asked.body
    assert len(LABEL.findall(asked.body)) == 4


@pytest.mark.parametrize("why", ["person", "stop", "owner", "nothing free"])
def test_who_is_not_to_be_asked_is_not_and_the_shop_knows(site: Site, why: str) -> None:
    full(site)
    if why == "owner":
        booker = Booker(site.shop.lead_id, None, "owner", site.clock.now())
        with site.db.tenant(site.shop.tenant_id) as s:
            location = s.get_one(Location, site.shop.location_id)
            job = Job((site.shop.service_ids["tint-full-sedan-carbon"],), 150)
            number = book_directly(s, location, site.shop.lead_id, job, NINE, booker).id
    else:
        number = site.book()
    with site.db.tenant(site.shop.tenant_id) as s:
        if why == "person":
            s.get_one(ChatSession, site.shop.session_id).state = "human"
        if why == "stop":
            for channel, address in (("sms", CUSTOMER_PHONE), ("email", "dana@example.com")):
                record_consent(
                    s, tenant_id=site.shop.tenant_id, channel=channel, address=address, action="revoke",
                    actor="customer", source="test", evidence="stop", effective_at=site.clock.now(),
                )  # fmt: skip
    if why == "nothing free":
        full(site, local(23, 9), 24 * 60)
    assert site.push(number) == "clash"
    assert site.asked() == []
    assert "The customer was not asked: please settle it with them." in site.told()[0]


def test_who_wants_no_texts_is_asked_by_mail(site: Site) -> None:
    with site.db.tenant(site.shop.tenant_id) as s:
        record_consent(
            s, tenant_id=site.shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke",
            actor="customer", source="test", evidence="stop", effective_at=site.clock.now(),
        )  # fmt: skip
    full(site)
    site.push(site.book())
    (asked,) = site.asked()
    assert (asked.channel, asked.subject) == ("email", "The time of your appointment at North Tint")


@pytest.mark.parametrize(
    ("entries", "rules", "outcome"),
    [
        pytest.param([{}], {}, "created", id="one-of-two-bays"),
        pytest.param([{}, {"cancellationNote": "rained off"}], {}, "created", id="cancelled"),
        pytest.param([{}, {"recurring": True}], {}, "clash", id="a-series"),
        pytest.param([{}, {"customerId": "dana"}], {}, "created", id="the-same-customer"),
        pytest.param([{}, {}], {"push": {"exclusive": "off"}}, "created", id="not-exclusive"),
        pytest.param(
            [{}], {"outside": {"without_technician": "every_bay"}}, "clash", id="an-entry-that-takes-every-bay"
        ),
        pytest.param(
            [{}, {}], {"outside": {"without_technician": "no_bay"}}, "created", id="entries-that-take-none"
        ),
        pytest.param(
            [{"technicianIds": ["kim"]}], {"outside": {"technician_bays": {"kim": "Bay 1"}}}, "clash",
            id="the-technician-of-our-bay",
        ),
        pytest.param(
            [{"technicianIds": ["kim"]}], {"outside": {"technician_bays": {"kim": "Bay 2"}}}, "created",
            id="the-technician-of-another-bay",
        ),
        pytest.param(
            [{"technicianIds": ["kim"]}],
            {"push": {"exclusive": "technicians"}, "technician_ids": ["kim"]}, "clash",
            id="our-technician",
        ),
        pytest.param(
            [{}, {"technicianIds": ["lee"]}],
            {"push": {"exclusive": "technicians"}, "technician_ids": ["kim"]}, "created",
            id="another-technician",
        ),
    ],
)  # fmt: skip
def test_what_counts_as_taken(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    entries: list[dict[str, object]],
    rules: dict[str, object],
    outcome: str,
) -> None:
    users = {name: site.shopmonkey.add_user(name) for name in ("kim", "lee")}
    users["dana"] = site.customer_id

    def real(value: object) -> object:
        """Names as the ids they stand for."""
        if isinstance(value, dict):
            return {users.get(key, key): real(each) for key, each in value.items()}
        if isinstance(value, list):
            return [real(each) for each in value]
        return users.get(value, value) if isinstance(value, str) else value

    site.settings(monkeypatch, **{name: real(value) for name, value in rules.items()})
    for entry in entries:
        site.busy(NINE, **{name: real(value) for name, value in entry.items()})
    assert site.push(site.book()) == outcome


def test_our_own_bookings_beside_it_count(site: Site) -> None:
    (other,) = customers(site.db, site.shop, 1)
    assert site.push(site.book(who=other)) == "created"
    assert site.push(site.book()) == "created", "two bays, two bookings of ours"
    site.busy(local(25, 9))
    assert site.push(site.book(local(25, 9), customers(site.db, site.shop, 1, 2000)[0])) == "created"
    assert site.push(site.book(local(25, 9), customers(site.db, site.shop, 1, 3000)[0])) == "clash"


def test_words_of_other_statuses_are_no_showing(site: Site) -> None:
    full(site)
    site.push(site.book())
    (asked,) = outgoing(site.db, site.shop, "confirmation")
    assert asked.status not in UNSEEN
    assert asked.expires_at is not None
    assert asked.expires_at > site.clock.now()


def test_a_time_that_fell_out_of_a_short_text_was_not_shown(site: Site) -> None:
    with site.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Tenant, site.shop.tenant_id).settings = {"max_segments": 1}
    full(site)
    site.push(site.book())
    (asked,) = site.asked()
    shown = [label(offer.starts_at, "America/Chicago") for offer in offers(site)]
    assert len(shown) < 3
    assert all(each in asked.body for each in shown)
