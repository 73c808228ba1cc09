"""Unsubscribe links: nobody makes one, and a replaced key does not end them at once."""

from __future__ import annotations

import uuid

import pytest

from channels.email.links import links_from, links_of, outbox_id_in
from ops.secrets import new_key
from ops.settings import Settings

ID = uuid.UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
OLD, NEW = new_key(), new_key()


def token(keys: str, outbox_id: uuid.UUID = ID) -> str:
    links = links_from("https://leads.example.com", keys)
    assert links is not None
    return links.unsubscribe(outbox_id).removeprefix("https://leads.example.com/u/")


def is_ours(keys: str, given: str) -> bool:
    links = links_from("https://leads.example.com", keys)
    return links is not None and links.is_ours(given)


def test_a_link_is_the_same_every_time_and_names_its_mail() -> None:
    assert token(OLD) == token(OLD)
    assert outbox_id_in(token(OLD)) == ID
    assert str(ID) not in token(OLD)
    assert len(token(OLD)) == 43
    assert is_ours(OLD, token(OLD))


def test_both_keys_count_while_one_is_replaced() -> None:
    assert is_ours(f"{NEW}, {OLD}", token(OLD))
    assert is_ours(f"{NEW},{OLD}", token(f"{NEW},{OLD}"))
    assert token(f"{NEW},{OLD}") == token(NEW), "the first key makes new ones"
    assert not is_ours(NEW, token(OLD))


def test_a_changed_letter_makes_it_nobodys() -> None:
    good = token(OLD)
    for place in range(len(good)):
        bad = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        assert not is_ours(OLD, bad), place
    other = uuid.UUID(int=ID.int + 1)
    mixed = token(OLD, other)[:22] + good[22:]
    assert not is_ours(OLD, mixed)


@pytest.mark.parametrize(
    "given", ["", "x", "A" * 42, "A" * 44, "A" * 42 + "=", "é" * 43, "A" * 42 + "\n", "A" * 42 + "B"]
)
def test_what_is_no_token(given: str) -> None:
    assert outbox_id_in(given) is None
    assert not is_ours(OLD, given)


def test_a_link_is_made_only_where_a_customer_can_open_it() -> None:
    public = {"public_base_url": "https://leads.example.com", "encryption_key": OLD}
    assert links_of(Settings.model_validate(public)) is not None
    assert links_of(Settings.model_validate({**public, "encryption_key": None})) is None
    assert links_of(Settings.model_validate({**public, "public_base_url": "http://127.0.0.1:8080"})) is None
