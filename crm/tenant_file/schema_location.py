"""What a tenant file says about one location. Everything that is not written stays as it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crm.tenant_file.times import DAYS
from crm.tenant_file.values import (
    Block,
    Cents,
    Day,
    DayHours,
    Email,
    Fact,
    FactName,
    Line,
    Mailbox,
    Number,
    OptionalLine,
    Phone,
    Slug,
    TimeOfDay,
    Window,
    Words,
    Zone,
)

DayName = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
BodyStyle = Literal["coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"]
Minutes = Annotated[int, Field(ge=5, le=2880)]
WeekHours = dict[DayName, DayHours]
assert set(DAYS) == set(DayName.__args__)  # type: ignore[attr-defined]


class Part(BaseModel):
    """A part of the file: frozen, and a key nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AddressPart(Part):
    """Where the shop is; it stands at the end of every mail of the cadence (CAN-SPAM)."""

    street: OptionalLine = ""
    city: OptionalLine = ""
    state: OptionalLine = ""
    postal_code: OptionalLine = ""


class LimitsPart(Part):
    """What a location takes on. null takes a limit away."""

    jobs_per_day: int | None = Field(default=None, ge=1, le=1000)
    labour_minutes_per_day: int | None = Field(default=None, ge=30, le=100_000)
    buffer_before: int = Field(default=0, ge=0, le=480)
    buffer_after: int = Field(default=0, ge=0, le=480)
    same_day_until: TimeOfDay = None
    drop_off: Window = None
    notice_minutes: int = Field(default=120, ge=0, le=43_200)
    horizon_days: int = Field(default=60, ge=1, le=365)
    slot_minutes: int = Field(default=30, ge=5, le=240)


class HolidaysPart(Part):
    """Public holidays on which the shop is closed, but for the names in `open_on`."""

    country: str
    subdivision: str | None = None
    open_on: Words = ()


class ClosurePart(Part):
    """Days on which the shop is closed, both ends included."""

    first: Day = Field(alias="from")
    until: Day | None = None
    reason: OptionalLine = ""

    @model_validator(mode="after")
    def _in_order(self) -> ClosurePart:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}")
        return self

    @property
    def last(self) -> Day:
        """The last day."""
        return self.until or self.first


class BayPart(Part):
    """A bay; its name is its key. `hours` None: whenever the shop is open."""

    active: bool = True
    skills: Words = ()
    hours: WeekHours | None = None


class ServicePart(Part):
    """A service; its code is its key. `price` in dollars, null when a person has to quote it."""

    name: Line | None = None
    category: Line | None = None
    body_style: BodyStyle | None = None
    price: Cents = None
    minutes: Minutes | None = None
    minutes_by_body_style: dict[BodyStyle, Minutes] = {}
    description: Block = ""
    not_included: Block = ""
    active: bool = True
    visit: Literal["wait", "drop_off"] = "wait"
    external_id: str | None = None


class StaffPart(Part):
    """A person of the shop. Their mail may speak for the shop; `notify` people get hand-offs and alerts."""

    name: Line
    phone: Phone = None
    email: Email = None
    notify: bool = True

    @model_validator(mode="after")
    def _reachable(self) -> StaffPart:
        if self.phone is None and self.email is None:
            raise ValueError("a person needs a phone or an email")
        return self


class LocationPart(Part):
    """One shop."""

    slug: Slug
    name: Line | None = None
    timezone: Zone | None = None
    phone: Number = None
    mailbox: Mailbox = None
    public_phone: Phone = None
    address: AddressPart = AddressPart()
    crm_location: str | None = Field(default=None, min_length=1, max_length=200)
    facts: dict[FactName, Fact | None] = Field(default={}, max_length=40)
    hours: WeekHours | None = None
    special_hours: dict[Day, DayHours | None] = {}
    closures: tuple[ClosurePart, ...] = ()
    holidays: HolidaysPart | None = None
    limits: LimitsPart = LimitsPart()
    bays: dict[Line, BayPart | None] = {}
    services: dict[Line, ServicePart | None] = {}
    staff: tuple[StaffPart, ...] = ()

    @field_validator("name", "timezone")
    @classmethod
    def _said(cls, value: str | None) -> str:
        if value is None:
            raise ValueError("cannot be taken away")
        return value
