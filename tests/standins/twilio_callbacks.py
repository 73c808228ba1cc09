"""How the Twilio stand-in calls us: signed form posts, and the status callbacks of sent messages."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from twilio.request_validator import HMAC_SHA256, RequestValidator
from urllib3.exceptions import NewConnectionError

from tests.standins.base import StandIn
from tests.standins.twilio_messages import VERSION, TwilioMessage, new_sid

_TIMEOUTS = (5.0, 15.0)  # Twilio's connect and read time-outs, seconds (messaging facts 1.3).
_FAILED = {"undelivered", "failed"}
_OPEN = {"accepted", "scheduled", "queued", "sending", "sent"}
_RANK = {"accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "sent": 3}
_RANK |= dict.fromkeys(("delivered", "undelivered", "failed", "canceled"), 4)


@dataclass(frozen=True)
class CallbackAttempt:
    """One status callback that was posted; `status` is our answer, None when the connection failed."""

    sid: str
    message_status: str
    url: str
    params: dict[str, str]
    status: int | None


class TwilioCallbacks(StandIn):
    """Signing, posting and the way of a sent message through its statuses."""

    account_sid: str
    auth_token: str

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.messages: list[TwilioMessage] = []
        self.callback_log: list[CallbackAttempt] = []
        self.final: dict[str, tuple[str, int | None]] = {}
        self.reach: dict[str, str] = {}
        self.subaccounts: dict[str, str] = {}
        self.shared_key: tuple[str, str] | None = None

    def sign(self, url: str, params: dict[str, str], token: str | None = None) -> str:
        """X-Twilio-Signature of a form post to `url` (messaging facts 1.4): with `token`, else with the token of the
        AccountSid in the form."""
        own = self.subaccounts.get(params.get("AccountSid", ""), self.auth_token)
        return str(RequestValidator(token or own).compute_signature(url, params))

    def _signed(self, url: str, params: dict[str, str], token: str | None) -> dict[str, str]:
        if self.shared_key is None or token is not None:
            return {"X-Twilio-Signature": self.sign(url, params, token)}
        key_id, key = self.shared_key
        return {
            "X-Twilio-Signature": str(RequestValidator(key).compute_signature(url, params, HMAC_SHA256)),
            "X-Twilio-Webhooks-Signature-Settings": f"key={key_id},algorithm={HMAC_SHA256}",
        }

    def post_signed(
        self, url: str, params: dict[str, str], *, public_url: str | None = None, token: str | None = None
    ) -> requests.Response:
        """Post a form as Twilio does: signed, no redirects taken, one more try when the connection fails."""
        headers = {
            **self._signed(public_url or url, params, token),
            "I-Twilio-Idempotency-Token": new_sid("")[:32],
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        }
        for last in (False, True):
            try:
                return requests.post(url, params, headers=headers, timeout=_TIMEOUTS, allow_redirects=False)
            except requests.ConnectionError as error:
                # Only a failed connect is tried again; a lost answer is not (messaging facts 1.3).
                if last or not isinstance(getattr(error.args[0], "reason", None), NewConnectionError):
                    raise
        raise AssertionError("unreachable")

    def run_callbacks(
        self,
        order: str = "forward",
        duplicate: bool = False,
        statuses: Sequence[str] = ("sent", "delivered"),
        only: Iterable[TwilioMessage] | None = None,
    ) -> list[CallbackAttempt]:
        """Post the callbacks of all messages not yet final and return the attempts.

        order: forward, reverse or shuffle; duplicate posts each twice. The last of `statuses` is replaced by
        `final[to]` where set, e.g. ("undelivered", 30003).
        """
        with self.lock:
            chosen = list(only if only is not None else [m for m in self.messages if m.status in _OPEN])
        work = [(message, status) for message in chosen for status in self._statuses(message, statuses)]
        if order == "reverse":
            work.reverse()
        elif order == "shuffle":
            random.shuffle(work)
        repeat = 2 if duplicate else 1
        return [self.deliver_status(message, status) for message, status in work for _ in range(repeat)]

    def deliver_status(
        self, message: TwilioMessage, status: str, error_code: int | None = None
    ) -> CallbackAttempt:
        """Move a message to `status` and post that to its status_callback, if it has one."""
        code = error_code or (self.final.get(message.to, ("", None))[1] if status in _FAILED else None)
        self._advance(message, status, code)
        params = self._status_params(message, status, code)
        url = message.status_callback or ""
        answer = self._post_status(url, params) if url else None
        attempt = CallbackAttempt(message.sid, status, url, params, answer)
        self.callback_log.append(attempt)
        return attempt

    def _post_status(self, url: str, params: dict[str, str]) -> int | None:
        try:
            return self.post_signed(self._reachable(url), params, public_url=url).status_code
        except requests.RequestException:
            return None

    def _statuses(self, message: TwilioMessage, statuses: Sequence[str]) -> list[str]:
        if message.to in self.final:
            return [*statuses[:-1], self.final[message.to][0]]
        return list(statuses)

    def _reachable(self, url: str) -> str:
        for public, real in self.reach.items():
            if url.startswith(public):
                return real + url[len(public) :]
        return url

    def _advance(self, message: TwilioMessage, status: str, code: int | None) -> None:
        # The API shows the furthest state; a late callback does not move it back.
        with self.lock:
            if _RANK.get(status, 0) >= _RANK.get(message.status, 0):
                message.status = status
            message.error_code = code or message.error_code
            message.sent = message.sent or self.clock()

    def _status_params(self, message: TwilioMessage, status: str, code: int | None) -> dict[str, str]:
        params = {
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": status,
            "SmsStatus": status,
            "To": message.to,
            "From": message.from_ or "",
            "AccountSid": message.account or self.account_sid,
            "ApiVersion": VERSION,
        }
        if message.messaging_service_sid:
            params["MessagingServiceSid"] = message.messaging_service_sid
        return {**params, "ErrorCode": str(code)} if code else params
