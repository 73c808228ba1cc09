"""Subjects, addresses and ids of threads."""

from __future__ import annotations

from typing import Any

import pytest

from channels.email.text import (
    base_subject,
    reply_address,
    reply_subject,
    split_address,
    thread_ids,
    thread_subject,
)


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("Tint", "Tint"), ("Re: Tint", "Tint"), ("RE: Fwd: re: Tint", "Tint"), ("Re[2]: Tint", "Tint"),
        ("AW:Tint", "Tint"), ("Return of Re: x", "Return of Re: x"), (None, ""), ("Re:", ""),
    ],
)  # fmt: skip
def test_subjects_stay_the_same_however_often_answered(subject: Any, bare: str) -> None:
    assert base_subject(subject) == bare
    once = reply_subject(subject, "Your request")
    assert once == f"Re: {bare or 'Your request'}"
    assert reply_subject(once, "Your request") == once


def test_addresses() -> None:
    assert reply_address("shop@north.example", "k3v9") == "shop+k3v9@north.example"
    assert split_address("Shop+K3V9@North.Example") == ("shop@north.example", "k3v9")
    assert split_address("shop@north.example") == ("shop@north.example", None)
    assert split_address("shop+@north.example") == ("shop@north.example", None)


@pytest.mark.parametrize(
    ("theirs", "ours", "answer"),
    [
        ("Re: Tint", "Tint", "Re: Tint"),
        ("[EXTERNAL] Re: Tint", "Re: Tint", "Re: Tint"),
        ("**SPAM** tint", "Tint", "Re: Tint"),
        ("Another thing", "Tint", "Re: Another thing"),
        (None, "Tint", "Re: Tint"),
        ("Re:", "Tint", "Re: Tint"),
    ],
)
def test_an_answer_has_the_name_of_the_mail_it_answers(theirs: Any, ours: str, answer: str) -> None:
    assert thread_subject(theirs, ours) == answer
    assert thread_subject(answer, ours) == answer


def test_the_ids_of_a_thread() -> None:
    assert thread_ids(None, "<b@x>") == ["<b@x>"]
    assert thread_ids("<a@x> <b@x>", "<b@x>") == ["<a@x>", "<b@x>"]
    assert thread_ids("<a@x>\r\n\t<a@x>", None) == ["<a@x>"]
    assert thread_ids("", "no id") == []
    many = thread_ids(" ".join(f"<{number}@x>" for number in range(50)), "<last@x>")
    assert (len(many), many[0], many[1], many[-1]) == (20, "<0@x>", "<32@x>", "<last@x>")
    assert thread_ids(f"<{'a' * 600}@x>", "<b@x>") == ["<b@x>"]
