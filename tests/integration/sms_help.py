"""What tests of Twilio's webhooks share: the form of a text, and posting it signed."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator

from tests.conftest import CUSTOMER_PHONE, World
from tests.runtimes import PUBLIC, TOKEN

URL = "/hooks/twilio/sms"
ACCOUNT = "AC" + "0" * 32
SID = "SM" + "0" * 31


def form(world: World, body: str = "hi", sid: str = SID + "1", **more: str) -> dict[str, str]:
    """The parameters of a text of the customer to the northern shop."""
    return {
        "MessageSid": sid, "AccountSid": ACCOUNT, "From": CUSTOMER_PHONE, "To": world.north.phone,
        "Body": body, "NumMedia": "0", "FromCity": "", **more,
    }  # fmt: skip


def post(web: FlaskClient, fields: dict[str, Any], url: str = URL, token: str = TOKEN) -> Any:
    """Post a form as Twilio does, signed with `token`."""
    signature = RequestValidator(token).compute_signature(PUBLIC + url, fields)
    return web.post(url, data=fields, headers={"X-Twilio-Signature": signature})
