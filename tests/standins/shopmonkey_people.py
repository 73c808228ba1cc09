"""What the people of a shop do in Shopmonkey while we look elsewhere; tests call these by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.standins.shopmonkey_query import moment
from tests.standins.shopmonkey_schema import Row
from tests.standins.shopmonkey_store import ShopmonkeyStore, iso


class ShopmonkeyPeople(ShopmonkeyStore):
    """Every deed is a change of rows like any other, so a connected webhook is told of it."""

    # Calendar

    def move_appointment(
        self, appointment_id: str, start: str | datetime, end: str | datetime | None = None
    ) -> Row:
        """Drag an appointment to `start` (aware, or ISO with an offset); without `end` it keeps its length."""
        row = self.tables["appointment"][appointment_id]
        begins = _aware(start)
        length = moment(row["endDate"]) - moment(row["startDate"])
        ends = begins + length if end is None else _aware(end)
        return self.change("appointment", appointment_id, startDate=iso(begins), endDate=iso(ends))

    def cancel_appointment(self, appointment_id: str, note: str = "Cancelled by phone") -> Row:
        """Cancel it: the row stays, with a note."""
        return self.change("appointment", appointment_id, cancellationNote=note)

    def delete_appointment(self, appointment_id: str) -> Row:
        """Delete it: the row is gone, and its webhook carries only an id."""
        return self.remove("appointment", appointment_id)

    def add_lunch(
        self,
        start: str | datetime,
        minutes: int = 60,
        *,
        days: int = 5,
        technicians: Sequence[str] = (),
        name: str = "Lunch",
    ) -> list[str]:
        """A block that recurs daily from `start` on; returns the ids of its occurrences, one each day."""
        first = _aware(start)
        rule = f"DTSTART:{first:%Y%m%dT%H%M%SZ}\nRRULE:FREQ=DAILY;COUNT={days}"
        made = []
        for day in range(days):
            begins = first + timedelta(days=day)
            made.append(
                self.add_appointment(
                    iso(begins),
                    iso(begins + timedelta(minutes=minutes)),
                    recurring=True,
                    name=name,
                    rruleset=rule,
                    technicianIds=list(technicians),
                )
            )
        return made

    # Catalogue

    def edit_price(self, canned_service_id: str, total_cents: int) -> Row:
        """Change the price of a canned service, in integer cents."""
        return self.change(
            "canned_service",
            canned_service_id,
            totalCents=total_cents,
            fixedPriceCents=total_cents,
            calculatedLaborCents=total_cents,
        )

    # Conversations

    def shop_writes(self, customer_id: str, text: str, *, order_id: str | None = None) -> Row:
        """Somebody at the shop texts the customer from Shopmonkey; the customer's orders (or only this one) count it."""
        return self.record_message(customer_id, text, "User", order_id)

    def customer_writes(self, customer_id: str, text: str, *, order_id: str | None = None) -> Row:
        """The customer texts the shop's own Shopmonkey number."""
        return self.record_message(customer_id, text, "Customer", order_id)

    def record_message(
        self, customer_id: str, text: str, author: str, order_id: str | None = None, **more: Any
    ) -> Row:
        """A message of a conversation, which is opened when there is none. `author`: User, Customer or System."""
        values = {
            "text": text,
            "type": "Transactional",
            "authorType": author,
            "sendSms": True,
            "smsStatus": "Delivered",
            "sendEmail": False,
            "deleted": False,
            "customerId": customer_id,
            "conversationId": self._conversation(customer_id),
            **more,
        }
        message = self.add_row("message", **values)
        for order in list(self.tables["order"].values()):
            if order["customerId"] == customer_id and order_id in (None, order["id"]):
                self._count(order, author)
        return message

    def _count(self, order: Row, author: str) -> None:
        unread = order["shopUnreadMessageCount"] + (author == "Customer")
        self.change(
            "order",
            order["id"],
            messageCount=order["messageCount"] + 1,
            shopUnreadMessageCount=unread,
            messagedDate=iso(self.clock()),
        )

    def _conversation(self, customer_id: str) -> str:
        rows = list(self.tables["conversation"].values())
        known = next((row for row in rows if row["customerId"] == customer_id), None)
        made = known or self.add_row("conversation", customerId=customer_id, archived=False)
        return str(made["id"])

    # What follows from a change

    def changed(self, table: str, operation: str, row: Row, diff: Sequence[str] = ()) -> None:
        """An order knows the moments of its appointments."""
        super().changed(table, operation, row, diff)
        order_id = row.get("orderId") if table == "appointment" else None
        order = self.tables["order"].get(order_id or "")
        if order is None:
            return
        rows = list(self.tables["appointment"].values())
        mine = [each for each in rows if each["orderId"] == order_id and each["cancellationNote"] is None]
        dates = sorted(each["startDate"] for each in mine)
        if dates != order["appointmentDates"]:
            self.change("order", order["id"], appointmentDates=dates)


def _aware(value: str | datetime) -> datetime:
    return moment(value) if isinstance(value, str) else value
