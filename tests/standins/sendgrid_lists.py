"""What a SendGrid account or subuser keeps of addresses: its suppression lists (messaging facts 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from tests.standins.http import Request, Response, json_response

KINDS = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")
# A block is a note only: the next mail is tried. What each of the others puts into `reason` of a dropped event.
DROPS = {
    "bounces": "Bounced Address",
    "spam_reports": "Spam Reporting Address",
    "invalid_emails": "Invalid",
    "unsubscribes": "Unsubscribed Address",
}
MOST_A_PAGE = 500


@dataclass
class Lists:
    """The lists of one account. `unsubscribes` is the global unsubscribe, which asm/suppressions/global writes to."""

    entries: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )

    def add(self, kind: str, email: str, now: datetime, **more: Any) -> None:
        """Put an address on a list; one that is there keeps its moment."""
        row = {"created": int(now.timestamp()), "email": email.lower(), **more}
        self.entries[kind].setdefault(email.lower(), row)

    def remove(self, kind: str, email: str) -> bool:
        """Take it off; False when it was not there."""
        return self.entries[kind].pop(email.lower(), None) is not None

    def reason_to_drop(self, email: str) -> str | None:
        """Why a mail to this address is accepted and then dropped; None when it is not."""
        return next((why for kind, why in DROPS.items() if email.lower() in self.entries[kind]), None)

    def page(self, kind: str, request: Request) -> Response:
        """GET of a list: newest first, start_time and end_time inclusive, limit and offset."""
        try:
            limit = min(int(request.arg("limit", str(MOST_A_PAGE))), MOST_A_PAGE)
            offset, since = int(request.arg("offset", "0")), int(request.arg("start_time", "0"))
            until = int(request.arg("end_time", str(2**40)))
        except ValueError:
            return json_response(400, {"errors": [{"message": "invalid parameter", "field": None}]})
        rows = [row for row in self.entries[kind].values() if since <= row["created"] <= until]
        rows.sort(key=lambda row: (-row["created"], row["email"]))
        return json_response(200, rows[offset : offset + limit])

    def answer(self, request: Request, now: datetime) -> Response | None:
        """The part of the API that is about lists; None for any other path."""
        match request.method, request.path.removeprefix("/v3/").split("/"):
            case "GET", ["suppression", kind] if kind in KINDS:
                return self.page(kind, request)
            case "DELETE", ["suppression", kind, email] if kind in KINDS:
                return _gone(self.remove(kind, unquote(email)))
            case "POST", ["asm", "suppressions", "global"]:
                return self._stop(request, now)
            case "GET", ["asm", "suppressions", "global", email]:
                known = unquote(email).lower() in self.entries["unsubscribes"]
                return json_response(200, {"recipient_email": unquote(email)} if known else {})
            case "DELETE", ["asm", "suppressions", "global", email]:
                return _gone(self.remove("unsubscribes", unquote(email)))
        return None

    def _stop(self, request: Request, now: datetime) -> Response:
        emails = (request.json or {}).get("recipient_emails")
        if not isinstance(emails, list) or not all("@" in str(one) for one in emails) or not emails:
            told = "recipient_emails must be an array of addresses"
            return json_response(400, {"errors": [{"message": told, "field": "recipient_emails"}]})
        for email in emails:
            self.add("unsubscribes", email, now)
        return json_response(201, {"recipient_emails": emails})


def _gone(known: bool) -> Response:
    return Response(204) if known else json_response(404, {"errors": [{"message": "resource not found"}]})
