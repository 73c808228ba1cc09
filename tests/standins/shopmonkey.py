"""Shopmonkey API v3 on loopback, with the live quirks of Shopmonkey facts 15."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import Any

from tests.standins.base import Clock, system_clock
from tests.standins.faults import Fault
from tests.standins.http import Request, Response, json_response
from tests.standins.shopmonkey_appointments import appointment_page, calendar_page, hydrated
from tests.standins.shopmonkey_query import Refused, arrange, json_argument, matcher, page
from tests.standins.shopmonkey_schema import COLUMNS, Row
from tests.standins.shopmonkey_store import Lead
from tests.standins.shopmonkey_webhook import ShopmonkeyWebhooks
from tests.standins.shopmonkey_write import created, visible, written

__all__ = ["Lead", "ShopmonkeyStandIn"]

_READABLE = frozenset(COLUMNS) - {"service"}


class ShopmonkeyStandIn(ShopmonkeyWebhooks):
    """One company. `url` + "/v3" is the API; `read_only_key` may read but gets 403 on writes.

    New orders are missing from lists for `order_lag_lists` list calls and for `order_delay_s` seconds of the clock,
    while webhooks and GET by id see them at once. `triggers` narrows the webhook vocabulary to "events"
    (OrderInsert) or "tables" (Order). `rate_limit` is requests per rolling minute of the clock; None is no limit.
    """

    def __init__(
        self,
        api_key: str = "shopmonkey-key",
        *,
        read_only_key: str = "shopmonkey-read-only",
        order_lag_lists: int = 0,
        order_delay_s: float = 0,
        triggers: str = "both",
        validate_numbers: bool = False,
        rate_limit: int | None = None,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        self.api_key, self.read_only_key = api_key, read_only_key
        self.order_lag_lists, self.order_delay_s = order_lag_lists, order_delay_s
        self.triggers, self.validate_numbers = triggers, validate_numbers
        self.rate_limit = rate_limit

    # Entry

    def handle(self, request: Request) -> Response:
        """Every answer has the envelope and an X-Request-Id."""
        try:
            response = self._allowed(request) or self._route(request)
        except Refused as refused:
            response = self._failure(refused.status, refused.message)
        response.headers.setdefault("X-Request-Id", secrets.token_hex(16))
        return response

    def error_response(self, fault: Fault) -> Response:
        """The failure envelope; a 429 carries the two rate headers too."""
        limits = {"X-RateLimit-Limit-Minute": "60", "X-RateLimit-Remaining-Minute": "0"}
        return self._failure(
            fault.status, fault.message or "Request failed", limits if fault.status == 429 else None
        )

    def _allowed(self, request: Request) -> Response | None:
        if request.bearer() not in {self.api_key, self.read_only_key}:
            return self._failure(401, "Unauthorized")
        reading = request.method == "GET" or "/search" in request.path
        if request.bearer() == self.read_only_key and not reading:
            return self._failure(403, "Forbidden: this key may not write")
        if self.rate_limit is not None:
            since = self.clock() - timedelta(seconds=60)
            if sum(1 for each in self.requests if each.received > since) > self.rate_limit:
                limited = self.error_response(Fault("status", status=429))
                limited.headers["Retry-After"] = "1"
                return limited
        if (
            request.method == "DELETE"
            and "json" in request.headers.get("Content-Type", "")
            and not request.body
        ):
            raise Refused("Body cannot be empty when content-type is set to 'application/json'")
        return None

    def _route(self, request: Request) -> Response:
        match request.method, request.path.strip("/").split("/")[1:]:
            case "GET", ["auth", "api_key", "status"]:
                return self._data({"active": True})
            case "GET", [
                ("customer" | "vehicle" | "order" | "location" | "message" | "webhook" | "user") as table
            ]:
                return self._list(request, table)
            case "GET", [("canned_service" | "workflow_status" | "appointment") as table]:
                return self._list(request, table)
            case "GET", ["customer", customer_id, "order"]:
                return self._list(request, "order", lambda row: row["customerId"] == customer_id)
            case "GET", ["customer", customer_id, "vehicle"]:
                return self._list(request, "vehicle", lambda row: customer_id in row["owners"])
            case "GET", ["order", order_id, "service"]:
                self.find("order", order_id)
                return self._list(request, "service", lambda row: row["orderId"] == order_id)
            case "GET", [table, row_id] if table in _READABLE:
                return self._data(visible(self.find(table, row_id)))
            case "POST", [*path]:
                return self._post(request, path)
            case "PUT", [table, row_id] if table in _READABLE:
                return self._data(visible(written(self, table, self.find(table, row_id), request.json)))
            case "PATCH", ["appointment", row_id, ("confirm" | "cancel") as action]:
                return self._data(visible(self._mark(row_id, action, request.json or {})))
            case "DELETE", [("appointment" | "webhook") as table, row_id]:
                self.find(table, row_id)
                return self._data(visible(self.tables[table].pop(row_id)))
        raise Refused("Not Found", 404)

    def _post(self, request: Request, path: list[str]) -> Response:
        body = request.json
        match path:
            case ["customer", "phone_number", "search"]:
                return self._customers_by(body, "phoneNumbers", "number")
            case ["customer", "email", "search"]:
                return self._customers_by(body, "emails", "email")
            case ["customer", "search"]:
                keep = matcher((body or {}).get("where") or {}, COLUMNS["customer"])
                return self._searched([row for row in self.rows("customer") if keep(row)], body or {})
            case ["appointment", "search"]:
                rows, meta = appointment_page(self, body or {})
                return self._data(rows, meta)
            case ["appointment", "search_replacement"]:
                rows, meta = calendar_page(self, body or {})
                return self._data(rows, meta)
            case ["order", order_id, "service"]:
                return self._add_services(self.find("order", order_id), body)
            case [("customer" | "vehicle" | "order" | "appointment" | "webhook" | "message") as table]:
                return self._data(visible(created(self, table, body)))
        raise Refused("Not Found", 404)

    # Reading

    def rows(self, table: str) -> list[Row]:
        """A copy of a table's rows."""
        with self.lock:
            return list(self.tables[table].values())

    def find(self, table: str, row_id: str) -> Row:
        """A row by id; raises Refused 404."""
        if row_id not in self.tables[table]:
            raise Refused("Not Found", 404)
        return self.tables[table][row_id]

    def _list(self, request: Request, table: str, own: Any = None) -> Response:
        keep = matcher(json_argument(request.arg("where"), "where"), COLUMNS[table])
        orderby = json_argument(request.arg("orderby"), "orderby")
        wanted = request.query.get("ids")
        rows = self._listed_orders() if table == "order" else self.rows(table)
        rows = [row for row in rows if not row.get("_recurring") and keep(row) and (own is None or own(row))]
        rows = [row for row in rows if not wanted or row["id"] in wanted]
        shown, meta = page(arrange(rows, orderby), request.arg("limit"), request.arg("skip"))
        if table == "appointment":
            return self._data([hydrated(self, row) for row in shown], meta)
        return self._data([visible(row) for row in shown], meta)

    def _listed_orders(self) -> list[Row]:
        born_before = self.clock() - timedelta(seconds=self.order_delay_s)
        shown = []
        for row in self.rows("order"):
            if row["_hidden_lists"] > 0:
                row["_hidden_lists"] -= 1
            elif row["_born"] <= born_before:
                shown.append(row)
        return shown

    def _searched(self, rows: list[Row], body: dict[str, Any]) -> Response:
        shown, meta = page(arrange(rows, body.get("orderBy") or {}), body.get("limit"), body.get("skip"))
        return self._data([visible(row) for row in shown], meta)

    def _customers_by(self, body: Any, name: str, key: str) -> Response:
        if not isinstance(body, dict) or name not in body:
            raise Refused(f"body must have required property '{name}'")
        wanted = {each.get(key) if isinstance(each, dict) else each for each in body[name]}
        if name == "phoneNumbers" and not all(isinstance(each, dict) for each in body[name]):
            raise Refused("body/phoneNumbers/0 must be object")
        found = [row for row in self.rows("customer") if wanted & {each[key] for each in row[name]}]
        return self._searched(found, {})

    # Writing

    def _add_services(self, order: Row, body: Any) -> Response:
        if not isinstance(body, list):
            raise Refused("body must be array")
        made = []
        for line in body:
            labors = line.get("labors") or []
            priced = {"totalCents": 0, "labors": []} if not labors else {"labors": labors}
            more = {**priced, "sourceServiceId": line.get("cannedServiceId")}
            made.append(visible(self.add_service(order["id"], line.get("name", ""), **more)))
        return self._data({"services": made})

    def _mark(self, row_id: str, action: str, body: dict[str, Any]) -> Row:
        self.find("appointment", row_id)
        if action == "confirm":
            return self.change("appointment", row_id, confirmationStatus="Confirmed")
        return self.change("appointment", row_id, cancellationNote=body.get("cancellationNote", ""))

    # Envelope

    def _data(self, data: Any, meta: dict[str, Any] | None = None) -> Response:
        return json_response(200, {"success": True, "data": data, **({"meta": meta} if meta else {})})

    def _failure(self, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
        code = base64.urlsafe_b64encode(str(status).encode()).decode().strip("=")
        body = {"success": False, "code": f"API-{code}", "message": message}
        return json_response(
            status, {**body, "documentation_url": "https://shopmonkey.dev/overview"}, headers
        )
