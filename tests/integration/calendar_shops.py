"""Random shops for the calendar's model: drawn by hypothesis, written to the database, read back as it holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from crm.db import Database
from crm.models import (
    Appointment,
    Bay,
    BayHours,
    ChatMessage,
    ChatSession,
    Lead,
    Location,
    LocationHours,
    LocationSpecialHours,
    Service,
)
from tests.integration.calendar_oracle_shop import Held, OracleBay, OracleJob, OracleShop

# The days of change of 2026 and 2027; where clocks never change, those of Chicago.
CHANGES = {
    "America/Chicago": (date(2026, 11, 1), date(2027, 3, 14)),
    "America/Phoenix": (date(2026, 11, 1), date(2027, 3, 14)),
    "Pacific/Honolulu": (date(2026, 11, 1), date(2027, 3, 14)),
    "America/St_Johns": (date(2026, 11, 1), date(2027, 3, 14)),
    "Australia/Lord_Howe": (date(2026, 10, 4), date(2027, 4, 4)),
    "Europe/Berlin": (date(2026, 10, 25), date(2027, 3, 28)),
}

# The federal holidays of the United States in the weeks around those days, written down by hand (5 U.S.C. 6103).
HOLIDAYS = frozenset(
    {date(2026, 9, 7), date(2026, 10, 12), date(2026, 11, 11), date(2026, 11, 26), date(2026, 12, 25)}
)


@dataclass(frozen=True)
class Sold:
    """A service of the random shops: labour in minutes, more of it for a truck if `truck` says so."""

    code: str
    category: str
    minutes: int
    visit: str = "wait"
    truck: int | None = None


SERVICES = {
    one.code: one
    for one in (
        Sold("wash", "wash", 30),
        Sold("tint", "tint", 90, truck=135),
        Sold("film", "film", 240, truck=300),
        Sold("restore", "coating", 660),
        Sold("wrap", "film", 420, "drop_off", truck=600),
        Sold("coat", "coating", 1440, "drop_off"),
    )
}


def _at(text_: str) -> time:
    return time.fromisoformat(text_)


def _hours(*stretches: str) -> list[tuple[time, time]]:
    return [(_at(one.split("-")[0]), _at(one.split("-")[1])) for one in stretches]


# Nights are there because clocks change at night, odd minutes because grids start at the opening.
DAYS = [
    [],
    _hours("09:00-17:00"),
    _hours("09:00-12:00", "13:00-17:30"),
    _hours("07:15-12:00", "12:00-16:00"),
    _hours("00:00-06:00"),
    _hours("01:30-02:15", "02:45-09:00"),
    _hours("20:00-23:45"),
]
OPEN_DAYS = [day for day in DAYS if day]

jobs = st.tuples(
    st.lists(st.sampled_from(sorted(SERVICES)), min_size=1, max_size=2, unique=True),
    st.sampled_from([None, "sedan", "truck"]),
)
# Clocks change on Sundays: most shops work that night, so that most examples have it in them.
NIGHTS = [_hours("00:00-06:00"), _hours("01:30-02:15", "02:45-09:00"), []]
weeks = st.tuples(*[st.sampled_from(DAYS)] * 6, st.sampled_from(NIGHTS)).map(
    lambda days: dict(enumerate(days))
)
bays = st.builds(
    OracleBay,
    skills=st.sampled_from([frozenset[str](), frozenset({"wash", "tint"}), frozenset({"film", "coat"})]),
    hours=st.one_of(
        st.just({}),
        st.fixed_dictionaries(
            {day: st.sampled_from([_hours("00:00-13:15"), _hours("08:00-11:00", "12:00-23:00")]) for day in range(7)}
        ),
    ),
)  # fmt: skip


@st.composite
def shops(draw: st.DrawFn, zone: str) -> tuple[OracleShop, list[OracleBay], datetime]:
    """A shop, its bays and the moment it is looked at: within a week before or on a day of change."""
    shop = OracleShop(
        zone=ZoneInfo(zone),
        slot=draw(st.sampled_from([30, 15, 60, 45])),
        notice=draw(st.sampled_from([0, 60, 1440])),
        horizon_days=draw(st.sampled_from([9, 5, 14])),
        before=draw(st.sampled_from([0, 15])),
        after=draw(st.sampled_from([0, 30])),
        max_jobs=draw(st.sampled_from([None, None, 1, 3])),
        max_labour=draw(st.sampled_from([300, None, 660])),
        cutoff=draw(st.sampled_from([None, time(10, 30), time(2)])),
        drop_off=draw(st.sampled_from([None, (time(8), time(10)), (time(1), time(3, 30))])),
        weekly=draw(weeks),
        holidays=draw(st.sampled_from([HOLIDAYS, HOLIDAYS, frozenset[date]()])),
    )
    change = draw(st.sampled_from(CHANGES[zone]))
    midnight = datetime.combine(change, time(), tzinfo=UTC) - timedelta(days=draw(st.integers(0, 6)))
    now = midnight + timedelta(minutes=5 * draw(st.integers(0, 24 * 12 - 1)))
    return shop, draw(st.lists(bays, min_size=1, max_size=3)), now


def oracle_job(codes: list[str], style: str | None) -> OracleJob:
    """What is wanted, added up from the table above."""
    sold = [SERVICES[code] for code in codes]
    minutes = [one.truck if one.truck and style == "truck" else one.minutes for one in sold]
    left = any(one.visit == "drop_off" for one in sold)
    return OracleJob(sum(minutes), left, tuple(frozenset({one.category, one.code}) for one in sold))


_NUMBERS = count(1)


@dataclass(frozen=True)
class Place:
    """Where a random shop is in the database."""

    tenant_id: int
    location_id: int
    service_ids: dict[str, int]


def write_shop(db: Database, owner: Engine, shop: OracleShop, drawn: list[OracleBay]) -> Place:
    """Put a drawn shop into the database as a tenant of its own; its bays get their ids in `shop.bays`."""
    number = next(_NUMBERS)
    with owner.begin() as connection:
        insert = text("insert into tenants (slug, name) values (:slug, 'Random') returning id")
        tenant_id = connection.execute(insert, {"slug": f"random-{number}"}).scalar_one()
    with db.tenant(tenant_id) as s:
        location = _location(tenant_id, shop)
        s.add(location)
        s.flush()
        of = {"tenant_id": tenant_id, "location_id": location.id}
        for weekday, hours in shop.weekly.items():
            s.add_all(LocationHours(**of, weekday=weekday, opens=o, closes=c) for o, c in hours)
        for name, bay in enumerate(drawn):
            row = Bay(**of, name=f"Bay {name}", skills=sorted(bay.skills))
            s.add(row)
            s.flush()
            shop.bays[row.id] = bay
            for weekday, hours in bay.hours.items():
                s.add_all(
                    BayHours(tenant_id=tenant_id, bay_id=row.id, weekday=weekday, opens=o, closes=c)
                    for o, c in hours
                )
        sold = {code: _service(of, one) for code, one in SERVICES.items()}
        s.add_all(sold.values())
        s.flush()
        return Place(tenant_id, location.id, {code: row.id for code, row in sold.items()})


def write_special(s: Session, place: Place, day: date, hours: list[tuple[time, time]]) -> None:
    """The hours of one date, in place of those it had."""
    old = select(LocationSpecialHours).where(
        LocationSpecialHours.location_id == place.location_id, LocationSpecialHours.on_date == day
    )
    for row in s.scalars(old):
        s.delete(row)
    s.flush()
    of = {"tenant_id": place.tenant_id, "location_id": place.location_id}
    s.add_all(LocationSpecialHours(**of, on_date=day, opens=o, closes=c) for o, c in hours)


def new_customer(s: Session, place: Place) -> tuple[int, int, int]:
    """A customer who has been written to: ids of the lead, the session and the reply."""
    of = {"tenant_id": place.tenant_id}
    lead = Lead(**of, location_id=place.location_id, source="sample", first_name="C")
    s.add(lead)
    s.flush()
    chat = ChatSession(
        **of, location_id=place.location_id, lead_id=lead.id, reply_token=f"r-{place.tenant_id}-{lead.id}"
    )
    s.add(chat)
    s.flush()
    reply = ChatMessage(
        **of, session_id=chat.id, lead_id=lead.id, direction="out", channel="sms", kind="reply",
        status="delivered", body="These times are free.", from_address="+13125550101", to_address="+13125550199",
    )  # fmt: skip
    s.add(reply)
    s.flush()
    return lead.id, chat.id, reply.id


def held(s: Session, place: Place) -> list[Held]:
    """Every appointment that is on, as the database has it."""
    rows = select(Appointment).where(
        Appointment.location_id == place.location_id, Appointment.status.in_(("booked", "confirmed"))
    )
    return [
        Held(
            row.id, row.bay_id, row.starts_at, row.ends_at, row.blocked_from, row.blocked_until, row.labour_minutes
        )
        for row in s.scalars(rows.order_by(Appointment.id))
    ]  # fmt: skip


def _location(tenant_id: int, shop: OracleShop) -> Location:
    return Location(
        tenant_id=tenant_id,
        slug="only",
        name="Random",
        timezone=shop.zone.key,
        slot_minutes=shop.slot,
        notice_minutes=shop.notice,
        horizon_days=shop.horizon_days,
        buffer_before_minutes=shop.before,
        buffer_after_minutes=shop.after,
        max_jobs_per_day=shop.max_jobs,
        max_labour_minutes_per_day=shop.max_labour,
        same_day_cutoff=shop.cutoff,
        drop_off_from=shop.drop_off and shop.drop_off[0],
        drop_off_until=shop.drop_off and shop.drop_off[1],
        holidays={"country": "US"} if shop.holidays else {},
    )


def _service(of: dict[str, int], sold: Sold) -> Service:
    return Service(
        **of,
        code=sold.code,
        name=sold.code.title(),
        category=sold.category,
        duration_minutes=sold.minutes,
        visit=sold.visit,
        minutes_by_body_style={"truck": sold.truck} if sold.truck else {},
    )
