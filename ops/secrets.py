"""Secrets at rest: encrypted with ENCRYPTION_KEY (Fernet: AES-128-CBC with an HMAC-SHA256)."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SecretsError(Exception):
    """ENCRYPTION_KEY is missing or wrong, or a stored secret cannot be read with it. Fit to be shown."""


class SecretBox:
    """Encrypts with the first key of a comma-separated list and reads with any of them, which is how a key is
    replaced: put the new one first, call `rotate` on every stored value, then remove the old one."""

    def __init__(self, keys: str | None) -> None:
        parts = [part.strip() for part in (keys or "").split(",") if part.strip()]
        if not parts:
            raise SecretsError("ENCRYPTION_KEY is not set; `leads config new-key` prints one")
        try:
            self._fernet = MultiFernet([Fernet(part) for part in parts])
        except ValueError as error:
            raise SecretsError(
                "ENCRYPTION_KEY is no Fernet key (32 bytes, base64); `leads config new-key` prints one"
            ) from error

    def encrypt(self, text: str) -> bytes:
        """The form that is stored. Different every time, also for the same text."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, stored: bytes) -> str:
        """The plain text. Raises SecretsError when no key fits or the value was changed."""
        try:
            return self._fernet.decrypt(bytes(stored)).decode()
        except InvalidToken as error:
            raise SecretsError(
                "a stored secret cannot be read with ENCRYPTION_KEY; was the key replaced without keeping the"
                " old one behind a comma?"
            ) from error

    def rotate(self, stored: bytes) -> bytes:
        """The same secret under the first key. Raises SecretsError like decrypt."""
        try:
            return self._fernet.rotate(bytes(stored))
        except InvalidToken as error:
            raise SecretsError("a stored secret cannot be read with ENCRYPTION_KEY") from error


def encrypt(keys: str | None, text: str) -> bytes:
    """One value, encrypted with the keys of ENCRYPTION_KEY. Raises SecretsError."""
    return SecretBox(keys).encrypt(text)


def decrypt(keys: str | None, stored: bytes) -> str:
    """One stored value in plain text. Raises SecretsError."""
    return SecretBox(keys).decrypt(stored)


def new_key() -> str:
    """A fresh key for ENCRYPTION_KEY."""
    return Fernet.generate_key().decode()
