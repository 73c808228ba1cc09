"""Shopmonkey API v3 on loopback, with the live quirks of Shopmonkey facts 15."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.standins.faults import Fault
from tests.standins.http import Request, Response, json_response
from tests.standins.shopmonkey_appointments import appointment_page, calendar_page, hydrated, listed
from tests.standins.shopmonkey_delivery import ShopmonkeyDeliveries
from tests.standins.shopmonkey_limits import MinuteLimit
from tests.standins.shopmonkey_query import Refused, arrange, json_argument, matcher, page
from tests.standins.shopmonkey_schema import COLUMNS, Row
from tests.standins.shopmonkey_store import Lead
from tests.standins.shopmonkey_write import created, visible, written

__all__ = ["Lead", "ShopmonkeyStandIn"]

_READABLE = frozenset(COLUMNS) - {"service"}
_LISTS = _READABLE - {"conversation"}
# They come with a single canned service, not with a list of them.
_ONLY_SINGLE = ("parts", "fees", "subcontracts", "tires")


class ShopmonkeyStandIn(ShopmonkeyDeliveries):
    """One company. `url` + "/v3" is the API; `keys` may write, `read_only_key` gets 403 on writes.

    Switches, each at its odd side: `order_lag_lists` list calls and `order_delay_s` seconds of the clock hide new
    orders from lists (0: seen at once), while webhooks and GET by id see them. `triggers` is the webhook vocabulary
    that is taken: "events" (OrderInsert), "tables" (Order) or "both", without `unknown_triggers`. `rate_limit` is
    requests per key and rolling minute; None is no limit. `email_search` takes "objects", "strings" or "both".
    `location_filter` honours the query's locationId. `cancelled_listed` off hides cancelled appointments from lists.
    `calendar_overcounts` off makes search_replacement honest. `secret_shown` "always" shows a webhook's secret after its
    creation too. `validate_numbers` refuses fictional numbers.
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
        rate_limit: int | None = 100,
        email_search: str = "objects",
        location_filter: bool = False,
        cancelled_listed: bool = True,
        calendar_overcounts: bool = True,
        secret_shown: str = "create",
        **kwargs: Any,
    ) -> None:
        self.api_key, self.read_only_key = api_key, read_only_key
        self.keys = {api_key}
        self.order_lag_lists, self.order_delay_s = order_lag_lists, order_delay_s
        self.triggers, self.validate_numbers = triggers, validate_numbers
        self.rate_limit, self._limit = rate_limit, MinuteLimit()
        self.email_search, self.location_filter = email_search, location_filter
        self.cancelled_listed, self.calendar_overcounts = cancelled_listed, calendar_overcounts
        self.secret_shown = secret_shown
        self.unknown_triggers: set[str] = set()
        super().__init__(**kwargs)

    # Entry

    def handle(self, request: Request) -> Response:
        """Every answer has the envelope and an X-Request-Id, and the rate headers when there is a limit."""
        headers = {"X-Request-Id": secrets.token_hex(16)}
        try:
            self._check_key(request)
            if self.rate_limit is not None:
                taken = self._limit.take(request.bearer(), self.rate_limit, self.clock())
                headers |= taken.headers
                if taken.retry_after_s is not None:
                    raise Refused("Too Many Requests", 429)
            response = self._route(request)
        except Refused as refused:
            response = self._failure(refused.status, refused.message)
        response.headers = {**headers, **response.headers}
        return response

    def error_response(self, fault: Fault) -> Response:
        """The failure envelope; a 429 carries the two rate headers too."""
        limits = {"X-RateLimit-Limit-Minute": "60", "X-RateLimit-Remaining-Minute": "0"}
        return self._failure(
            fault.status, fault.message or "Request failed", limits if fault.status == 429 else None
        )

    def _check_key(self, request: Request) -> None:
        if request.bearer() not in self.keys | {self.read_only_key}:
            raise Refused("Unauthorized", 401)
        reading = request.method == "GET" or "/search" in request.path
        if request.bearer() == self.read_only_key and not reading:
            raise Refused("Forbidden: this key may not write", 403)
        typed = "json" in request.headers.get("Content-Type", "")
        if request.method != "GET" and typed and not request.body:
            raise Refused("Body cannot be empty when content-type is set to 'application/json'")

    def _route(self, request: Request) -> Response:
        match request.method, request.path.strip("/").split("/")[1:]:
            case "GET", ["auth", "api_key", "status"]:
                return self._data({"active": True})
            case "GET", [table] if table in _LISTS:
                return self._list(request, table)
            case "GET", ["customer", customer_id, "order"]:
                return self._list(request, "order", lambda row: row["customerId"] == customer_id)
            case "GET", ["customer", customer_id, "vehicle"]:
                return self._list(request, "vehicle", lambda row: customer_id in row["owners"])
            case "GET", ["order", order_id, "service"]:
                self.find("order", order_id)
                return self._list(request, "service", lambda row: row["orderId"] == order_id)
            case "GET", [table, row_id] if table in _READABLE:
                return self._data(self._shown(table, self.find(table, row_id)))
            case "POST", [*path]:
                return self._post(request, path)
            case "PUT", [table, row_id] if table in _READABLE:
                row = written(self, table, self.find(table, row_id), request.json)
                return self._data(self._shown(table, row))
            case "PATCH", ["appointment", row_id, ("confirm" | "cancel") as action]:
                return self._data(visible(self._mark(row_id, action, request.json or {})))
            case "DELETE", [("appointment" | "webhook") as table, row_id]:
                self.find(table, row_id)
                return self._data(self._shown(table, self.remove(table, row_id)))
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
            case [("customer" | "vehicle" | "order" | "appointment") as table]:
                return self._data(visible(created(self, table, body)))
            case [("webhook" | "message" | "conversation") as table]:
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

    def _list(self, request: Request, table: str, own: Callable[[Row], bool] = lambda row: True) -> Response:
        keep = matcher(json_argument(request.arg("where"), "where"), COLUMNS[table])
        orderby = json_argument(request.arg("orderby"), "orderby")
        wanted, place = request.query.get("ids"), request.arg("locationId")
        rows = [row for row in self._listed(table) if keep(row) and own(row)]
        rows = [row for row in rows if not wanted or row["id"] in wanted]
        if place and self.location_filter:
            rows = [row for row in rows if row.get("locationId") == place]
        shown, meta = page(arrange(rows, orderby, self.chance), request.arg("limit"), request.arg("skip"))
        if table == "appointment":
            return self._data([hydrated(self, row) for row in shown], meta)
        away = _ONLY_SINGLE if table == "canned_service" else ()
        trimmed = [{k: v for k, v in self._shown(table, row).items() if k not in away} for row in shown]
        return self._data(trimmed, meta)

    def _listed(self, table: str) -> list[Row]:
        if table == "order":
            return self._listed_orders()
        return listed(self) if table == "appointment" else self.rows(table)

    def _shown(self, table: str, row: Row) -> Row:
        seen = visible(row)
        if table == "webhook" and self.secret_shown == "create":
            del seen["secret"]
        return seen

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
        shown, meta = page(
            arrange(rows, body.get("orderBy") or {}, self.chance), body.get("limit"), body.get("skip")
        )
        return self._data([visible(row) for row in shown], meta)

    def _customers_by(self, body: Any, name: str, key: str) -> Response:
        if not isinstance(body, dict) or name not in body:
            raise Refused(f"body must have required property '{name}'")
        wanted = {each.get(key) if isinstance(each, dict) else each for each in body[name]}
        shape = "objects" if name == "phoneNumbers" else self.email_search
        kind = {"objects": dict, "strings": str}.get(shape, (dict, str))
        if not all(isinstance(each, kind) for each in body[name]):
            raise Refused(f"body/{name}/0 must be {'object' if shape == 'objects' else 'string'}")
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
