"""What SendGrid's words about a sender prove."""

from __future__ import annotations

import pytest

from channels.email.authenticity import domain_proof, is_aligned, organisation, signed_by
from channels.email.mail import ParsedEmail, Words


def mail(sender: str, envelope: str | None, **checks: str) -> ParsedEmail:
    return ParsedEmail(
        ("shop@north.example",), envelope, sender, None, "Tint", Words("hi", "hi"), None, (), None, (), None, {}, checks
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "proof"),
    [
        (mail("dana@example.com", "dana@example.com", SPF="pass"), "spf"),
        (mail("dana@example.com", "bounce@mail.example.com", SPF="pass"), "spf"),
        (mail("dana@example.com", "dana@example.com", SPF="softfail"), None),
        (mail("dana@example.com", "dana@example.com", SPF="neutral"), None),
        (mail("dana@example.com", "x@evil.example", SPF="pass"), None),
        (mail("dana@example.com", "x@notexample.com", SPF="pass"), None),
        (mail("dana@example.com", "", SPF="pass"), None),
        (mail("dana@example.com", None, SPF="pass"), None),
        (mail("dana@example.com", "srs=x@forwarder.example", SPF="pass", dkim="{@example.com : pass}"), "dkim"),
        (mail("dana@example.com", "x@evil.example", SPF="pass", dkim="{@evil.example : pass}"), None),
        (mail("dana@example.com", "x@evil.example", dkim="{@example.com : fail}"), None),
        (mail("dana@example.com", "x@evil.example", dkim="{@example.com : pass, @evil.example : pass}"), "dkim"),
        (mail("dana@example.com", "x@evil.example", dkim="{@example.com : pass, @evil.example : fail}"), None),
        (mail("dana@example.com", "x@evil.example", dkim="none"), None),
        (mail("dana@example.com", "x@evil.example"), None),
    ],
)  # fmt: skip
def test_only_the_domain_of_the_sender_speaks_for_the_sender(found: ParsedEmail, proof: str | None) -> None:
    assert domain_proof(found) == proof


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("mail.shop.co.uk", "shop.co.uk"),
        ("shop.co.uk", "shop.co.uk"),
        ("co.uk", ""),
        ("shop.de", "shop.de"),
        ("com", ""),
        ("", ""),
    ],
)
def test_the_registered_part_of_a_domain(domain: str, owner: str) -> None:
    assert organisation(domain) == owner


def test_two_shops_below_one_ending_are_strangers() -> None:
    assert not is_aligned("evil.co.uk", "shop.co.uk")
    assert not is_aligned("co.uk", "uk")
    assert not is_aligned("", "")
    assert is_aligned("news.shop.co.uk", "shop.co.uk")


@pytest.mark.parametrize(
    ("field", "domains"),
    [
        ("{@example.com : pass}", ("example.com",)),
        ("{@Example.com : pass, @b.example : pass}", ("example.com", "b.example")),
        ("@example.com : pass", ("example.com",)),
        ("none", ()),
        ("", ()),
        ("{@example.com : pass}} ; {@x.example : pass}", ()),
        ("{@example.com : pass, nonsense}", ()),
    ],
)
def test_a_field_that_is_no_json(field: str, domains: tuple[str, ...]) -> None:
    assert signed_by(field) == domains
