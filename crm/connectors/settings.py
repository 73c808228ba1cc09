"""Settings of a connection, stored as jsonb in `tenant_crm_configs.settings`. Unknown keys are refused."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from crm.catalogue_rules import CatalogueRules
from crm.connectors.errors import ConnectorError
from crm.connectors.push_rules import PushRules

Telling = Literal["customer", "staff", "nobody"]
Taking = Literal["a_bay", "every_bay", "no_bay"]

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Frozen, and a key nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LookSettings(Strict):
    """How often the outside system is looked through for what its webhooks did not bring.

    `overlap_minutes`: how far before the last look a look begins. Lists show new records up to 30 minutes late, so
    it is at least 45 (shopmonkey facts 6).
    """

    orders_seconds: int = Field(default=30, ge=5, le=3600)
    overlap_minutes: int = Field(default=60, ge=45, le=1440)
    appointments_seconds: int = Field(default=60, ge=15, le=3600)
    appointments_days: int = Field(default=60, ge=1, le=400)
    catalogue_hours: int = Field(default=1, ge=1, le=168)
    webhook_minutes: int = Field(default=15, ge=1, le=1440)


class RateSettings(Strict):
    """What one key may ask, over all processes. The vendor publishes no number (shopmonkey facts 3): these are what
    public clients got along with."""

    per_second: float = Field(default=1.0, gt=0, le=1000)
    burst: int = Field(default=40, ge=1, le=500)
    in_flight: int = Field(default=4, ge=1, le=64)


class TellRule(Strict):
    """Who hears of it when the shop moves or cancels a booking of ours in the outside calendar.

    A shift of less than `least_shift_minutes` is told to nobody. `settle_seconds`: how long a change has to stand
    first, because dragging an entry over a calendar makes several. What is past is never told to a customer.
    """

    moved: Telling = "customer"
    cancelled: Telling = "customer"
    least_shift_minutes: int = Field(default=5, ge=1, le=1440)
    settle_seconds: int = Field(default=60, ge=0, le=3600)


class OutsideRule(Strict):
    """Which bay an entry of the outside calendar that is not ours takes.

    `technician_bays`: the name of the bay by the technician's external id, "" for who works on none. Who is not in it
    takes the first bay that is free, bays that can do everything first. An entry with a customer or a car takes one
    bay, any other one for each of its technicians. `without_technician` and `all_day` say what an entry takes that names
    nobody or has no times; `all_day` None: the same as any other.
    """

    technician_bays: dict[str, str] = {}
    without_technician: Taking = "a_bay"
    all_day: Taking | None = None


class ConnectorSettings(Strict):
    """What every connection can be told. A connector adds its own by inheriting."""

    looks: LookSettings = LookSettings()
    rate: RateSettings = RateSettings()
    catalogue: CatalogueRules = CatalogueRules()
    tell: TellRule = TellRule()
    outside: OutsideRule = OutsideRule()
    push: PushRules = PushRules()
    # Whether our bookings go into the outside calendar, and whether its entries block our times.
    push_appointments: bool = True
    read_appointments: bool = True
    # Whether a person of the shop writing to the customer in the outside system pauses the agent.
    pause_when_person_wrote: bool = True
    # Whether the registration of our webhook is watched, and mended when it fails.
    watch_webhook: bool = True


class StaticSettings(ConnectorSettings):
    """A connection that only brings leads in: files and forms."""

    # The location's external id for records that name none.
    default_location: str | None = None

    @field_validator("default_location")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("must not be empty")
        return value


def read(model: type[Model], stored: object, what: str) -> Model:
    """`stored` jsonb as `model`. Raises ConnectorError (misconfigured) naming each wrong key, never its value."""
    try:
        return model.model_validate(stored if stored is not None else {})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or what}: {each['msg']}" for each in error.errors()
        )
        raise ConnectorError(f"{what} are not valid: {wrong}", kind="misconfigured") from error
