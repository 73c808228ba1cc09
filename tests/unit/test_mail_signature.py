"""SendGrid's published signature, and every way of breaking it (messaging facts 4.3)."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from channels.email.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, BadKey, verify
from tests.standins.sendgrid_signing import EventSigner

KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eN"
    "Ec6wEA3F+g=="
)
SIGNATURE = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
STAMP = "1600112502"
BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
OTHER = EventSigner().public_key


def headers(signature: str = SIGNATURE, stamp: str = STAMP) -> dict[str, str]:
    return {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: stamp}


def test_the_published_vector() -> None:
    assert len(BODY) == 327
    assert (
        hashlib.sha256(BODY).hexdigest() == "ef3e4606385ea6adbc55fceb6117cf2784040cf145a010e5ef4afc2bc7c70452"
    )
    assert verify(headers(), BODY, [KEY]) == "good"
    assert verify(headers(), BODY, [OTHER, KEY]) == "good", "two keys are valid while one is being replaced"
    assert verify(headers(), BODY, [f"{KEY[:60]}\n{KEY[60:]} "]) == "good", "pasted with a line break"


@pytest.mark.parametrize(
    "body",
    [
        BODY.removesuffix(b"\r\n"),
        BODY.replace(b"\r\n", b"\n"),
        BODY + b"\r\n",
        BODY.replace(b"hello", b"hellp"),
        json.dumps(json.loads(BODY)).encode(),
        json.dumps(json.loads(BODY), separators=(",", ":")).encode(),
        b"",
    ],
)
def test_other_bytes(body: bytes) -> None:
    assert verify(headers(), body, [KEY]) == "wrong"


@pytest.mark.parametrize("stamp", ["1600112503", "1600112502 ", "01600112502", "\ud800", "é"])
def test_another_timestamp(stamp: str) -> None:
    if stamp == "\ud800":
        stamp = "\udc80"
    assert verify(headers(stamp=stamp), BODY, [KEY]) == "wrong"


DER = base64.b64decode(SIGNATURE)


@pytest.mark.parametrize(
    "signature",
    [
        "!" + SIGNATURE[1:],
        SIGNATURE[:-2],
        "é" + SIGNATURE,
        base64.b64encode(DER[:-1]).decode(),
        base64.b64encode(b"\x31" + DER[1:]).decode(),
        base64.b64encode(DER + b"\x00").decode(),
        base64.b64encode(b"").decode() or "AA==",
        base64.b64encode(b"\x30\x06\x02\x01\x00\x02\x01\x00").decode(),
        base64.b64encode(DER[:4] + bytes([DER[4] ^ 1]) + DER[5:]).decode(),
    ],
)
def test_another_signature(signature: str) -> None:
    assert verify(headers(signature), BODY, [KEY]) == "wrong"


def test_another_key() -> None:
    assert verify(headers(), BODY, [OTHER]) == "wrong"
    assert verify(headers(), BODY, []) == "wrong"


@pytest.mark.parametrize("name", [SIGNATURE_HEADER, TIMESTAMP_HEADER])
def test_a_missing_header(name: str) -> None:
    assert verify({**headers(), name: ""}, BODY, [KEY]) == "missing"
    assert verify({key: value for key, value in headers().items() if key != name}, BODY, [KEY]) == "missing"


@pytest.mark.parametrize("key", ["", "SG.key", KEY[:-8], f"-----BEGIN PUBLIC KEY-----{KEY}", "MEUCIGHQ"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(BadKey):
        verify(headers(), BODY, [key])
