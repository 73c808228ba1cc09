"""Typed settings of a tenant, kept as jsonb in `tenants.settings`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from crm.models import Tenant


class TenantSettings(BaseModel):
    """What a tenant can choose. Unknown keys are refused, so that a typing error is not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quiet_window_sms_s: float = Field(default=3.0, ge=0, le=120)
    quiet_window_email_s: float = Field(default=10.0, ge=0, le=600)
    max_burst_wait_s: float = Field(default=20.0, ge=0, le=600)
    assistant_name: str = "the shop's automated assistant"
    hold_offers_minutes: int = Field(default=0, ge=0, le=1440)
    text_consent: Literal["required", "assumed"] = "required"
    # Whether a stop by one channel ends the other one too.
    stop_covers: Literal["all", "same"] = "all"
    # Touches by text keep to the shop's opening hours besides the law's.
    touches_in_shop_hours: bool = True
    # The line on how to stop goes into the first text and again after so many days.
    stop_line_every_days: int = Field(default=30, ge=1, le=365)
    # More automatic replies than this in one conversation are a loop: the shop is told and takes over.
    max_replies_per_hour: int = Field(default=12, ge=1, le=100)
    max_replies_per_day: int = Field(default=40, ge=1, le=500)
    # A mailbox answered that its owner is away and not until when: touches wait so many days.
    away_days: int = Field(default=7, ge=1, le=60)
    # None: what the installation is configured for.
    ai_provider: str | None = None
    ai_fallback_provider: str | None = None
    claude_model: str | None = None
    openai_model: str | None = None
    # None: no limit. Cents per calendar month of the shop, for model calls.
    monthly_ai_budget_cents: int | None = Field(default=None, ge=0)
    # None: the policy that ships.
    policy_version: int | None = Field(default=None, ge=1)
    # The plan that follow-ups go by: a name of scheduler/plans, or a plan of the business's own.
    cadence: str = Field(default="default", pattern=r"^[a-z][a-z0-9_]*$")
    # Leads of these sources go by another one (`leads plans use NAME --source SOURCE`).
    plan_by_source: dict[str, str] = {}
    # A plan of the business's own may not write more often than this on one day.
    plan_most_a_day: int = Field(default=3, ge=1, le=5)
    # What a new request of somebody known does: the follow-ups begin anew, the lead is only reopened, or nothing.
    new_request: Literal["restart", "reopen", "ignore"] = "restart"
    max_segments: int = Field(default=3, ge=1, le=10)
    # None: no limit. Parts of texts per day of the shop after which touches wait for the next; answers never do.
    max_segments_per_day: int | None = Field(default=None, ge=1)
    # How long what people wrote is kept, in days; None: for ever. Stops and the rest of the ledger are never deleted. The
    # defaults outlast the four years in which a text can be sued over, where something proves that it was wanted.
    keep_transcripts_days: int | None = Field(default=1826, ge=30)
    keep_decisions_days: int | None = Field(default=1826, ge=365)
    keep_media_days: int | None = Field(default=365, ge=7)
    keep_turns_days: int | None = Field(default=180, ge=7)
    # Carriers repeat a webhook for three days at most; what is deleted later cannot come again.
    keep_webhooks_days: int | None = Field(default=30, ge=7)
    keep_kept_aside_days: int | None = Field(default=90, ge=7)
    # A touch that many people answer with a stop is stopped: from so many sent and so many stops on, when they are at
    # least this share of those who got it and the rest of the channel has surely fewer (crm/step_harm.py).
    stop_harmful_touches: bool = True
    harmful_least_sent: int = Field(default=50, ge=10, le=100_000)
    harmful_least_stops: int = Field(default=4, ge=2, le=1000)
    harmful_least_percent: float = Field(default=3.0, ge=0.1, le=100)
    # A wave takes only people whose consent, request or last word is not older than so many days, and nobody twice
    # within so many; it stops itself when this share of those it wrote to said stop, from so many stops on.
    wave_consent_days: int = Field(default=540, ge=30, le=1826)
    wave_apart_days: int = Field(default=180, ge=1, le=1826)
    wave_stop_percent: float = Field(default=4.0, ge=0.1, le=100)
    wave_stop_least: int = Field(default=3, ge=1, le=1000)
    # Messages about a visit: one when it is made, those before it, and a few after nobody came. A shop whose CRM sends its
    # own for what stands in its calendar says so, and ours keep quiet about those.
    confirm_visits: bool = True
    remind_48h: bool = True
    remind_3h: bool = True
    recover_no_shows: bool = True
    crm_reminds: bool = False
    # Touches in the model's words instead of the template's, written ahead and checked like answers.
    personal_touches: bool = False
    # The hour of the shop's day at which its people are told of the day before; None: never.
    digest_hour: int | None = Field(default=8, ge=5, le=20)
    shop_facts: dict[str, str] = {}


def settings_of(tenant: Tenant) -> TenantSettings:
    """The typed settings of a tenant. Raises pydantic.ValidationError for stored nonsense."""
    return TenantSettings.model_validate(tenant.settings)
