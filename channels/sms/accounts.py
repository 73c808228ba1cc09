"""One sender for all tenants: each one's own Twilio account where it has one, else the installation's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from channels.carrier import Accepted, CarrierError, Outgoing
from channels.sms.sender import LocalSender, TwilioSender

# So long a changed token or service is not noticed; a refusal of the credentials looks again at once.
KEEP_S = 60.0

TextSender = TwilioSender | LocalSender


@dataclass(frozen=True)
class Account:
    """What it takes to send through one Twilio account."""

    account_sid: str
    auth_token: str
    service_sid: str | None = None


@dataclass
class TenantSenders:
    """`lookup`: tenant id -> its own account, or None; asked once a minute. `make` builds a sender for an account,
    which is kept as long as the account stays the same. Safe to share between threads."""

    default: TextSender
    lookup: Callable[[int], Account | None]
    make: Callable[[Account], TextSender]
    monotonic: Callable[[], float] = time.monotonic
    carrier: str = field(init=False)
    _known: dict[int, tuple[float, Account | None]] = field(default_factory=dict, repr=False)
    _senders: dict[Account, TextSender] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.carrier = self.default.carrier

    def send(self, message: Outgoing) -> Accepted:
        """Hand over through the tenant's account. Raises CarrierError."""
        try:
            return self.sender_of(message.tenant_id).send(message)
        except CarrierError as error:
            self._forget_if_refused(message.tenant_id, error)
            raise

    def find(self, message: Outgoing) -> Accepted | None:
        """Ask the tenant's account. Raises CarrierError."""
        return self.sender_of(message.tenant_id).find(message)

    def status_of(self, message: Outgoing, carrier_id: str) -> Accepted | None:
        """What the tenant's account has of a message now. Raises CarrierError."""
        return self.sender_of(message.tenant_id).status_of(message, carrier_id)

    def sender_of(self, tenant_id: int | None) -> TextSender:
        """The sender of a tenant."""
        account = None if tenant_id is None else self._account(tenant_id)
        if account is None:
            return self.default
        with self._lock:
            if account not in self._senders:
                self._senders[account] = self.make(account)
            return self._senders[account]

    def _account(self, tenant_id: int) -> Account | None:
        known = self._known.get(tenant_id)
        if known is not None and known[0] > self.monotonic():
            return known[1]
        account = self.lookup(tenant_id)
        self._known[tenant_id] = (self.monotonic() + KEEP_S, account)
        return account

    def _forget_if_refused(self, tenant_id: int | None, error: CarrierError) -> None:
        if error.kind == "misconfigured" and tenant_id is not None:
            self._known.pop(tenant_id, None)
