"""Secrets at rest: round trip, rotation, and errors an owner understands."""

from __future__ import annotations

import pytest

from ops.secrets import SecretBox, SecretsError, decrypt, encrypt, new_key


def test_round_trip_hides_the_text_and_differs_each_time() -> None:
    key = new_key()
    first, second = encrypt(key, "sm_key_1"), encrypt(key, "sm_key_1")
    assert first != second
    assert b"sm_key_1" not in first
    assert decrypt(key, first) == decrypt(key, second) == "sm_key_1"


def test_a_memoryview_as_the_database_gives_it_can_be_read() -> None:
    box = SecretBox(new_key())
    assert box.decrypt(memoryview(box.encrypt("ключ"))) == "ключ"  # type: ignore[arg-type]


def test_rotation_reads_old_values_and_writes_with_the_new_key() -> None:
    old, new = new_key(), new_key()
    stored = encrypt(old, "secret")
    both = SecretBox(f"{new}, {old}")
    rotated = both.rotate(stored)
    assert both.decrypt(stored) == "secret"
    assert decrypt(new, rotated) == "secret"
    with pytest.raises(SecretsError, match="behind a comma"):
        decrypt(new, stored)


@pytest.mark.parametrize("keys", [None, "", " , "])
def test_no_key_is_named(keys: str | None) -> None:
    with pytest.raises(SecretsError, match="ENCRYPTION_KEY is not set"):
        SecretBox(keys)


@pytest.mark.parametrize("keys", ["short", "not base64 at all!" * 3, "ü" * 44])
def test_a_wrong_key_is_named_and_not_repeated(keys: str) -> None:
    with pytest.raises(SecretsError, match="no Fernet key") as caught:
        SecretBox(keys)
    assert keys not in str(caught.value)


def test_a_changed_value_is_refused() -> None:
    key = new_key()
    stored = bytearray(encrypt(key, "secret"))
    stored[20] ^= 1
    with pytest.raises(SecretsError):
        decrypt(key, bytes(stored))
