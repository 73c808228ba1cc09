"""An outside catalogue becomes rows of ours, as often as it is read: what is new is added, what changed is changed, what
is gone is switched off and never deleted, because old appointments name it.

Services that were made by hand have no `service_sources` row and are never touched. A field of an imported service that
differs from what was said last was changed by a person; the rule `by_hand` says how long that stays. Importers of one
location queue up, and a list that began to be read before one that was taken already is dropped: its prices are older.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from crm.catalogue_mapping import LeftOut, Reading, Wanted
from crm.catalogue_rules import ByHand
from crm.models import Service, ServiceChange, ServiceSource

log = structlog.get_logger(__name__)

# First key of the advisory lock under which the importers of one location queue up; the second is the location.
CATALOGUE_LOCK = 730_115
WHO = "catalogue"
# A list can be short without saying so (a store that lags behind, a page that was dropped): what is missing has to be
# missing in a second list this much later, and what would empty the shop a day later or when a person says so.
SURELY_GONE = timedelta(minutes=5)
MANY_GONE = timedelta(hours=24)
MANY, MANY_SHARE = 4, 0.5
ACTIVE = "active"


@dataclass(frozen=True)
class Whose:
    """Where a catalogue belongs. `who` did it, in the history."""

    tenant_id: int
    config_id: int
    location_id: int
    who: str = WHO


@dataclass
class Report:
    """What an import did, by the services' codes. `missing` stood in no list this time and are still sold; `doubtful`:
    they are so many that nobody believes it yet. `by_hand` differ from what was said because a person changed them.
    `outdated`: a newer list had been taken, so nothing was done."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    unpriced: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    services: int = 0
    doubtful: bool = False
    outdated: bool = False


def import_catalogue(
    s: Session,
    whose: Whose,
    reading: Reading,
    *,
    by_hand: ByHand,
    read_at: datetime,
    now: datetime,
    believe: bool = False,
) -> Report:
    """Take a complete list over, in this transaction. `read_at`: when it began to be read. `believe`: a person says that
    what is missing is gone. Doing it again changes nothing. Give no list here that could not be read to its end."""
    s.execute(select(func.pg_advisory_xact_lock(CATALOGUE_LOCK, whose.location_id % 2**31)))
    known = _known(s, whose)
    report = Report(left_out=list(reading.left_out), doubts=list(reading.doubts))
    if any(source.read_at > read_at for source, _ in known.values()):
        report.outdated = True
        return report
    importer = _Import(s, whose, by_hand, read_at, now, report)
    for wanted in reading.services:
        importer.take(wanted, known.get(wanted.external_id))
    importer.miss(known, reading, believe=believe)
    s.flush()
    _date(s, whose, read_at)
    _finish(s, whose, report)
    counts = {"added": len(report.added), "changed": len(report.changed), "gone": len(report.gone)}
    log.info("catalogue_imported", location_id=whose.location_id, **counts)
    return report


@dataclass
class _Import:
    s: Session
    whose: Whose
    by_hand: ByHand
    read_at: datetime
    now: datetime
    report: Report

    def take(self, wanted: Wanted, known: tuple[ServiceSource, Service] | None) -> None:
        """One service as it stands in the list now."""
        said = {**wanted.fields(), ACTIVE: True}
        if known is None:
            self._add(wanted, said)
            return
        source, service = known
        was_off = not source.said[ACTIVE]
        changes = merge(service, source.said, said, self.by_hand)
        source.missing_since = None
        if source.said != said:
            source.said = said
        if changes:
            self._write(service, "back" if was_off and service.active else "changed", changes)
        if any(getattr(service, name) != value for name, value in said.items()):
            self.report.by_hand.append(service.code)

    def miss(
        self, known: dict[str, tuple[ServiceSource, Service]], reading: Reading, *, believe: bool
    ) -> None:
        """What was in earlier lists and is none of the services now."""
        listed = {one.external_id for one in reading.services}
        off = {one.external_id: one.reason for one in reading.left_out}
        open_, missing = 0, []
        for external_id, (source, service) in known.items():
            open_ += source.said[ACTIVE]
            if external_id in listed or not source.said[ACTIVE]:
                continue
            item_id = external_id.partition("#")[0]
            if (reason := off.get(external_id) or off.get(item_id)) is not None:
                self._switch_off(source, service, reason)
            elif any(one.partition("#")[0] == item_id for one in listed):
                self._switch_off(source, service, "the item is for other vehicles now")
            else:
                missing.append((source, service))
        self.report.doubtful = len(missing) >= MANY and len(missing) > open_ * MANY_SHARE and not believe
        for source, service in missing:
            self._is_missing(source, service, believe=believe)

    def _is_missing(self, source: ServiceSource, service: Service, *, believe: bool) -> None:
        wait = MANY_GONE if self.report.doubtful else SURELY_GONE
        since = source.missing_since
        if believe or (since is not None and self.now - since >= wait):
            self._switch_off(source, service, "it is not in the list any more")
            return
        source.missing_since = since or self.now
        self.report.missing.append(service.code)

    def _switch_off(self, source: ServiceSource, service: Service, why: str) -> None:
        source.said = {**source.said, ACTIVE: False}
        source.missing_since = None
        if service.active:
            service.active = False
            self._write(service, "gone", {ACTIVE: [True, False]}, why)

    def _add(self, wanted: Wanted, said: dict[str, Any]) -> None:
        owner = {"tenant_id": self.whose.tenant_id, "location_id": self.whose.location_id}
        code = _free_code(self.s, self.whose.location_id, wanted)
        service = Service(**owner, **said, code=code, external_id=wanted.external_id)
        self.s.add(service)
        self.s.flush()
        self.s.add(
            ServiceSource(
                **owner,
                config_id=self.whose.config_id,
                service_id=service.id,
                external_id=wanted.external_id,
                said=said,
                read_at=self.read_at,
            )
        )
        self._write(service, "added", {"price_cents": [None, wanted.price_cents]})

    def _write(self, service: Service, what: str, fields: dict[str, Any], why: str | None = None) -> None:
        getattr(self.report, what).append(service.code)
        self.s.add(
            ServiceChange(
                tenant_id=self.whose.tenant_id,
                location_id=self.whose.location_id,
                service_id=service.id,
                what=what,
                fields=fields,
                who=self.whose.who,
                why=why,
                at=self.now,
            )
        )


def merge(
    service: Service, before: dict[str, Any], said: dict[str, Any], by_hand: ByHand
) -> dict[str, list[Any]]:
    """Give `service` what is said of it now; returns {field: [old, new]}. `before` was said last: where the service
    differs from that, a person changed it."""
    changes: dict[str, list[Any]] = {}
    for name, value in said.items():
        ours, then = getattr(service, name), before.get(name)
        is_ours = ours != then
        takes = not is_ours or by_hand == "yields" or (by_hand == "until_changed" and value != then)
        if takes and ours != value:
            setattr(service, name, value)
            changes[name] = [ours, value]
    return changes


def _known(s: Session, whose: Whose) -> dict[str, tuple[ServiceSource, Service]]:
    statement = (
        select(ServiceSource, Service)
        .join(Service, Service.id == ServiceSource.service_id)
        .where(
            ServiceSource.config_id == whose.config_id,
            ServiceSource.location_id == whose.location_id,
            Service.location_id == whose.location_id,
        )
        .order_by(ServiceSource.id)
        .with_for_update(of=Service)
        .execution_options(populate_existing=True)
    )
    return {source.external_id: (source, service) for source, service in s.execute(statement)}


def _date(s: Session, whose: Whose, read_at: datetime) -> None:
    """Every source was looked for in this list, also those that were not in it."""
    mine = (ServiceSource.config_id == whose.config_id, ServiceSource.location_id == whose.location_id)
    s.execute(
        update(ServiceSource)
        .where(*mine)
        .values(read_at=read_at)
        .execution_options(synchronize_session=False)
    )


def _finish(s: Session, whose: Whose, report: Report) -> None:
    """What is sold out of this connection now, and what of it has no price."""
    statement = (
        select(Service.code, Service.price_cents)
        .join(ServiceSource, ServiceSource.service_id == Service.id)
        .where(ServiceSource.config_id == whose.config_id, Service.location_id == whose.location_id)
        .where(Service.active)
        .order_by(Service.id)
    )
    sold: Sequence[Any] = s.execute(statement).all()
    report.services = len(sold)
    report.unpriced = [row.code for row in sold if row.price_cents is None]


def _free_code(s: Session, location_id: int, wanted: Wanted) -> str:
    """A short name for commands and for what a bay can do. It never changes again, whatever the service is called."""
    words = re.findall(r"[a-z0-9]+", wanted.name.lower())
    if wanted.body_style is not None and wanted.body_style not in words:
        words.append(wanted.body_style)
    base = "-".join(words)[:60].strip("-") or "service"
    taken = set(
        s.scalars(
            select(Service.code).where(Service.location_id == location_id, Service.code.startswith(base))
        )
    )
    return next(code for n in range(1, 10_000) if (code := base if n == 1 else f"{base}-{n}") not in taken)
