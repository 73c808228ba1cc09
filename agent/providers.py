"""The models an installation can ask: one line per provider, and a pool that builds each model once.

A provider is a module with `build(settings, model) -> Model | None`: `model` None means the configured one, and the
answer is None where the installation has no key. Its line stands in PROVIDERS.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, overload

import structlog

from agent.models.base import Model
from agent.models.settings import Key

log = structlog.get_logger(__name__)

# Modules by name, loaded when they are asked for: each vendor's SDK takes a second or two of processor.
PROVIDERS: dict[str, str] = {
    "claude": "agent.models.claude",
    "openai": "agent.models.openai",
    "playbook": "agent.models.playbook",
}
# Rules on this machine: no network, no key, no cost; always there, always asked last.
LAST = "playbook"
LOCAL_PROVIDERS = frozenset({LAST})
_OTHER_NAMES = {"anthropic": "claude", "openai-compatible": "openai"}


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


def family(provider: str) -> str:
    """The provider an owner chooses: a compatible server records itself under a name of its own."""
    return _OTHER_NAMES.get(provider, provider)


def provider_order(settings: RoutingSettings) -> list[str]:
    """The configured providers in the order they are asked, without the playbook, which always follows.

    Raises ValueError naming the variable for a provider that does not exist.
    """
    asked = {"AI_PROVIDER": settings.ai_provider, "AI_FALLBACK_PROVIDER": settings.ai_fallback_provider}
    order: list[str] = []
    for variable, value in asked.items():
        name = family(value or "")
        if name and name not in PROVIDERS:
            raise ValueError(f"{variable}={value} is not a provider; choose {', '.join(PROVIDERS)}")
        # The playbook always answers, so nothing behind it would ever be asked.
        if name and name not in order and LAST not in order:
            order.append(name)
    return [name for name in order if name != LAST]


class Models(Protocol):
    """Models to choose from: the default order as a sequence, and any one by name."""

    def get(self, provider: str, model: str | None = None) -> Model | None: ...


class Pool(Sequence[Model]):
    """As a sequence: the installation's default order, the playbook last. `get` gives any model of any provider that
    has a key. Models are built once and shared by all threads, as SDK clients may be.

    A provider without a key is left out with a warning, so that a lost key costs quality and not the answer. Raises
    ValueError naming the variable for nonsense in the settings.
    """

    def __init__(self, settings: RoutingSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._built: dict[tuple[str, str | None], Model | None] = {}
        found = [self.get(name) for name in (*provider_order(settings), LAST)]
        self._order = tuple(model for model in found if model is not None)

    def get(self, provider: str, model: str | None = None) -> Model | None:
        """The provider's model of this name, or its configured one; None without a key or for an unknown provider."""
        key = (family(provider), model)
        with self._lock:
            if key not in self._built:
                self._built[key] = self._build(*key)
            return self._built[key]

    def _build(self, provider: str, model: str | None) -> Model | None:
        if provider not in PROVIDERS:
            log.warning("provider_unknown", provider=provider)
            return None
        built: Model | None = import_module(PROVIDERS[provider]).build(self._settings, model)
        if built is None:
            log.warning("provider_without_key", provider=provider)
        return built

    @overload
    def __getitem__(self, index: int) -> Model: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Model]: ...
    def __getitem__(self, index: int | slice) -> Model | Sequence[Model]:
        return self._order[index]

    def __len__(self) -> int:
        return len(self._order)


class GivenModels:
    """A plain sequence of models behind the same `get`: only what is in it can be chosen."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = tuple(models)

    def get(self, provider: str, model: str | None = None) -> Model | None:
        """The first model of this provider, with this name if one is asked for."""
        for one in self._models:
            if family(one.provider) == family(provider) and model in (None, one.model):
                return one
        return None


def pool_of(models: Sequence[Model]) -> Models:
    """What a wish can be looked up in, whatever kind of sequence the runtime holds."""
    return models if isinstance(models, Pool) else GivenModels(models)


def build_models(settings: RoutingSettings) -> list[Model]:
    """The configured provider, its fallback, and the playbook, always last. Raises ValueError like Pool."""
    return list(Pool(settings))
