"""What the calendar's oracle is told of a shop, and time as a row of five-minute ticks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TICK = timedelta(minutes=5)
PER_TICK = 5


@dataclass
class OracleBay:
    """A bay: skills (service categories or codes, none = everything) and hours of its own, if any."""

    skills: frozenset[str] = frozenset()
    hours: dict[int, list[tuple[time, time]]] = field(default_factory=dict)
    active: bool = True


@dataclass
class OracleShop:
    """Everything a shop has said about when it works. Minutes and local times."""

    zone: ZoneInfo
    slot: int = 30
    notice: int = 120
    horizon_days: int = 14
    before: int = 0
    after: int = 0
    max_jobs: int | None = None
    max_labour: int | None = None
    cutoff: time | None = None
    drop_off: tuple[time, time] | None = None
    weekly: dict[int, list[tuple[time, time]]] = field(default_factory=dict)
    special: dict[date, list[tuple[time, time]]] = field(default_factory=dict)
    closures: list[tuple[date, date]] = field(default_factory=list)
    holidays: frozenset[date] = frozenset()
    bays: dict[int, OracleBay] = field(default_factory=dict)


@dataclass(frozen=True)
class OracleJob:
    """Work: minutes, whether the car is left, and for each service what a bay may call it (category, code)."""

    minutes: int
    drop_off: bool = False
    services: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True)
class Held:
    """An appointment that is on: its bay, its work, and what it keeps the bay from doing."""

    id: int
    bay: int
    starts_at: datetime
    ends_at: datetime
    blocked_from: datetime
    blocked_until: datetime
    minutes: int


@dataclass(frozen=True)
class Verdict:
    """The rules a start would break on one bay, none when it is allowed; and when the work would end."""

    broken: frozenset[str]
    ends_at: datetime | None = None


class Timeline:
    """Ticks from the local day before `first` on, with their local dates and wall clocks."""

    def __init__(self, zone: ZoneInfo, first: datetime, days: int) -> None:
        self.start = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
        count = (days + 2) * 24 * 60 // PER_TICK
        local = [(self.start + number * TICK).astimezone(zone) for number in range(count)]
        self.dates = [moment.date() for moment in local]
        self.walls = [moment.time() for moment in local]
        self.second_time = [bool(moment.fold) for moment in local]
        self.of_day: dict[date, list[int]] = {}
        for number, day in enumerate(self.dates):
            self.of_day.setdefault(day, []).append(number)

    def __len__(self) -> int:
        return len(self.dates)

    def index(self, moment: datetime) -> int:
        """The tick that begins at this moment."""
        number, rest = divmod(moment.astimezone(UTC) - self.start, TICK)
        if rest:
            raise ValueError(f"{moment} is not on a tick")
        return number

    def moment(self, tick: int) -> datetime:
        """When a tick begins, UTC."""
        return self.start + tick * TICK
