"""Writing what a business itself is told: settings, policy, consent, facts, accounts and its CRM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from crm import carrier_accounts, mail_accounts
from crm.connections import look_now, new_connection
from crm.consent_policy import EVERYBODY
from crm.consents import record_consent
from crm.models import Location, MailAccount, PolicyVersion, Tenant
from crm.policies import UnchangedPolicy, add_policy, change_settings
from crm.tenant_file.actual import STATED_BY
from crm.tenant_file.plan import Difference
from crm.tenant_file.records import Fields, Secret
from crm.tenant_file.writing import Writing
from ops.secrets import SecretBox, SecretsError


@dataclass(frozen=True)
class Business:
    """Who writes, with what: `who` stands in histories; `base_urls` are where connectors are reached by default."""

    who: str
    box: SecretBox | None
    base_urls: Mapping[str, str]


def write_business(w: Writing, found: Iterable[Difference], by: Business) -> None:
    """Everything that hangs on the business itself."""
    for one in found:
        if one.key.kind == "tenant":
            _tenant(w, one.values, by)
        elif one.key.kind == "fact":
            _fact(w, one.key.place, one.key.name, one.values["value"])
        elif one.key.kind == "twilio":
            _twilio(w, one.values, by)
        elif one.key.kind == "sendgrid":
            _sendgrid(w, one.values, by)
        elif one.key.kind == "crm":
            _crm(w, one.key.name, one.values, by)
    w.s.flush()


def prune_business(w: Writing, found: Iterable[Difference]) -> None:
    """Take away facts and accounts that the file takes away."""
    for one in found:
        if one.key.kind == "fact":
            _fact(w, one.key.place, one.key.name, None)
        elif one.key.kind == "twilio":
            carrier_accounts.remove_account(w.s)
        elif one.key.kind == "sendgrid":
            mail_accounts.remove_account(w.s)
    w.s.flush()


def _tenant(w: Writing, values: Fields, by: Business) -> None:
    tenant = _held(w.s, w.tenant_id)
    for name in ("name", "status"):
        if name in values:
            setattr(tenant, name, values[name])
    settings = {
        name.removeprefix("settings."): value
        for name, value in values.items()
        if name.startswith("settings.")
    }
    settings |= {"cadence": values["cadence"]} if "cadence" in values else {}
    if settings:
        change_settings(w.s, w.tenant_id, **settings)
    if "policy" in values:
        _policy(w, values["policy"], by)
    if any(name.startswith("text_consent") for name in values):
        _text_consent(w, tenant, values, by)


def _policy(w: Writing, words: str | None, by: Business) -> None:
    if words is None:
        change_settings(w.s, w.tenant_id, policy_version=None)
        return
    try:
        version = add_policy(w.s, w.tenant_id, words, by.who, w.now, note="from a tenant file")
    except UnchangedPolicy:
        newest = w.s.query(PolicyVersion.version).filter_by(tenant_id=w.tenant_id)
        version = newest.order_by(PolicyVersion.version.desc()).limit(1).scalar() or 1
    change_settings(w.s, w.tenant_id, policy_version=version)


def _text_consent(w: Writing, tenant: Tenant, values: Fields, by: Business) -> None:
    """The shop's statement goes into the ledger, as `leads consent assume` puts it there."""
    before = w.actual.records.get(next(key for key in w.actual.records if key.kind == "tenant"), {})
    merged = {**before, **values}
    assumed = merged["text_consent"] == "assumed"
    if assumed or before.get("text_consent") == "assumed":
        record_consent(
            w.s,
            tenant_id=w.tenant_id,
            channel="sms",
            address=EVERYBODY,
            action="grant" if assumed else "revoke",
            actor="shop",
            source=f"{STATED_BY}{merged['text_consent.by'] if assumed else by.who}",
            evidence=str(merged["text_consent.statement"]) if assumed else "taken back in the tenant file",
            effective_at=w.now,
        )
    change_settings(w.s, w.tenant_id, text_consent=merged["text_consent"])


def _fact(w: Writing, slug: str, name: str, value: str | None) -> None:
    place: Location | None = (w.locations or w.actual.locations)[slug] if slug else None
    held = place.facts if place is not None else _held(w.s, w.tenant_id).settings.get("shop_facts")
    facts: dict[str, Any] = dict(held or {})
    facts.pop(name, None)
    facts |= {} if value is None else {name: value}
    if place is not None:
        place.facts = facts
    else:
        change_settings(w.s, w.tenant_id, shop_facts=facts)


def _twilio(w: Writing, values: Fields, by: Business) -> None:
    box = _needed(by.box)
    sid = values.get("account_sid") or w.actual.records[_key(w, "twilio")]["account_sid"]
    token: Secret | None = values.get("auth_token")
    if token is not None and token.plain:
        carrier_accounts.set_account(w.s, w.tenant_id, box, sid, token.plain)
    if "messaging_service" in values:
        carrier_accounts.set_service(w.s, values["messaging_service"])
    if values.keys() & {"shared_key_id", "shared_key"}:
        row = w.actual.rows.get(_key(w, "twilio")) if _has(w, "twilio") else None
        key: Secret | None = values.get("shared_key")
        name = values.get("shared_key_id", row.shared_key_id if row else None)
        if name and key is not None and key.plain:
            carrier_accounts.set_shared_key(w.s, box, name, key.plain)


def _sendgrid(w: Writing, values: Fields, by: Business) -> None:
    key: Secret | None = values.get("api_key")
    mail_accounts.set_account(
        w.s,
        w.tenant_id,
        by.box,
        api_key=key.plain if key else None,
        subuser=(values["subuser"] or "") if "subuser" in values else None,
        sender_domain=(values["sender_domain"] or "") if "sender_domain" in values else None,
    )
    row = w.s.query(MailAccount).one()
    if "inbound_keys" in values:
        row.inbound_keys = list(values["inbound_keys"])
    if "event_keys" in values:
        row.event_keys = list(values["event_keys"])


def _crm(w: Writing, connector: str, values: Fields, by: Business) -> None:
    box = _needed(by.box)
    row = next(
        (row for key, row in w.actual.rows.items() if (key.kind, key.name) == ("crm", connector)), None
    )
    if row is None:
        row = new_connection(
            w.tenant_id, connector, by.base_urls.get(connector, ""), values["api_key"].plain, box
        )
        values = {name: value for name, value in values.items() if name != "api_key"}
        w.s.add(row)
    else:
        look_now(w.s, row.id, w.now)
    for name, column in (("api_key", "api_key_encrypted"), ("webhook_secret", "webhook_secret_encrypted")):
        if (given := values.get(name)) is not None:
            setattr(row, column, box.encrypt(given.plain))
    for name in ("base_url", "enabled", "signature_mode"):
        if name in values:
            setattr(row, name, values[name])
    for name in ("settings", "lead_rules"):
        changed = {path: value for path, value in values.items() if path.startswith(f"{name}.")}
        if changed:
            setattr(row, name, _nested(getattr(row, name) or {}, name, changed))
    w.s.flush()


def _nested(stored: dict[str, Any], prefix: str, changed: Fields) -> dict[str, Any]:
    """`stored` with values at `prefix.a.b`."""
    found: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in stored.items()
    }
    for path, value in changed.items():
        *above, last = path.removeprefix(f"{prefix}.").split(".")
        here = found
        for part in above:
            here[part] = dict(here.get(part) or {})
            here = here[part]
        here[last] = value
    return found


def _held(s: Session, tenant_id: int) -> Tenant:
    return s.get_one(Tenant, tenant_id, with_for_update=True)


def _has(w: Writing, kind: str) -> bool:
    return any(key.kind == kind for key in w.actual.rows)


def _key(w: Writing, kind: str) -> Any:
    return next(key for key in w.actual.rows if key.kind == kind)


def _needed(box: SecretBox | None) -> SecretBox:
    if box is None:
        raise SecretsError("ENCRYPTION_KEY is not set; `leads config new-key` prints one")
    return box
