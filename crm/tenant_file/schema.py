"""What a tenant file says about a business. Everything that is not written stays as it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from crm.carrier_accounts import ACCOUNT_SID, SERVICE_SID
from crm.connectors.registry import NAMES
from crm.mail_accounts import DOMAIN, MOST_KEYS, SUBUSER
from crm.tenant_file.schema_location import LocationPart, Part, StaffPart
from crm.tenant_file.values import Block, Fact, FactName, Free, Line, SecretRef, Slug, Words

# Keys of TenantSettings that have a place of their own in the file.
ELSEWHERE = {
    "cadence": "cadence",
    "text_consent": "text_consent",
    "policy_version": "policy",
    "shop_facts": "facts",
}


class PolicyPart(Part):
    """The words the assistant works by: a file beside this one, the words themselves, or what ships."""

    file: str | None = None
    text: str | None = Field(default=None, min_length=1, max_length=200_000)
    ships: bool = False

    @model_validator(mode="before")
    @classmethod
    def _default(cls, value: object) -> object:
        return {"ships": True} if value == "default" else value

    @model_validator(mode="after")
    def _one(self) -> PolicyPart:
        if [self.file is not None, self.text is not None, self.ships].count(True) != 1:
            raise ValueError("write either file: PATH or text: ...; `policy: default` is what ships")
        return self


class TextConsentPart(Part):
    """Whether touches by text need consent on record; `assumed` needs the shop's own statement, and who makes it."""

    policy: Literal["required", "assumed"]
    statement: Block | None = None
    by: Line | None = None

    @model_validator(mode="after")
    def _stated(self) -> TextConsentPart:
        if self.policy == "assumed" and not (self.statement and self.by):
            raise ValueError(
                "assumed needs `statement` (how the shop asks for consent) and `by` (a person's name)"
            )
        if self.policy == "required" and (self.statement or self.by):
            raise ValueError("required has no statement")
        return self


class TwilioPart(Part):
    """The business's own account at Twilio."""

    account_sid: str
    auth_token: SecretRef | None = None
    messaging_service: str | None = None
    shared_key_id: str | None = Field(default=None, min_length=1)
    shared_key: SecretRef | None = None

    @field_validator("account_sid")
    @classmethod
    def _account(cls, value: str) -> str:
        if not ACCOUNT_SID.fullmatch(value):
            raise ValueError("that is no account SID: AC and 32 hexadecimal digits")
        return value

    @field_validator("messaging_service")
    @classmethod
    def _service(cls, value: str | None) -> str | None:
        if value is not None and not SERVICE_SID.fullmatch(value):
            raise ValueError("that is no Messaging Service SID: MG and 32 hexadecimal digits")
        return value

    @model_validator(mode="after")
    def _both(self) -> TwilioPart:
        if self.shared_key is not None and self.shared_key_id is None:
            raise ValueError("shared_key needs shared_key_id")
        return self


class SendGridPart(Part):
    """The business's own key or subuser at SendGrid, and the public keys that sign its webhooks."""

    api_key: SecretRef | None = None
    subuser: str | None = None
    sender_domain: str | None = None
    inbound_keys: Words = Field(default=(), max_length=MOST_KEYS)
    event_keys: Words = Field(default=(), max_length=MOST_KEYS)

    @field_validator("subuser")
    @classmethod
    def _user(cls, value: str | None) -> str | None:
        if value is not None and not SUBUSER.fullmatch(value):
            raise ValueError("that is no name of a subuser")
        return value

    @field_validator("sender_domain")
    @classmethod
    def _domain(cls, value: str | None) -> str | None:
        if value is not None and not DOMAIN.fullmatch(value):
            raise ValueError("that is no domain that mail can come from")
        return value


class CrmPart(Part):
    """The connection to the business's CRM. `settings` and `lead_rules` are read by the connector."""

    connector: str = "shopmonkey"
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    api_key: SecretRef | None = None
    webhook_secret: SecretRef | None = None
    enabled: bool = True
    signature_mode: Literal["observe", "enforce"] = "observe"
    lead_rules: Free = Field(default={})
    settings: Free = Field(default={})

    @field_validator("connector")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in NAMES:
            raise ValueError(f"there is no connector {value!r}; known: {', '.join(NAMES)}")
        return value


class TenantPart(Part):
    """One business."""

    slug: Slug
    name: Line | None = None
    status: Literal["active", "paused"] | None = None
    cadence: str | None = None
    text_consent: TextConsentPart | None = None
    settings: Free = Field(default={})
    facts: dict[FactName, Fact | None] = Field(default={}, max_length=40)
    policy: PolicyPart | None = None
    staff: tuple[StaffPart, ...] = ()
    twilio: TwilioPart | None = None
    sendgrid: SendGridPart | None = None
    crm: CrmPart | None = None
    locations: tuple[LocationPart, ...] = ()

    @field_validator("settings")
    @classmethod
    def _here(cls, value: Free) -> Free:
        for key, place in ELSEWHERE.items():
            if key in value:
                raise ValueError(f"{key} is written as `{place}` beside settings")
        return value
