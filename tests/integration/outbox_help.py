"""What the tests of sending share: errors of a carrier, what is due, signed status callbacks, looking three times."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator

from channels.carrier import CarrierError
from channels.outcomes import LOOKS
from crm.db import Database
from crm.routing import owed
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import World
from tests.integration.talking import message_of
from tests.runtimes import PUBLIC, TOKEN, FakeSender

SID = "SM" + "0" * 31


def error(kind: Any, code: str | None = None, **more: Any) -> CarrierError:
    return CarrierError(f"it is {kind}", kind=kind, code=code, **more)


def due(runtime: Runtime) -> list[tuple[str, str]]:
    """What the sweeper would wake now."""
    with runtime.db.system() as session:
        return [(row.job, row.row_id) for row in owed(session, runtime.clock.now())]


def callback(
    web: FlaskClient,
    db: Database,
    world: World,
    message_id: int,
    status: str,
    sid: str | None = None,
    **more: str,
) -> int:
    """A signed status callback about one of our messages, with its own id unless another one is given."""
    row = message_of(db, world.north, message_id)
    fields = {"MessageSid": sid or row.carrier_id or SID, "MessageStatus": status, **more}
    return post_status(web, str(row.outbox_id), **fields)


def post_status(web: FlaskClient, outbox: str, *, token: str = TOKEN, **fields: str) -> int:
    url = f"/hooks/twilio/status?o={outbox}"
    signature = RequestValidator(token).compute_signature(PUBLIC + url, fields)
    return web.post(url, data=fields, headers={"X-Twilio-Signature": signature}).status_code


def uncertain(runtime: Runtime, world: World, sms: FakeSender, message_id: int, *, went_out: bool) -> None:
    sms.errors, sms.accepts_before_error = [error("uncertain")], went_out
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "unknown"


def look_three_times(runtime: Runtime, db: Database, world: World, clock: FixedClock, message_id: int) -> str:
    status = ""
    for _ in LOOKS:
        row = message_of(db, world.north, message_id)
        assert row.send_after is not None
        clock.advance(row.send_after - clock.now())
        status = jobs.reconcile(runtime, world.north.tenant_id, str(message_id))
    return status
