"""Pictures of the Twilio stand-in: addresses in the webhook, the credentialed hop, and the store behind it.

Rules from messaging facts 1.5: the API answers 302 to a store, asks for credentials when "HTTP basic auth for media" is
on, and has a new file only after a moment; the store refuses a request that brings credentials along.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field

from tests.standins.http import Request, Response, json_response
from tests.standins.twilio_messages import VERSION

API = "https://api.twilio.com"
STORE = "/store/"
_ONE = re.compile(rf"/{VERSION}/Accounts/(\w+)/Messages/(\w+)/Media/(ME\w+?)(?:\.json)?")
_LIST = re.compile(rf"/{VERSION}/Accounts/(\w+)/Messages/(\w+)/Media\.json")


@dataclass
class Medium:
    """One file of a message. `hidden` more requests meet 404 first; `leads_to` is where the redirect goes instead of
    our store."""

    account_sid: str
    message_sid: str
    content_type: str
    body: bytes
    hidden: int = 0
    leads_to: str | None = None
    status: int = 302
    sid: str = field(default_factory=lambda: "ME" + secrets.token_hex(16))
    key: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def path(self) -> str:
        """Its address below the API's base."""
        return f"/{VERSION}/Accounts/{self.account_sid}/Messages/{self.message_sid}/Media/{self.sid}"


class TwilioMedia:
    """The files of all messages. `needs_auth` False plays an account without basic auth for media."""

    def __init__(self) -> None:
        self.files: list[Medium] = []
        self.needs_auth = True

    def add(
        self, account_sid: str, message_sid: str, content_type: str, body: bytes, hidden: int = 0
    ) -> Medium:
        """Keep a file of a message."""
        medium = Medium(account_sid, message_sid, content_type, body, hidden)
        self.files.append(medium)
        return medium

    def parameters(self, message_sid: str) -> dict[str, str]:
        """What the webhook says of a message's files."""
        files = [one for one in self.files if one.message_sid == message_sid]
        named = {"NumMedia": str(len(files))}
        for place, one in enumerate(files):
            named[f"MediaUrl{place}"] = API + one.path
            named[f"MediaContentType{place}"] = one.content_type
        return named

    def answer(self, request: Request, base: str, accounts: dict[str, str]) -> Response | None:
        """The answer to a request for a file or a message's list of files; None for any other request."""
        if request.path.startswith(STORE):
            return self._stored(request)
        if (listed := _LIST.fullmatch(request.path)) and request.method == "GET":
            if not _knows(request, accounts, listed[1]):
                return json_response(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return self._listed(listed[1], listed[2])
        if found := _ONE.fullmatch(request.path):
            if self.needs_auth and not _knows(request, accounts, found[1]):
                return json_response(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return self._redirect(found[3], base)
        return None

    def _redirect(self, sid: str, base: str) -> Response:
        medium = next((one for one in self.files if one.sid == sid), None)
        if medium is None:
            return Response(404)
        if medium.hidden > 0:
            medium.hidden -= 1
            return Response(404)
        target = medium.leads_to or f"{base}{STORE}{medium.key}"
        return Response(medium.status, b"", {"Location": target} if medium.status in (301, 302, 307) else {})

    def _stored(self, request: Request) -> Response:
        if request.headers.get("Authorization"):
            return Response(400, b"Only one auth mechanism allowed")
        key = request.path.removeprefix(STORE)
        medium = next((one for one in self.files if one.key == key), None)
        if medium is None:
            return Response(403)
        return Response(200, medium.body, {"Content-Type": medium.content_type})

    def _listed(self, account: str, message_sid: str) -> Response:
        files = [one for one in self.files if (one.account_sid, one.message_sid) == (account, message_sid)]
        uri = f"/{VERSION}/Accounts/{account}/Messages/{message_sid}/Media.json"
        rows = [
            {
                "sid": one.sid, "account_sid": account, "parent_sid": message_sid, "content_type": one.content_type,
                "date_created": None, "date_updated": None, "uri": f"{one.path}.json",
            }
            for one in files
        ]  # fmt: skip
        page = {"page": 0, "page_size": 50, "start": 0, "end": len(rows), "uri": uri, "next_page_uri": None}
        return json_response(
            200, {"media_list": rows, "first_page_uri": uri, "previous_page_uri": None, **page}
        )


def _knows(request: Request, accounts: dict[str, str], account: str) -> bool:
    token = accounts.get(account)
    given = base64.b64encode(f"{account}:{token}".encode()).decode()
    return token is not None and request.headers.get("Authorization") == f"Basic {given}"
