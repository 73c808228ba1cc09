"""Registered webhooks of the Shopmonkey stand-in: who is told what, tried again, put into error (Shopmonkey facts 5)."""

from __future__ import annotations

import heapq
import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from tests.standins.shopmonkey_schema import Row
from tests.standins.shopmonkey_store import iso
from tests.standins.shopmonkey_webhook import ShopmonkeyWebhooks


@dataclass(frozen=True)
class Event:
    """One change as it was when it happened; `body` is what every attempt sends."""

    table: str
    operation: str
    record_id: str
    body: bytes
    request_id: str
    at: datetime


# Seconds after the change at which copies leave; none at all is a lost event.
Fate = Callable[[Event], Sequence[float]]
Carry = Callable[[str, dict[str, str], bytes], int]


def at_once(_: Event) -> Sequence[float]:
    """Every event leaves once, without delay."""
    return (0.0,)


class ShopmonkeyDeliveries(ShopmonkeyWebhooks):
    """With `announces`, every change of a row is told to the hooks whose triggers match, when `deliver_due` is called.

    `fate` decides how many copies of an event leave, and when: dropped, doubled, late, out of order. An attempt
    without a 2xx is repeated after `retry_s`; after the last one the hook is in error, and after `disable_after` lost
    events it is switched off, until a PUT enables it. `hook_scheme` is how deliveries are signed; `carry` replaces the
    socket (url, headers, body -> status).
    """

    retry_s: Sequence[float] = (5, 30, 120, 600, 3600)

    def __init__(
        self,
        *,
        announces: bool = False,
        fate: Fate = at_once,
        hook_scheme: str = "standard",
        disable_after: int = 3,
        carry: Carry | None = None,
        **kwargs: Any,
    ) -> None:
        self.announces, self.fate, self.hook_scheme = announces, fate, hook_scheme
        self.disable_after, self.carry = disable_after, carry
        self._parcels: list[tuple[datetime, int, str, Event, int]] = []
        self._order = itertools.count()
        super().__init__(**kwargs)

    # By the word of a test

    def emit(self, table: str, operation: str, row_id: str, **opts: Any) -> list[requests.Response]:
        """Deliver now to every registered, enabled webhook whose triggers match; no retries."""
        answers = []
        for hook in self._listeners(table, operation, self.tables[table].get(row_id, {})):
            secret = {"secret": hook["secret"]} if hook.get("secret") else {}
            answers.append(
                self.deliver_webhook(
                    self.real_url(hook["url"]), table, operation, row_id, **{**secret, **opts}
                )
            )
            if not answers[-1].ok:
                self._in_error(hook, f"status {answers[-1].status_code}")
        return answers

    # By itself

    def changed(self, table: str, operation: str, row: Row, diff: Sequence[str] = ()) -> None:
        """Queue the event for every hook that listens."""
        super().changed(table, operation, row, diff)
        if not self.announces:
            return
        for hook in self._listeners(table, operation, row):
            body = self.event_body(table, operation, row, diff=diff)
            now = self.clock()
            event = Event(table, operation, row["id"], body, secrets.token_hex(16), now)
            for delay in self.fate(event):
                self._send_at(now + timedelta(seconds=delay), hook["id"], event, 1)

    def next_delivery(self) -> datetime | None:
        """When the next attempt is due."""
        with self.lock:
            return self._parcels[0][0] if self._parcels else None

    def deliver_due(self) -> int:
        """Make the attempts that are due by the clock; returns how many. What fails is due again later."""
        made = 0
        while True:
            with self.lock:
                if not self._parcels or self._parcels[0][0] > self.clock():
                    return made
                _, _, hook_id, event, attempt = heapq.heappop(self._parcels)
            hook = self.tables["webhook"].get(hook_id)
            if hook is not None and hook["enabled"]:
                made += 1
                self._attempt(hook, event, attempt)

    def enable(self, hook: Row) -> None:
        """What a PUT with enabled true does: the error is forgotten. What was lost meanwhile stays lost."""
        hook.update(error=False, errorMessage=None, errorDate=None, _lost=0)

    def _attempt(self, hook: Row, event: Event, attempt: int) -> None:
        headers = self.hook_headers(
            event.body, self.hook_scheme, hook["secret"] or "", attempt, event.request_id
        )
        url = self.real_url(hook["url"])
        try:
            carry = self.carry or self._by_socket
            status = carry(url, headers, event.body)
        except requests.RequestException as error:
            status, said = 0, type(error).__name__
        else:
            said = f"status {status}"
        if 200 <= status < 300:
            hook["_lost"] = 0
        elif attempt <= len(self.retry_s):
            later = self.clock() + timedelta(seconds=self.retry_s[attempt - 1])
            self._send_at(later, hook["id"], event, attempt + 1)
        else:
            self._in_error(hook, said)

    def _by_socket(self, url: str, headers: dict[str, str], body: bytes) -> int:
        return self.post_hook(url, headers, body).status_code

    def _in_error(self, hook: Row, said: str) -> None:
        lost = hook.get("_lost", 0) + 1
        more = {"enabled": False} if lost >= self.disable_after else {}
        self.change(
            "webhook",
            hook["id"],
            error=True,
            errorMessage=said,
            errorDate=iso(self.clock()),
            _lost=lost,
            **more,
        )

    def _send_at(self, moment: datetime, hook_id: str, event: Event, attempt: int) -> None:
        with self.lock:
            heapq.heappush(self._parcels, (moment, next(self._order), hook_id, event, attempt))

    def _listeners(self, table: str, operation: str, row: Row) -> list[Row]:
        hooks = [hook for hook in list(self.tables["webhook"].values()) if hook["enabled"]]
        hooks = [hook for hook in hooks if _wants(hook["triggers"], table, operation)]
        return [hook for hook in hooks if hook["locationId"] in (None, row.get("locationId"))]


def _wants(triggers: Sequence[str], table: str, operation: str) -> bool:
    name = "".join(part.capitalize() for part in table.split("_"))
    return name in triggers or name + operation.capitalize() in triggers
