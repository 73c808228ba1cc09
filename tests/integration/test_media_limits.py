"""The limits within which a picture is fetched: no other place, no credentials on the way, nothing inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from channels.sms.media import MediaAway, MediaFetcher, MediaRefused
from tests.integration.sms_help import ACCOUNT
from tests.runtimes import TOKEN
from tests.standins.twilio import TwilioStandIn

SID = "MM" + "0" * 32
JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 40


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn(ACCOUNT, TOKEN) as running:
        yield running


def fetcher(twilio: TwilioStandIn, **given: Any) -> MediaFetcher:
    return MediaFetcher(ACCOUNT, TOKEN, twilio.url, **given)


def add(twilio: TwilioStandIn, **given: Any) -> str:
    """A file; returns its public address."""
    medium = twilio.media.add(ACCOUNT, SID, "image/jpeg", JPEG)
    for name, value in given.items():
        setattr(medium, name, value)
    return f"https://api.twilio.com{medium.path}"


PLACE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}/Media/ME{'0' * 32}"


@pytest.mark.parametrize(
    "url",
    [
        f"http://api.twilio.com{PLACE}",
        f"https://api.twilio.com.evil.example{PLACE}",
        f"https://evil.example{PLACE}",
        f"https://api.twilio.com@evil.example{PLACE}",
        f"https://user:password@api.twilio.com{PLACE}",
        f"https://api.twilio.com:8443{PLACE}",
        f"https://api.twilio.com{PLACE}/../../../../Messages.json",
        f"https://api.twilio.com{PLACE}?x=1",
        f"https://api.twilio.com{PLACE}#x",
        f"https://api.twilio.com{PLACE.replace(ACCOUNT, 'AC' + 'f' * 32)}",
        f"https://api.twilio.com{PLACE.replace(SID, 'MM' + 'f' * 32)}",
        "https://api.twilio.com/2010-04-01/Accounts.json",
        "https://mms.twiliocdn.com/x.jpg",
        "file:///etc/passwd",
        "https://[::1",
        "",
        "not a url",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_only_the_place_of_this_message_is_asked_for(url: str, twilio: TwilioStandIn) -> None:
    with pytest.raises(MediaRefused, match="address"):
        fetcher(twilio).fetch(url, SID)
    assert twilio.requests == []


@pytest.mark.parametrize(
    ("leads_to", "why"),
    [
        ("http://mms.twiliocdn.com/x", "https"),
        ("https://evil.example/x", "stores"),
        ("https://twiliocdn.com.evil.example/x", "stores"),
        ("https://eviltwiliocdn.com/x", "stores"),
        ("https://evils3.amazonaws.com.example/x", "stores"),
        ("https://ec2-1-2-3-4.compute-1.amazonaws.com/x", "stores"),
        ("https://user@mms.twiliocdn.com/x", "https"),
        ("https://mms.twiliocdn.com:8443/x", "https"),
        ("https://169.254.169.254/latest/meta-data/", "stores"),
        ("https://127.0.0.1/x", "stores"),
        ("http://127.0.0.1:1/x", "https"),
        ("https://mms.twiliocdn.com/x", "private"),
        ("https://s3-external-1.amazonaws.com/media.twiliocdn.com/x", "private"),
        ("https://com.twilio.prod.s3.us-east-1.amazonaws.com/x", "private"),
        ("file:///etc/passwd", "https"),
    ],
)
@pytest.mark.parametrize(
    "inside", ["10.0.0.5", "127.0.0.1", "169.254.169.254", "fd00::1", "::1", "::ffff:10.0.0.5"]
)
def test_a_redirect_leads_only_to_a_public_store(
    leads_to: str, why: str, inside: str, twilio: TwilioStandIn
) -> None:
    url = add(twilio, leads_to=leads_to)
    with pytest.raises(MediaRefused, match=why):
        fetcher(twilio, resolve=lambda host, port: ["93.184.216.34", inside]).fetch(url, SID)


def test_a_store_without_an_address_is_tried_later(twilio: TwilioStandIn) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    with pytest.raises(MediaAway):
        fetcher(twilio, resolve=unknown).fetch(add(twilio, leads_to="https://mms.twiliocdn.com/x"), SID)


def test_what_is_too_large_is_cut_off(twilio: TwilioStandIn) -> None:
    url = add(twilio)
    with pytest.raises(MediaRefused, match="larger"):
        fetcher(twilio, most_bytes=len(JPEG) - 1).fetch(url, SID)
    assert fetcher(twilio, most_bytes=len(JPEG)).fetch(url, SID).body == JPEG


def test_a_circle_of_redirects_ends(twilio: TwilioStandIn) -> None:
    medium = twilio.media.add(ACCOUNT, SID, "image/jpeg", JPEG)
    twilio.media.needs_auth = False
    medium.leads_to = twilio.url + medium.path
    with pytest.raises(MediaRefused, match="never to the file"):
        fetcher(twilio).fetch(f"https://api.twilio.com{medium.path}", SID)
    # Credentials went to the first address only.
    assert [("Authorization" in request.headers) for request in twilio.requests] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("fault", "given", "error"),
    [
        ("status", {"status": 404}, MediaAway),
        ("status", {"status": 503}, MediaAway),
        ("status", {"status": 401}, MediaAway),
        ("status", {"status": 410}, MediaRefused),
        ("drop_connection", {}, MediaAway),
        ("accept_then_drop", {}, MediaAway),
    ],
)
def test_what_goes_wrong_at_twilio_is_tried_again_or_not(
    fault: str, given: dict[str, Any], error: type[Exception], twilio: TwilioStandIn
) -> None:
    url = add(twilio)
    twilio.fail_next(1, fault, path="/store/", **given)
    with pytest.raises(error):
        fetcher(twilio).fetch(url, SID)
    assert fetcher(twilio).fetch(url, SID).body == JPEG


def test_a_store_that_is_too_slow_is_left(twilio: TwilioStandIn) -> None:
    moments = iter([0.0, 100.0])
    with pytest.raises(MediaAway, match="too long"):
        fetcher(twilio, monotonic=lambda: next(moments)).fetch(add(twilio), SID)


def test_a_wrong_token_is_said_plainly(twilio: TwilioStandIn) -> None:
    url = add(twilio)
    with pytest.raises(MediaAway, match="refused our account or token"):
        MediaFetcher(ACCOUNT, "wrong", twilio.url).fetch(url, SID)
