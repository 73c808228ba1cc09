"""What a provider's module reads from the configuration."""

from __future__ import annotations

from typing import Protocol


class SecretText(Protocol):
    """A key that does not print itself (pydantic's SecretStr)."""

    def get_secret_value(self) -> str: ...


Key = SecretText | str | None


def plain(key: Key) -> str | None:
    """The key as text; None when there is none."""
    text = key if key is None or isinstance(key, str) else key.get_secret_value()
    return text or None
