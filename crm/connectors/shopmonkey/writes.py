"""What we write into Shopmonkey's calendar: once, and without Shopmonkey writing to the customer (shopmonkey facts 12)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from crm.connectors.errors import ConnectorError, Uncertain
from crm.connectors.records import AppointmentDraft, ExternalAppointment
from crm.connectors.shopmonkey import rows
from crm.connectors.shopmonkey.client import Record, ShopmonkeyClient, vanished
from crm.connectors.shopmonkey.lists import LIMIT, Listing
from crm.connectors.shopmonkey.moments import iso, moment
from crm.connectors.shopmonkey.settings import ShopmonkeySettings

log = structlog.get_logger(__name__)

# Our agent does the talking. What happens when these are left out is not known (shopmonkey facts 12).
SILENT: dict[str, Any] = {
    "sendConfirmation": False,
    "sendReminder": False,
    "useSMS": False,
    "useEmail": False,
}
# Without a customer our entry is looked for this far around its start: the shop may have moved it meanwhile.
AROUND = timedelta(days=1)
# How long an entry that may have been made gets to show itself before it is looked for.
SETTLE_S = 1.0
_NOTE_LIMIT = 4000


class Writes:
    """Appointments of ours, with one tenant's client. Every method raises ConnectorError."""

    def __init__(
        self,
        client: ShopmonkeyClient,
        settings: ShopmonkeySettings,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._settings, self._sleep = client, settings, sleep

    def create(self, draft: AppointmentDraft) -> ExternalAppointment:
        """See `Connector.create_appointment`: look first, then write once, then look again when it is uncertain."""
        _check(draft)
        if found := self._find(draft):
            return found
        try:
            made = self._mapped(self._post(draft))
        except Uncertain:
            self._sleep(SETTLE_S)
            if found := self._find(draft):
                return found
            raise
        if made is None:
            # It was taken, but the answer does not say as what.
            made = self._find(draft)
        if made is None:
            raise Uncertain("Shopmonkey took the appointment without saying what became of it")
        return made

    def move(self, external_id: str, draft: AppointmentDraft) -> ExternalAppointment:
        """See `Connector.move_appointment`. Only the times are sent: name and note may be the shop's by now."""
        _check(draft)
        body = {"startDate": iso(draft.starts_at), "endDate": iso(draft.ends_at), **SILENT}
        row = self._client.update("appointment", external_id, body)
        if moment(row.get("startDate")) is None:
            row = self._client.appointment(external_id)
        moved = self._mapped(row)
        if moved is None or (moved.starts_at, moved.ends_at) != (draft.starts_at, draft.ends_at):
            raise ConnectorError("Shopmonkey did not take over the new times", kind="transient")
        return moved

    def cancel(self, external_id: str, note: str) -> None:
        """See `Connector.cancel_appointment`. The body of the route is not documented, so it is tried with and
        without the note; where there is no such route the entry is deleted."""
        for body in ({"cancellationNote": note[:_NOTE_LIMIT], **SILENT}, {}):
            try:
                self._client.act("appointment", external_id, "cancel", body)
                return
            except ConnectorError as error:
                if error.status == 400:
                    continue
                if error.status not in (404, 405, 501):
                    raise
            break
        self._delete(external_id)

    def find(
        self, our_id: str, customer_id: str | None, start: datetime, *, order_id: str | None = None
    ) -> ExternalAppointment | None:
        """See `Connector.find_appointment`. What the API finds is held against our id, never believed."""
        if customer_id or order_id:
            where: dict[str, Any] = {"customerId": customer_id} if customer_id else {"orderId": order_id}
        else:
            where = {"startDate": {"gte": iso(start - AROUND), "lte": iso(start + AROUND)}}
        found = {row["id"]: row for row in self._search(where) if rows.our_id(row) == our_id}
        if len(found) > 1:
            log.error("shopmonkey_appointment_twice", our_id=our_id, external_ids=sorted(found))
        mapped = [(row, each) for row in found.values() if (each := self._mapped(row)) is not None]
        # One that stands goes before one that was cancelled; of two that stand, the one that was there first.
        mapped.sort(
            key=lambda pair: (pair[1].cancelled, str(pair[0].get("createdDate")), pair[1].external_id)
        )
        return mapped[0][1] if mapped else None

    def _find(self, draft: AppointmentDraft) -> ExternalAppointment | None:
        return self.find(
            draft.our_id, draft.customer_external_id, draft.starts_at, order_id=draft.order_external_id
        )

    def _search(self, where: dict[str, Any]) -> list[Record]:
        """Entries by the search route; by the list where there is no such route."""
        body = {
            "where": {**where, "includeUnassigned": True},
            "orderBy": {"startDate": "asc"},
            "limit": LIMIT,
        }
        found: list[Record] = []
        for _ in range(20):
            try:
                answer = self._client.search("appointment/search", {**body, "skip": len(found)})
            except ConnectorError as error:
                if not vanished(error):
                    raise
                return self._client.everything(Listing("appointment", "startDate", where=where))
            data = answer.data if isinstance(answer.data, list) else []
            found += [row for row in data if isinstance(row, dict) and isinstance(row.get("id"), str)]
            if not data or (answer.meta.get("hasMore") is not True and len(data) < LIMIT):
                break
        return found

    def _post(self, draft: AppointmentDraft) -> Record:
        body = self._body(draft)
        try:
            return self._client.create("appointment", body)
        except ConnectorError as error:
            # Whether an appointment takes metadata on creation is not documented; a 400 stored nothing.
            if error.status != 400 or "metadata" not in str(error):
                raise
        return self._client.create("appointment", {k: v for k, v in body.items() if k != "metadata"})

    def _body(self, draft: AppointmentDraft) -> dict[str, Any]:
        """Absent keys are left out: null and empty lists were refused (shopmonkey facts 2)."""
        links = {
            "customerId": draft.customer_external_id,
            "vehicleId": draft.vehicle_external_id,
            "orderId": draft.order_external_id,
        }
        mark = f"{rows.NOTE_MARK}: {draft.our_id}"
        note = draft.note.strip()[: _NOTE_LIMIT - len(mark) - 1]
        body: dict[str, Any] = {
            "name": draft.title.strip()[:200] or "Appointment",
            "color": self._settings.appointment_color,
            "startDate": iso(draft.starts_at),
            "endDate": iso(draft.ends_at),
            "locationId": draft.location_external_id,
            "note": f"{note}\n{mark}" if note else mark,
            "metadata": {rows.METADATA_KEY: draft.our_id},
            **SILENT,
            **{name: value for name, value in links.items() if value},
        }
        if self._settings.technician_ids:
            body["technicianIds"] = list(self._settings.technician_ids)
        return body

    def _delete(self, external_id: str) -> None:
        try:
            self._client.delete("appointment", external_id)
        except ConnectorError as error:
            if error.status != 404:
                raise

    def _mapped(self, row: Record) -> ExternalAppointment | None:
        return rows.appointment(row, empty_note_cancels=self._settings.empty_note_cancels)


def _check(draft: AppointmentDraft) -> None:
    if not rows.OUR_ID.fullmatch(draft.our_id):
        raise ConnectorError("our id of an appointment has unusual characters", kind="permanent")
    if draft.starts_at >= draft.ends_at:
        raise ConnectorError("an appointment must end after it starts", kind="permanent")
