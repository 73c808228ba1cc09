"""Inbound texts of the Twilio stand-in: the documented form, opt-out keywords, TwiML answers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import requests

from tests.standins.twilio_callbacks import TwilioCallbacks
from tests.standins.twilio_media import TwilioMedia
from tests.standins.twilio_messages import (
    HELP_WORDS,
    START_WORDS,
    STOP_WORDS,
    VERSION,
    TwilioMessage,
    new_sid,
    segments,
)


class TwilioInbound(TwilioCallbacks):
    """Texts of customers to our numbers, with Twilio's own opt-out handling."""

    advanced_opt_out: bool
    services: dict[str, list[str]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inbound_messages: list[TwilioMessage] = []
        self.auto_replies: list[tuple[str, str]] = []
        self.twiml_errors: list[str] = []
        self.blocked: set[tuple[str, str]] = set()
        self.media = TwilioMedia()

    def is_blocked(self, customer: str, number: str) -> bool:
        """True when this customer opted out of this number of ours."""
        return (customer, number) in self.blocked

    def inbound(
        self,
        url: str,
        from_: str,
        to: str,
        body: str,
        *,
        sid: str | None = None,
        public_url: str | None = None,
        token: str | None = None,
        extra: dict[str, str] | None = None,
        media: list[tuple[str, bytes]] | None = None,
        account: str = "",
    ) -> requests.Response:
        """Post an inbound text and return our answer; the same sid again plays a duplicate delivery. `media`: files
        that come with it, as (content type, bytes); `account`: the sub-account whose number it came to.

        The signature covers `public_url` (default: url) with `token` (default: the account's). A one-word
        stop or start keyword blocks or unblocks the pair first, as Twilio does. Raises
        requests.ConnectionError when the second connect fails too.
        """
        sid = sid or new_sid("MM" if media else "SM")
        known = any(message.sid == sid for message in self.inbound_messages)
        named = self._add_media(sid, [] if known else media or [], account)
        told = {**({"AccountSid": account} if account else {}), **named, **(extra or {})}
        params = self.inbound_params(from_, to, body, sid=sid, extra=told)
        self._obey_keyword(from_, to, body)
        if not known:
            self._record(from_, to, body, sid, len(media or []), account)
        response = self.post_signed(url, params, public_url=public_url, token=token)
        if response.ok:
            self._obey_twiml(response, from_, to)
        return response

    def lose_inbound(
        self,
        from_: str,
        to: str,
        body: str,
        *,
        media: list[tuple[str, bytes]] | None = None,
        account: str = "",
    ) -> TwilioMessage:
        """A text whose webhook never arrived: it exists in the Messages list only."""
        self._obey_keyword(from_, to, body)
        sid = new_sid("MM" if media else "SM")
        self._add_media(sid, media or [], account)
        return self._record(from_, to, body, sid, len(media or []), account)

    def _add_media(self, sid: str, media: list[tuple[str, bytes]], account: str) -> dict[str, str]:
        for kind, content in media:
            self.media.add(account or self.account_sid, sid, kind, content)
        named = self.media.parameters(sid)
        return named if named["NumMedia"] != "0" else {}

    def _record(
        self, from_: str, to: str, body: str, sid: str, media: int = 0, account: str = ""
    ) -> TwilioMessage:
        now = self.clock()
        message = TwilioMessage(
            to, from_, body, sid, now, "received", "inbound", sent=now, media=media, account=account
        )
        with self.lock:
            self.inbound_messages.append(message)
        return message

    def inbound_params(
        self, from_: str, to: str, body: str, *, sid: str | None = None, extra: dict[str, str] | None = None
    ) -> dict[str, str]:
        """The full documented form of an inbound message (messaging facts 1.1), empty fields included."""
        sid = sid or new_sid()
        places = {f"{side}{part}": "" for side in ("From", "To") for part in ("City", "State", "Zip")}
        params = {
            "ToCountry": "US",
            "FromCountry": "US",
            **places,
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "AccountSid": self.account_sid,
            "From": from_,
            "To": to,
            "Body": body,
            "NumMedia": "0",
            "NumSegments": str(segments(body)),
            "SmsStatus": "received",
            "ApiVersion": VERSION,
        }
        if self.advanced_opt_out and (kind := _keyword(body)):
            params["OptOutType"] = kind
        return {**params, **(extra or {})}

    def _obey_keyword(self, customer: str, number: str, body: str) -> None:
        pool = next((numbers for numbers in self.services.values() if number in numbers), [number])
        pairs = {(customer, each) for each in pool}
        kind = _keyword(body)
        if kind == "STOP":
            self.blocked |= pairs
            self.auto_replies.append((customer, "You have successfully been unsubscribed."))
        elif kind == "START" and self.blocked & pairs:
            self.blocked -= pairs
            self.auto_replies.append((customer, "You have successfully been re-subscribed."))
        elif kind == "HELP":
            self.auto_replies.append((customer, "Reply STOP to unsubscribe."))

    def _obey_twiml(self, response: requests.Response, customer: str, number: str) -> None:
        if response.status_code == 204 or not response.content:
            return
        try:
            root = ElementTree.fromstring(response.content)
        except ElementTree.ParseError:
            self.twiml_errors.append(response.text)
            return
        for element in root.iter("Message"):
            text = "".join(element.itertext()).strip()
            reply = TwilioMessage(customer, number, text, new_sid(), self.clock(), direction="outbound-reply")
            if self.is_blocked(customer, number):
                reply.status, reply.error_code = "failed", 21610
            self.messages.append(reply)


def _keyword(body: str) -> str | None:
    word = body.strip().upper()
    groups = (("STOP", STOP_WORDS), ("START", START_WORDS), ("HELP", HELP_WORDS))
    return next((kind for kind, words in groups if word in words), None)
