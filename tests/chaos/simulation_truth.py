"""What a neutral observer knows: who said stop when, who may be texted, who booked. Nothing here asks our database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.simulation_people import Enquiry

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Said:
    """One stop. From `sure_from` on nothing may go; before it our side may not have heard of it yet."""

    at: datetime
    sure_from: datetime
    words: str


class Truth:
    """Stops by (tenant, channel, address), consent to texts, bookings, and what every customer wrote."""

    def __init__(self, enquiries: list[Enquiry]) -> None:
        self.stops: dict[Key, Said] = {}
        self.may_text: set[tuple[str, str]] = set()
        self.booked: dict[int, datetime] = {}
        self.humans: dict[int, datetime] = {}
        self.paused: set[str] = set()
        self.written: dict[str, tuple[str, str, str, datetime]] = {}
        self._reopened: dict[tuple[str, str], datetime] = {}
        self._by_phone: defaultdict[tuple[str, str], list[Enquiry]] = defaultdict(list)
        self._by_email: defaultdict[tuple[str, str], list[Enquiry]] = defaultdict(list)
        for one in enquiries:
            self._by_phone[one.shop.tenant, one.phone].append(one)
            if one.email:
                self._by_email[one.shop.tenant, one.email].append(one)

    def stopped(self, tenant: str, channel: str, address: str, now: datetime) -> Said | None:
        """The stop that stands for certain for an address."""
        said = self.stops.get((tenant, channel, address))
        return said if said is not None and said.sure_from <= now else None

    def stop_by_text(self, one: Enquiry, said: Said, *, wrong_number: bool) -> None:
        """A stop from a phone counts for it at every shop of the business, and for the mail where the shop says so."""
        tenant = one.shop.tenant
        self._stop((tenant, "sms", one.phone), said)
        if one.shop.covers == "all" and not wrong_number:
            for other in self._by_phone[tenant, one.phone]:
                if other.email:
                    self._stop((tenant, "email", other.email), said)

    def stop_by_mail(self, one: Enquiry, said: Said) -> None:
        """The same the other way round."""
        tenant, email = one.shop.tenant, one.email or ""
        self._stop((tenant, "email", email), said)
        if one.shop.covers == "all":
            for other in self._by_email[tenant, email]:
                self._stop((tenant, "sms", other.phone), said)

    def reopened_since(self, moment: datetime) -> set[tuple[str, str]]:
        """Who said START since."""
        return {who for who, at in self._reopened.items() if at >= moment}

    def start_by_text(self, one: Enquiry, now: datetime) -> None:
        """Opens the line again, and whatever may have been closed with it."""
        tenant = one.shop.tenant
        self._reopened[tenant, one.phone] = now
        self.stops.pop((tenant, "sms", one.phone), None)
        for other in self._by_phone[tenant, one.phone]:
            self.stops.pop((tenant, "email", other.email or ""), None)
        self.may_text.add((tenant, one.phone))

    def _stop(self, key: Key, said: Said) -> None:
        standing = self.stops.get(key)
        # A second stop makes nothing uncertain that was certain.
        if standing is None or standing.sure_from > said.sure_from:
            self.stops[key] = said
