"""One sender of mail for all tenants: each one's own SendGrid key or subuser where it has one, else the installation's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from channels.carrier import Accepted, CarrierError, Outgoing
from channels.email.sender import LocalEmailSender, SendGridSender

MailSender = SendGridSender | LocalEmailSender


@dataclass(frozen=True)
class Account:
    """One tenant's way to SendGrid. `api_key` None: the installation's key, on behalf of `subuser` where there is one.
    `events`: SendGrid reports to us what becomes of its mail."""

    api_key: str | None = field(default=None, repr=False)
    subuser: str | None = None
    sender_domain: str | None = None
    events: bool = False


@dataclass
class TenantMailSenders:
    """`lookup`: tenant id -> its own account, or None; asked for every mail, which costs nothing beside the sending, so
    a changed row counts at once. `make` builds the sender of an account; it is kept as long as the account stays the
    same, and with it one client per thread. Safe to share between threads."""

    default: MailSender
    lookup: Callable[[int], Account | None]
    make: Callable[[Account], MailSender]
    carrier: str = field(init=False)
    _senders: dict[int, tuple[Account, MailSender]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.carrier = self.default.carrier

    def send(self, message: Outgoing) -> Accepted:
        """Hand over through the tenant's account. Raises CarrierError."""
        return self.sender_of(message.tenant_id).send(message)

    def find(self, message: Outgoing) -> Accepted | None:
        """Ask the tenant's account. Raises CarrierError."""
        return self.sender_of(message.tenant_id).find(message)

    def sender_of(self, tenant_id: int | None) -> MailSender:
        """The sender of a tenant. Raises CarrierError when its account cannot be read."""
        account = None if tenant_id is None else self.lookup(tenant_id)
        if account is None or tenant_id is None:
            return self.default
        with self._lock:
            known = self._senders.get(tenant_id)
            if known is None or known[0] != account:
                known = self._senders[tenant_id] = (account, self.make(account))
            return known[1]


def no_key() -> CarrierError:
    """A subuser is known for a tenant, but no key that could act for it."""
    return CarrierError(
        "the shop has a subuser at SendGrid, but neither it nor the installation (SENDGRID_API_KEY) has a key",
        kind="misconfigured",
        code="no_key",
    )
