"""Webhooks as Shopmonkey has them registered (shopmonkey facts 5.1, 5.2)."""

from __future__ import annotations

import hashlib

import structlog

from crm.connectors.errors import ConnectorError, Uncertain
from crm.connectors.records import WebhookState
from crm.connectors.shopmonkey import rows
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.settings import ShopmonkeySettings

log = structlog.get_logger(__name__)


class Registration:
    """Registrations, with one tenant's client. Every method raises ConnectorError."""

    def __init__(self, client: ShopmonkeyClient, settings: ShopmonkeySettings) -> None:
        self._client, self._settings = client, settings

    def state(self, external_id: str) -> WebhookState | None:
        """See `Connector.webhook_state`."""
        try:
            return rows.webhook(self._client.webhook(external_id))
        except ConnectorError as error:
            if error.status == 404:
                return None
            raise

    def register(self, url: str, secret: str) -> WebhookState:
        """See `Connector.register_webhook`. One of this url that stands there already is switched on and taken over,
        which is also how an uncertain registration is found again."""
        if not url.startswith("https://"):
            raise ConnectorError(
                "Shopmonkey delivers webhooks to https addresses only; set PUBLIC_BASE_URL to one",
                kind="misconfigured",
            )
        known = self._known(url)
        if known is not None:
            return self._write(known.external_id, {"enabled": True, "url": url, "secret": secret}, known)
        return self._create(url, secret)

    def repair(self, external_id: str) -> WebhookState:
        """See `Connector.repair_webhook`. When switching it on changes nothing, it is switched off and on again."""
        before = rows.webhook(self._client.webhook(external_id))
        state = self._write(external_id, {"enabled": True}, before)
        if state.healthy or before is None or not before.enabled:
            return state
        self._client.update("webhook", external_id, {"enabled": False})
        return self._write(external_id, {"enabled": True}, before)

    def remove(self, external_id: str) -> None:
        """See `Connector.remove_webhook`."""
        try:
            self._client.delete("webhook", external_id)
        except ConnectorError as error:
            if error.status != 404:
                raise

    def _create(self, url: str, secret: str) -> WebhookState:
        """Two vocabularies of trigger names contradict each other, so each is tried until one is taken."""
        # Names are unique in a company; one url gets the same name every time.
        name = f"{self._settings.webhook_name} {hashlib.sha256(url.encode()).hexdigest()[:8]}"
        refused: ConnectorError | None = None
        for triggers in self._settings.triggers:
            body = {"name": name, "url": url, "enabled": True, "triggers": list(triggers), "secret": secret}
            try:
                made = rows.webhook(self._client.create("webhook", body))
            except Uncertain:
                made = self._known(url)
                if made is None:
                    raise
            except ConnectorError as error:
                if error.kind != "permanent":
                    raise
                log.info("shopmonkey_triggers_refused", triggers=triggers, status=error.status)
                refused = error
                continue
            if made is None:
                made = self._known(url)
            if made is not None:
                return made
            raise Uncertain("Shopmonkey took the webhook without saying what became of it")
        raise refused or ConnectorError("no trigger names are configured", kind="misconfigured")

    def _known(self, url: str) -> WebhookState | None:
        states = [rows.webhook(row) for row in self._client.webhooks()]
        return next((state for state in states if state is not None and state.url == url), None)

    def _write(self, external_id: str, body: dict[str, object], before: WebhookState | None) -> WebhookState:
        state = rows.webhook(self._client.update("webhook", external_id, body))
        state = state or self.state(external_id) or before
        if state is None:
            raise ConnectorError("the webhook is gone", kind="permanent", status=404)
        return state
