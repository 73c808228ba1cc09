"""Pictures of texts: noted with the message, fetched within narrow limits, shown in the transcript."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from crm.carrier_accounts import set_account
from crm.db import Database
from crm.media import media_body, media_of, spoken
from crm.models import ChatMessage, ChatSession, ConsentEvent, MessageMedia
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler.jobs import JOBS
from scheduler.media import WAITS
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.calendar_commands_help import running
from tests.integration.sms_help import ACCOUNT, form, post
from tests.runtimes import KEY, TOKEN, due_jobs, runtime_for
from tests.standins.twilio import TwilioStandIn
from tests.standins.twilio_media import Medium

SID = "MM" + "0" * 32
JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 40


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn(ACCOUNT, TOKEN) as running:
        yield running


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, twilio: TwilioStandIn
) -> Iterator[Runtime]:
    given = {"twilio_account_sid": ACCOUNT, "twilio_api_base": twilio.url}
    with runtime_for(test_database, redis_url, clock, **given) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def send(
    web: FlaskClient,
    world: World,
    twilio: TwilioStandIn,
    body: str = "",
    kinds: tuple[str, ...] = ("image/jpeg",),
) -> list[Medium]:
    """A text with files, as Twilio posts it."""
    files = [twilio.media.add(ACCOUNT, SID, kind, JPEG) for kind in kinds]
    assert post(web, form(world, body, SID, **twilio.media.parameters(SID))).status_code == 200
    return files


def media_rows(db: Database, world: World) -> list[MessageMedia]:
    with db.tenant(world.north.tenant_id) as session:
        return list(session.scalars(select(MessageMedia).order_by(MessageMedia.place)))


def run(runtime: Runtime, world: World) -> str:
    (row,) = media_rows(runtime.db, world)
    return JOBS["media"](runtime, world.north.tenant_id, str(row.id))


def test_a_picture_is_noted_with_its_message_and_fetched_by_the_worker(
    web: FlaskClient, world: World, db: Database, runtime: Runtime, twilio: TwilioStandIn, redis_client: redis.Redis
) -> None:  # fmt: skip
    (file,) = send(web, world, twilio, "this is my car")
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert message.body == "this is my car"
        assert spoken(message) == "this is my car\n[sent a picture: image/jpeg]"
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at is not None
    (row,) = media_rows(db, world)
    assert (row.status, row.content_type) == ("owed", "image/jpeg")
    assert ("media", world.north.tenant_id, str(row.id)) in due_jobs(redis_client, runtime)
    assert run(runtime, world) == "stored"
    (row,) = media_rows(db, world)
    assert (row.status, row.size, row.sha256) == ("stored", len(JPEG), hashlib.sha256(JPEG).hexdigest())
    with db.tenant(world.north.tenant_id) as session:
        assert media_body(session, row.id) == JPEG
        (line,) = read_transcript(session, world.north.lead_id)
        assert [(one.content_type, one.status, one.size) for one in line.media] == [
            ("image/jpeg", "stored", len(JPEG))
        ]
    first, second = [request for request in twilio.requests if request.method == "GET"]
    assert first.path == file.path
    assert first.headers["Authorization"].startswith("Basic ")
    assert second.path == f"/store/{file.key}"
    assert "Authorization" not in second.headers
    assert run(runtime, world) == "not due"


def test_a_picture_alone_is_a_message_and_the_first_one_is_consent(
    web: FlaskClient, world: World, db: Database, twilio: TwilioStandIn
) -> None:
    send(web, world, twilio, kinds=("image/png", "image/png", "video/mp4", "text/vcard", "application/pdf"))
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert message.body == ""
        assert spoken(message).splitlines() == [
            "[sent several pictures: image/png]", "[sent a video: video/mp4]", "[sent a contact card: text/vcard]",
            "[sent a file: application/pdf]",
        ]  # fmt: skip
        assert session.scalars(select(ConsentEvent.evidence)).all() == ["a message without words"]
    assert [row.place for row in media_rows(db, world)] == [0, 1, 2, 3, 4]


def test_the_same_picture_message_twice_is_noted_once(
    web: FlaskClient, world: World, db: Database, twilio: TwilioStandIn
) -> None:
    send(web, world, twilio)
    assert post(web, form(world, "", SID, **twilio.media.parameters(SID))).status_code == 200
    assert len(media_rows(db, world)) == 1


def test_a_claim_of_too_many_or_broken_numbers_is_not_believed(
    web: FlaskClient, world: World, db: Database, twilio: TwilioStandIn
) -> None:
    urls = {f"MediaUrl{n}": f"https://api.twilio.com/{n}" for n in range(15)}
    assert post(web, form(world, "a", SID, **{**urls, "NumMedia": "15"})).status_code == 200
    assert len(media_rows(db, world)) == 10
    assert post(web, form(world, "b", "MM" + "1" * 32, **{**urls, "NumMedia": "many"})).status_code == 200
    assert len(media_rows(db, world)) == 20


def test_what_is_not_there_yet_is_asked_for_again(
    web: FlaskClient, world: World, db: Database, runtime: Runtime, twilio: TwilioStandIn, clock: FixedClock
) -> None:
    (file,) = send(web, world, twilio)
    file.hidden = 2
    assert run(runtime, world) == "owed"
    assert run(runtime, world) == "not due"
    assert media_rows(db, world)[0].error == "it is not there (yet)"
    clock.advance(timedelta(seconds=1))
    assert run(runtime, world) == "owed"
    clock.advance(timedelta(seconds=3))
    assert run(runtime, world) == "stored"


def test_a_picture_that_never_comes_is_given_up_and_the_text_stays(
    web: FlaskClient, world: World, db: Database, runtime: Runtime, twilio: TwilioStandIn, clock: FixedClock
) -> None:
    (file,) = send(web, world, twilio, "look")
    file.hidden = 1000
    said = []
    for wait in (*WAITS, timedelta(0)):
        said.append(run(runtime, world))
        clock.advance(wait)
    assert said == ["owed"] * len(WAITS) + ["failed"]
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        (line,) = media_of(session, [message.id])[message.id]
        assert (message.body, line.status, line.error) == ("look", "failed", "it is not there (yet)")


def test_a_killed_worker_does_not_keep_a_picture(
    web: FlaskClient, world: World, db: Database, runtime: Runtime, twilio: TwilioStandIn, clock: FixedClock
) -> None:
    send(web, world, twilio)
    with db.tenant(world.north.tenant_id) as session:
        session.scalars(select(MessageMedia)).one().claimed_until = clock.now() + timedelta(minutes=2)
    assert run(runtime, world) == "not due"
    clock.advance(timedelta(minutes=2, seconds=1))
    assert run(runtime, world) == "stored"


def test_a_business_fetches_with_its_own_account(
    world: World, db: Database, runtime: Runtime, twilio: TwilioStandIn
) -> None:
    own = "AC" + "b" * 32
    twilio.subaccounts[own] = "own-token"
    with db.tenant(world.north.tenant_id) as session:
        set_account(session, world.north.tenant_id, SecretBox(KEY), own, "own-token")
    twilio.media.add(own, SID, "image/jpeg", JPEG)
    fields = form(world, "", SID, AccountSid=own, **twilio.media.parameters(SID))
    assert post(create_app(runtime).test_client(), fields, token="own-token").status_code == 200
    assert run(runtime, world) == "stored"


def test_nothing_is_known_of_the_pictures_of_another_business(
    web: FlaskClient, world: World, db: Database, twilio: TwilioStandIn
) -> None:
    send(web, world, twilio)
    (row,) = media_rows(db, world)
    with db.tenant(world.south.tenant_id) as session:
        assert media_body(session, row.id) is None
        assert session.scalars(select(MessageMedia)).all() == []
    assert CUSTOMER_PHONE not in str(row.url)


def test_the_transcript_shows_pictures_and_writes_them(
    web: FlaskClient, world: World, db: Database, runtime: Runtime, twilio: TwilioStandIn, tmp_path: Path,
    test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    send(web, world, twilio, "look", kinds=("image/jpeg", "application/x-\x1b[2Jodd"))
    first, _ = media_rows(db, world)
    assert JOBS["media"](runtime, world.north.tenant_id, str(first.id)) == "stored"
    for command in running(test_database, clock, monkeypatch):
        shown = command("transcript", "--tenant", "north", CUSTOMER_PHONE, "--pictures", str(tmp_path / "p"))
        assert shown.exit_code == 0, shown.output
        assert "    [1] image/jpeg, 10 kB\n" in shown.output
        assert "(being fetched)" in shown.output
        assert "\x1b[2J" not in shown.output
        (written,) = (tmp_path / "p").iterdir()
        assert written.name == f"{first.message_id}-1.jpg"
        assert written.read_bytes() == JPEG
        as_json = json.loads(command("transcript", "--tenant", "north", CUSTOMER_PHONE, "--json").stdout)
        assert as_json[0]["media"][0]["status"] == "stored"
