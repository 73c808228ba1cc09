"""Typed settings from the environment, `.env` and the files a first start generates.

Order, strongest first: environment, `.env`, `<DATA_DIR>/generated.env` (secrets made at first start, addresses of
the embedded servers). Names of the first version are kept.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


CommaList = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Text = Annotated[str | None, BeforeValidator(_empty_is_unset)]
Secret = Annotated[SecretStr | None, BeforeValidator(_empty_is_unset)]


class Settings(BaseSettings):
    """Everything that can be configured; `leads config check` prints each value with its source."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, env_ignore_empty=True)

    data_dir: Path = Path("data")
    database_url: Secret = None
    database_owner_url: Secret = None
    redis_url: Text = None

    twilio_account_sid: Text = None
    twilio_auth_token: Secret = None
    twilio_auth_token_previous: Secret = None
    # Where webhooks are signed with a SharedKey instead of the token: its id and its secret.
    twilio_shared_key_id: Text = None
    twilio_shared_key: Secret = None
    twilio_phone_number: Text = None
    twilio_messaging_service_sid: Text = None
    twilio_api_base: str = "https://api.twilio.com"
    # Where accounts.twilio.com (the Consent API) is reached. Unset: beside TWILIO_API_BASE if that is not Twilio's own.
    twilio_accounts_base: Text = None
    # Of each sending number, over all workers (messaging facts 2.5: a long code takes about one).
    twilio_segments_per_second: float = Field(default=1.0, gt=0, le=1000)
    # Twilio answers STOP, START and HELP by itself unless its default handling is switched off.
    twilio_answers_keywords: bool = True

    sendgrid_api_key: Secret = None
    sendgrid_api_base: str = "https://api.sendgrid.com"
    # The secret end of the address Inbound Parse posts to; the previous one still works while it is being replaced.
    sendgrid_inbound_token: Secret = None
    sendgrid_inbound_token_previous: Secret = None
    # `user:password` where the address at SendGrid carries them.
    sendgrid_inbound_basic_auth: Secret = None
    # Public keys of Inbound Parse's security policy and of the Event Webhook, as SendGrid shows them; more than one
    # while one is being replaced. Without a key for inbound mail the secret address alone is asked for.
    sendgrid_inbound_keys: CommaList = []
    sendgrid_event_keys: CommaList = []

    shopmonkey_api_key: Secret = None
    shopmonkey_api_base: str = "https://api.shopmonkey.cloud"

    # Names of agent/providers.py, which refuses any other at start.
    ai_provider: str = "playbook"
    ai_fallback_provider: Text = None
    anthropic_api_key: Secret = None
    anthropic_base_url: Text = None
    anthropic_model: str = "claude-haiku-5-5"
    openai_api_key: Secret = None
    openai_base_url: Text = None
    openai_model: str = "gpt-6-luna"
    # Which of OpenAI's interfaces OPENAI_BASE_URL speaks; unset: responses at openai.com, chat anywhere else.
    openai_api: Annotated[Literal["responses", "chat"] | None, BeforeValidator(_empty_is_unset)] = None
    # What a compatible server understands besides the plain requests: see agent/models/capabilities.py.
    openai_capabilities: CommaList = []
    # Prices that win over those that ship, in the form of agent/prices.yaml.
    ai_prices_file: Path | None = None
    # Seconds; a job is cut after 120, and the turn still has to write its reply.
    turn_deadline_s: float = Field(default=45.0, gt=0, le=90)

    demo_mode: bool = False
    demo_allow_list: CommaList = []
    tenant_id: Text = None
    encryption_key: Secret = None

    public_base_url: str = "http://127.0.0.1:8080"
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8080, ge=0, le=65535)
    web_threads: int = Field(default=8, ge=1, le=256)
    worker_threads: int = Field(default=16, ge=1, le=512)
    tick_seconds: int = Field(default=5, ge=1, le=3600)
    clock_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("public_base_url", "twilio_api_base", "sendgrid_api_base", "shopmonkey_api_base")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        keys = {
            "claude": ("ANTHROPIC_API_KEY", self.anthropic_api_key),
            "openai": ("OPENAI_API_KEY", self.openai_api_key),
        }
        for name, provider in (
            ("AI_PROVIDER", self.ai_provider),
            ("AI_FALLBACK_PROVIDER", self.ai_fallback_provider),
        ):
            if provider in keys and keys[provider][1] is None:
                raise ValueError(f"{name}={provider} needs {keys[provider][0]}")
        if self.twilio_account_sid and self.twilio_auth_token is None:
            raise ValueError("TWILIO_ACCOUNT_SID is set, so TWILIO_AUTH_TOKEN is needed too")
        if self.database_owner_url and not self.database_url:
            raise ValueError("DATABASE_OWNER_URL is set, so DATABASE_URL is needed too")
        return self


def env_files() -> list[Path]:
    """The files read besides the environment, weakest first."""
    data_dir = Path(os.environ.get("DATA_DIR", "data"))
    return [data_dir / "generated.env", Path(".env")]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process. Raises pydantic.ValidationError naming what is wrong."""
    return Settings(_env_file=env_files())  # type: ignore[call-arg]


def secret(value: SecretStr | None) -> str | None:
    """The plain text of a secret, or None."""
    return None if value is None else value.get_secret_value()
