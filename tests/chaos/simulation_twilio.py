"""The Twilio stand-in as the simulation needs it: it writes down every text it takes, finds old ones quickly, and posts
its webhooks straight into the application."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from flask import Flask

from tests.standins.http import Request, Response, json_response
from tests.standins.twilio import TwilioStandIn
from tests.standins.twilio_consents import PATH as CONSENTS
from tests.standins.twilio_messages import TwilioMessage


@dataclass(frozen=True)
class Attempt:
    """One text that was handed to the carrier. `code`: why it was refused; None: it was taken and has a `sid`."""

    at: datetime
    to: str
    sender: str
    body: str
    outbox_id: str
    valid_s: int
    sid: str | None
    code: int | None
    account: str


class SimulatedTwilio(TwilioStandIn):
    """`on_attempt` hears of every text handed over, `on_accept` of those taken, before the answer leaves."""

    web: Flask
    public_url: str
    on_attempt: Callable[[Attempt], None]
    on_accept: Callable[[TwilioMessage], None]

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._to: defaultdict[str, list[TwilioMessage]] = defaultdict(list)
        self._by_sid: dict[str, TwilioMessage] = {}
        self._indexed = [0, 0]

    def block_everywhere(self, customer: str) -> None:
        """The customer opted out of all our numbers, at the carrier only."""
        self.blocked |= {(customer, number) for number in self.numbers or ()}

    def post_signed(
        self, url: str, params: dict[str, str], *, public_url: str | None = None, token: str | None = None
    ) -> requests.Response:
        """As Twilio posts, but into the application itself: sockets would double the time of a run."""
        answer = self.web.test_client().post(
            url.removeprefix(self.public_url),
            data=params,
            headers=self._signed(public_url or url, params, token),
        )
        response = requests.Response()
        response.status_code = answer.status_code
        response._content = answer.data
        return response

    def _authorised(self, request: Request, sid: str, token: str | None) -> bool:
        """The Consent API names no account in its path: whoever has credentials may use it."""
        if request.path != CONSENTS:
            return super()._authorised(request, sid, token)
        accounts = {self.account_sid: self.auth_token, **self.subaccounts}
        return any(
            super(SimulatedTwilio, self)._authorised(request, *account) for account in accounts.items()
        )

    def _create(self, request: Request, account: str) -> Response:
        response = super()._create(request, account)
        said, form = json.loads(response.body), request.form
        outbox = parse_qs(urlsplit(form.get("StatusCallback", "")).query).get("o", [""])[0]
        taken = response.status == 201
        attempt = Attempt(
            at=self.clock(),
            to=form.get("To", ""),
            sender=form.get("From", ""),
            body=form.get("Body", ""),
            outbox_id=outbox,
            valid_s=int(form.get("ValidityPeriod", "36000")),
            sid=said["sid"] if taken else None,
            code=None if taken else said["code"],
            account=account,
        )
        self.on_attempt(attempt)
        if taken:
            self._index()
            self.on_accept(self._by_sid[said["sid"]])
        return response

    def _index(self) -> None:
        with self.lock:
            for place, source in enumerate((self.messages, self.inbound_messages)):
                for message in source[self._indexed[place] :]:
                    self._to[message.to].append(message)
                    self._by_sid[message.sid] = message
                self._indexed[place] = len(source)

    def _fetch(self, sid: str, account: str) -> Response:
        self._index()
        found = self._by_sid.get(sid)
        return self._error(404, 20404) if found is None else json_response(200, found.resource(account))

    def _list(self, request: Request, account: str) -> Response:
        """Only ever asked by To and newest first, so a look costs what it shows."""
        self._index()
        size, page = min(int(request.arg("PageSize") or 50), 1000), int(request.arg("Page") or 0)
        rows = self._to[request.arg("To")]
        end = len(rows) - page * size
        shown = rows[max(end - size, 0) : max(end, 0)][::-1]
        return json_response(200, self._page(request, shown, page, size, end > size))
