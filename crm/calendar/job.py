"""What a customer wants done in one visit: the services added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from crm.calendar.refused import BookingRefused
from crm.models import Service

Visit = Literal["wait", "drop_off"]


@dataclass(frozen=True)
class Job:
    """One visit. `needs` holds (category, code) of every service; a bay must be able to do each of them."""

    service_ids: tuple[int, ...]
    labour_minutes: int
    visit: Visit = "wait"
    needs: frozenset[tuple[str, str]] = frozenset()

    @property
    def labour(self) -> timedelta:
        """The work in real time."""
        return timedelta(minutes=self.labour_minutes)

    def suits(self, skills: frozenset[str]) -> bool:
        """True when a bay with these skills (categories or codes) can do all of it; no skills mean every skill."""
        return not skills or all(skills & {category, code} for category, code in self.needs)


def job_for(services: Sequence[Service], body_style: str | None) -> Job:
    """One visit with all these services on a vehicle of this shape; the car is left when any of them needs that.

    Raises BookingRefused when there is no service.
    """
    if not services:
        raise BookingRefused("no_service", "No service was named. Find services first and use their ids.")
    return Job(
        service_ids=tuple(service.id for service in services),
        labour_minutes=sum(minutes_of(service, body_style) for service in services),
        visit="drop_off" if any(service.visit == "drop_off" for service in services) else "wait",
        needs=frozenset((service.category, service.code) for service in services),
    )


def minutes_of(service: Service, body_style: str | None) -> int:
    """Minutes of labour for one service; the service's own body style counts before the vehicle's."""
    by_style = service.minutes_by_body_style or {}
    return int(by_style.get(service.body_style or body_style or "", service.duration_minutes))
