"""The models an installation is configured for, in the order they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from agent.models.base import Model

log = structlog.get_logger(__name__)


class SecretText(Protocol):
    """A key that does not print itself (pydantic's SecretStr)."""

    def get_secret_value(self) -> str: ...


Key = SecretText | str | None


class RoutingSettings(Protocol):
    """The settings that decide which models are asked; `ops.settings.Settings` has them all."""

    @property
    def ai_provider(self) -> str: ...
    @property
    def ai_fallback_provider(self) -> str | None: ...
    @property
    def anthropic_api_key(self) -> Key: ...
    @property
    def anthropic_base_url(self) -> str | None: ...
    @property
    def anthropic_model(self) -> str: ...
    @property
    def openai_api_key(self) -> Key: ...
    @property
    def openai_base_url(self) -> str | None: ...
    @property
    def openai_model(self) -> str: ...


def build_models(settings: RoutingSettings) -> list[Model]:
    """The configured provider, its fallback, and the playbook, which needs no network, always last.

    A provider without a key is left out with a warning, so that a lost key costs quality and not the answer.
    Raises ValueError naming the variable for a provider that does not exist. SDK clients are thread-safe:
    build once.
    """
    # Imported here and below: each vendor's SDK takes a second or two of processor, paid only by who uses it.
    from agent.models.playbook import PlaybookModel

    models: list[Model] = []
    asked = {"AI_PROVIDER": settings.ai_provider, "AI_FALLBACK_PROVIDER": settings.ai_fallback_provider}
    chosen: list[str] = []
    for variable, name in asked.items():
        name = {"anthropic": "claude"}.get(name or "", name)
        if name and name not in (*_BUILDERS, "playbook"):
            raise ValueError(f"{variable}={name} is not a provider; choose claude, openai or playbook")
        # The playbook always answers, so nothing behind it would ever be asked.
        if name and name not in chosen and "playbook" not in chosen:
            chosen.append(name)
    for name in chosen:
        model = _BUILDERS[name](settings) if name in _BUILDERS else None
        if model is not None:
            models.append(model)
        elif name != "playbook":
            log.warning("provider_without_key", provider=name)
    return [*models, PlaybookModel()]


def _claude(settings: RoutingSettings) -> Model | None:
    from agent.models.claude import ClaudeModel

    key = _plain(settings.anthropic_api_key)
    return ClaudeModel(key, settings.anthropic_model, settings.anthropic_base_url) if key else None


def _openai(settings: RoutingSettings) -> Model | None:
    from agent.models.openai import OpenAIModel
    from agent.models.openai_chat import OpenAIChatModel, is_openai

    key, base_url = _plain(settings.openai_api_key), settings.openai_base_url
    # Not every proxy of OpenAI has its host name; OPENAI_API=responses or chat says so where it does not show.
    api = getattr(settings, "openai_api", None) or ("responses" if is_openai(base_url) else "chat")
    if base_url and api == "chat":
        return OpenAIChatModel(key, settings.openai_model, base_url)
    return OpenAIModel(key, settings.openai_model, base_url) if key else None


def _plain(key: Key) -> str | None:
    text = key if key is None or isinstance(key, str) else key.get_secret_value()
    return text or None


_BUILDERS: dict[str, Callable[[RoutingSettings], Model | None]] = {"claude": _claude, "openai": _openai}
