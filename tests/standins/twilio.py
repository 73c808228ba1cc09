"""Twilio on loopback: the Messages API, signed inbound webhooks and signed status callbacks.

Rules from messaging facts 1, 2 and 3.1.
"""

from __future__ import annotations

import base64
import re
import threading
from typing import Any
from urllib.parse import urlencode

from tests.standins.base import Clock, system_clock
from tests.standins.faults import Fault
from tests.standins.http import Request, Response, json_response
from tests.standins.twilio_consents import PATH as CONSENTS
from tests.standins.twilio_consents import take_consents
from tests.standins.twilio_inbound import TwilioInbound
from tests.standins.twilio_messages import (
    ERROR_TEXTS,
    MAGIC_NUMBERS,
    VERSION,
    ListFilter,
    TwilioMessage,
    is_e164,
    new_sid,
)

_STATUS_CODES = {401: 20003, 404: 20404, 429: 20429, 500: 20500, 503: 20503}


class TwilioStandIn(TwilioInbound):
    """One Twilio account.

    `messages` holds what was accepted for sending, `inbound_messages` what inbound() posted. Knobs, all
    settable at any time: `numbers` (our own numbers; others as From give 21606; None accepts all),
    `services` (Messaging Service sid -> its numbers), `reject_to` (To -> error code at create), `final`
    (To -> (status, error code) of its last callback), `list_lag` (a new message is missing from that many
    list calls), `auto_callbacks`, `callback_before_response`, `reach` (public base URL -> address where
    it is really served), `subaccounts` (sid -> token; their messages carry their sid in `account`), `shared_key`
    ((id, secret): webhooks are signed with it instead of the token) and `media` (the files of messages).
    """

    def __init__(
        self,
        account_sid: str = "AC" + "0" * 32,
        auth_token: str = "12345",
        *,
        numbers: set[str] | None = None,
        services: dict[str, list[str]] | None = None,
        list_lag: int = 0,
        auto_callbacks: bool = False,
        callback_before_response: bool = False,
        advanced_opt_out: bool = False,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        self.account_sid, self.auth_token = account_sid, auth_token
        self.numbers, self.services = numbers, services or {}
        self.list_lag = list_lag
        self.auto_callbacks = auto_callbacks
        self.callback_before_response = callback_before_response
        self.advanced_opt_out = advanced_opt_out
        self.reject_to: dict[str, int] = {}
        self.consents: list[dict[str, str]] = []
        self._callback_threads: list[threading.Thread] = []

    # REST

    def handle(self, request: Request) -> Response:
        """Messages create, list and fetch of the account in the path, and their files; everything else is 404."""
        accounts = {self.account_sid: self.auth_token, **self.subaccounts}
        file = self.media.answer(request, self.url, accounts)
        if file is not None:
            return file
        sid = _account_in(request.path) or self.account_sid
        if not self._authorised(request, sid, accounts.get(sid)):
            return self._error(401, 20003)
        if request.path == CONSENTS and request.method == "POST":
            with self.lock:
                return take_consents(self, request)
        base = f"/{VERSION}/Accounts/{sid}/Messages"
        if request.path == f"{base}.json" and request.method == "POST":
            return self._create(request, sid)
        if request.path == f"{base}.json" and request.method == "GET":
            return self._list(request, sid)
        found = re.fullmatch(re.escape(base) + r"/(\w+)\.json", request.path)
        if found and request.method == "GET":
            return self._fetch(found[1], sid)
        return self._error(404, 20404)

    def error_response(self, fault: Fault) -> Response:
        """Twilio's error body; opts code= and message= override the usual ones of the status."""
        return self._error(
            fault.status, fault.code or _STATUS_CODES.get(fault.status, fault.status), fault.message
        )

    def _authorised(self, request: Request, sid: str, token: str | None) -> bool:
        given = base64.b64encode(f"{sid}:{token}".encode()).decode()
        return token is not None and request.headers.get("Authorization") == f"Basic {given}"

    def _create(self, request: Request, account: str) -> Response:
        form = request.form
        if code := self._refusal(form):
            return self._error(400, code)
        service = form.get("MessagingServiceSid")
        message = TwilioMessage(
            to=form["To"],
            from_=form.get("From"),
            body=form.get("Body", ""),
            sid=new_sid("MM" if "MediaUrl" in form else "SM"),
            created=self.clock(),
            status="accepted" if service else "queued",
            status_callback=form.get("StatusCallback"),
            messaging_service_sid=service,
            media=len(request.form_lists.get("MediaUrl", [])),
            hidden_lists=self.list_lag,
            posted=form,
            account="" if account == self.account_sid else account,
        )
        with self.lock:
            self.messages.append(message)
        answer = json_response(201, message.resource(account))
        self._start_callbacks(message)
        return answer

    def _start_callbacks(self, message: TwilioMessage) -> None:
        if self.callback_before_response:
            self.deliver_status(message, "sent")
        if self.auto_callbacks:
            thread = threading.Thread(target=self.run_callbacks, kwargs={"only": [message]}, daemon=True)
            self._callback_threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop; automatic callbacks under way are waited for, 5 s each at most."""
        super().stop()
        for thread in self._callback_threads:
            thread.join(5)
        self._callback_threads.clear()

    def _refusal(self, form: dict[str, str]) -> int | None:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        service = form.get("MessagingServiceSid")
        checks = [
            (not to, 21604),
            (not sender and service not in self.services, 21603),
            (not body.strip() and "MediaUrl" not in form and "ContentSid" not in form, 21602),
            (to in MAGIC_NUMBERS, MAGIC_NUMBERS.get(to, 0)),
            (to in self.reject_to, self.reject_to.get(to, 0)),
            (not is_e164(to), 21211),
            (bool(sender) and self.numbers is not None and sender not in self.numbers, 21606),
            (len(body) > 1600, 21617),
            (any(self.is_blocked(to, number) for number in self._pool(sender, service)), 21610),
        ]
        return next((code for failed, code in checks if failed), None)

    def _pool(self, sender: str, service: str | None) -> list[str]:
        return [*self.services.get(service or "", []), *([sender] if sender else [])]

    def _fetch(self, sid: str, account: str) -> Response:
        with self.lock:
            for message in [*self.messages, *self.inbound_messages]:
                if message.sid == sid and self._owner(message) == account:
                    return json_response(200, message.resource(account))
        return self._error(404, 20404)

    def _owner(self, message: TwilioMessage) -> str:
        return message.account or self.account_sid

    def _list(self, request: Request, account: str) -> Response:
        arg = request.arg
        keep = ListFilter(arg("To"), arg("From"), arg("DateSent"), arg("DateSent<"), arg("DateSent>"))
        size = min(int(arg("PageSize") or 50), 1000)
        page = int(arg("Page") or 0)
        with self.lock:
            own = [message for message in self._visible() if self._owner(message) == account]
        rows = [message for message in own if keep.keeps(message)]
        rows.sort(key=lambda message: message.created, reverse=True)
        shown = rows[page * size : (page + 1) * size]
        more = len(rows) > (page + 1) * size
        return json_response(200, self._page(request, shown, page, size, more))

    def _visible(self) -> list[TwilioMessage]:
        shown = []
        for message in [*self.messages, *self.inbound_messages]:
            if message.hidden_lists > 0:
                message.hidden_lists -= 1
            else:
                shown.append(message)
        # The newest of equal creation times comes first after the stable sort.
        return shown[::-1]

    def _page(
        self, request: Request, rows: list[TwilioMessage], page: int, size: int, more: bool
    ) -> dict[str, Any]:
        def uri(number: int) -> str:
            kept = {key: values[0] for key, values in request.query.items() if not key.startswith("Page")}
            token = {"PageToken": "PASM" + (rows[-1].sid[2:] if rows else "0")} if number else {}
            return f"{request.path}?{urlencode({**kept, 'PageSize': size, 'Page': number, **token})}"

        return {
            "messages": [message.resource(self._owner(message)) for message in rows],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(rows) - 1, 0),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1) if more else None,
        }

    def _error(self, status: int, code: int, message: str | None = None) -> Response:
        body = {
            "code": code,
            "message": message or ERROR_TEXTS.get(code, "Error"),
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }
        return json_response(status, body)


def _account_in(path: str) -> str | None:
    found = re.match(rf"/{VERSION}/Accounts/(\w+)[/.]", path)
    return found[1] if found else None
