"""The look after a connection's webhook: is it registered, to our address, switched on, without an error, for the right
triggers? What is not right is repaired, and `TenantCrmConfig.webhook_state` says in words how it stands.

Without an https address of ours there is nothing to register; the looks for orders find everything meanwhile, later.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import structlog

from crm.connectors.base import REGISTRATION, Connector, ConnectorError, NotSupported, WebhookState
from crm.connectors.registry import connector_of, settings_of
from crm.models import TenantCrmConfig
from ops.settings import Settings
from scheduler.crm_looks import Look, Looked
from scheduler.crm_turns import IDLE
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

TIMEOUT_S = 15.0
WELL = "registered and switched on"
MOST_WORDS = 300


class _Changed(Exception):
    """The connection was changed while we looked; what we know of it belongs to an older one."""


def hook_url(settings: Settings, config: TenantCrmConfig) -> str | None:
    """Where the outside system delivers to, or None when it could not reach us: it delivers over https only
    (shopmonkey facts 5.1)."""
    base = settings.public_base_url.rstrip("/")
    return f"{base}/hooks/{config.connector}/{config.hook_token}" if base.startswith("https://") else None


def watch_webhook(runtime: Runtime, tenant_id: int, look: Look) -> Looked:
    """Look once, and repair. Raises ConnectorError when the registration cannot be looked at or mended."""
    with runtime.db.tenant(tenant_id) as session:
        config = session.get_one(TenantCrmConfig, look.config_id)
    settings, url = settings_of(config), hook_url(runtime.settings, config)
    connector = connector_of(config, runtime.box, runtime.redis, background=True, timeout_s=TIMEOUT_S)
    watch = _Watch(runtime, tenant_id, look, config, connector, url or "", getattr(settings, "triggers", ()))
    try:
        if REGISTRATION not in connector.capabilities:
            raise NotSupported(connector.name, "look after a webhook")
        # A connection may be told to leave registrations to the shop.
        if not settings.watch_webhook:
            return watch.idle("not looked after: the settings say so")
        if url is None:
            return watch.idle("not registered: PUBLIC_BASE_URL is not an https address")
        return watch.over()
    except _Changed:
        return Looked("the connection was changed meanwhile", again_after=IDLE)
    except ConnectorError as error:
        watch.say_if_unchanged(f"not known or not mended: {error}")
        raise
    finally:
        connector.close()


@dataclass
class _Watch:
    runtime: Runtime
    tenant_id: int
    look: Look
    config: TenantCrmConfig
    connector: Connector
    url: str
    wanted: tuple[tuple[str, ...], ...]
    did: str | None = None

    def over(self) -> Looked:
        """Look, repair, and write down how it stands."""
        known = self.config.webhook_external_id
        before = self.connector.webhook_state(known) if known is not None else None
        state = self._registered(before)
        state = self._with_right_triggers(state)
        if not state.healthy:
            why = _wrong(state)
            state = self._repaired(state)
            self._note(f"{why}, switched on again")
        return self._written(state)

    def idle(self, words: str) -> Looked:
        """Nothing to look after."""
        self._write(webhook_state=words)
        return Looked(words, again_after=IDLE)

    def say_if_unchanged(self, words: str) -> None:
        """Write how it stands, unless the connection is another one by now."""
        try:
            self._write(webhook_state=words)
        except _Changed:
            log.info("crm_connection_changed", check_id=self.look.check_id)

    # Repairs

    def _registered(self, before: WebhookState | None) -> WebhookState:
        if before is not None and before.url == self.url:
            return before
        if before is not None:
            # First, because names are unique: one whose address was changed by hand holds the new one's name.
            self._remove_if_ours(before)
            self._note("led to another address, registered again")
        elif self.config.webhook_external_id is not None:
            self._note("was gone, registered again")
        else:
            self._note("registered")
        return self._register()

    def _register(self) -> WebhookState:
        """The secret is stored before anything is signed with it: a delivery that comes at once can be checked then."""
        secret = self._own_secret()
        if secret is None:
            secret = secrets.token_urlsafe(32)
            self._write(webhook_secret_encrypted=self.runtime.box.encrypt(secret))
        state = self.connector.register_webhook(self.url, secret)
        # Stored at once: a registration nobody remembers would be found by its address only.
        self._write(webhook_external_id=state.external_id)
        return state

    def _with_right_triggers(self, state: WebhookState) -> WebhookState:
        """A webhook that is told too little is made anew. What the outside system makes of the names we ask for is its
        own affair: names that came back from a registration of ours are right."""
        told = sorted(state.triggers)
        if not self.wanted or not told or self.did is not None:
            return state
        # The sets stand in the order we want them in: one further down is right only when the ones before were refused.
        asked_for = self.look.notes.get("wanted") == self._wanted()
        if set(self.wanted[0]) <= set(told) or (asked_for and told == self.look.notes.get("echoed")):
            return state
        self.connector.remove_webhook(state.external_id)
        self._note("had other triggers, registered again")
        return self._register()

    def _wanted(self) -> list[list[str]]:
        return [sorted(names) for names in self.wanted]

    def _repaired(self, state: WebhookState) -> WebhookState:
        try:
            return self.connector.repair_webhook(state.external_id)
        except ConnectorError as error:
            if error.status != 404:
                raise
        return self._register()

    def _remove_if_ours(self, old: WebhookState) -> None:
        """What was registered for an address of ours that is not in use any more; whatever the shop made of it since
        stays."""
        if not urlsplit(old.url).path.startswith(f"/hooks/{self.config.connector}/"):
            return
        try:
            self.connector.remove_webhook(old.external_id)
        except ConnectorError as error:
            log.warning("crm_old_webhook_stays", check_id=self.look.check_id, kind=error.kind)

    # Writing down

    def _written(self, state: WebhookState) -> Looked:
        values: dict[str, Any] = {"webhook_external_id": state.external_id}
        if (secret := self._secret_after(state)) is not None:
            values["webhook_secret_encrypted"] = self.runtime.box.encrypt(secret)
        words = WELL if state.healthy else f"not working: {_wrong(state)}"
        notes = dict(self.look.notes)
        if self.did is not None:
            at = self.look.now.strftime("%Y-%m-%d %H:%M UTC")
            notes |= {
                "repaired": f"{at}: {self.did}",
                "echoed": sorted(state.triggers),
                "wanted": self._wanted(),
            }
        if "repaired" in notes:
            words += f" (last mended {notes['repaired']})"
        self._write(webhook_state=words, **values)
        error = None if state.healthy else words
        watermark: datetime | None = self.look.now if state.healthy else None
        changed = notes if notes != self.look.notes else None
        return Looked(self.did or words, watermark, notes=changed, error=error)

    def _secret_after(self, state: WebhookState) -> str | None:
        """The secret to store now, None when the stored one is right. A new one stands in front of the old one until the
        next look that finds nothing to mend: deliveries on their way are signed with the old one."""
        stored = self._own_secret(whole=True)
        current = stored.split()[0] if stored else None
        if state.secret is not None and state.secret != current:
            self._note("signs with another secret, stored")
            return f"{state.secret} {current}" if current and " " not in state.secret else state.secret
        return current if self.did is None and stored != current else None

    def _own_secret(self, *, whole: bool = False) -> str | None:
        encrypted = self.config.webhook_secret_encrypted
        if encrypted is None:
            return None
        stored = self.runtime.box.decrypt(encrypted)
        return stored if whole or not stored.split() else stored.split()[0]

    def _note(self, did: str) -> None:
        self.did = did if self.did is None else f"{self.did}; {did}"
        log.info("crm_webhook_mended", check_id=self.look.check_id, did=did)

    def _write(self, **values: Any) -> None:
        """Store what differs. Raises _Changed when somebody gave the connection another address or key meanwhile."""
        if "webhook_state" in values:
            values["webhook_state"] = values["webhook_state"][:MOST_WORDS]
        with self.runtime.db.tenant(self.tenant_id) as session:
            row = session.get_one(TenantCrmConfig, self.config.id, with_for_update=True)
            mine = self.config
            if (row.hook_token, row.api_key_encrypted, row.base_url) != (
                mine.hook_token,
                mine.api_key_encrypted,
                mine.base_url,
            ):
                raise _Changed
            for name, value in values.items():
                if getattr(row, name) != value:
                    setattr(row, name, value)
        self.config = row


def _wrong(state: WebhookState) -> str:
    """What is not right with it, as the outside system says."""
    off = "switched off" if not state.enabled else "in error"
    return f"{off} ({state.error})" if state.error else off
