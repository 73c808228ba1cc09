"""Files of a mail: stored with the message, shown to the owner, told to the agent; the refused ones with the reason."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, text

from agent.context.history import load_history
from app import create_app
from crm.media import media_body, media_of, spoken
from crm.models import ChatMessage, MessageMedia
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from scheduler.hooks import process_webhook
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import running
from tests.runtimes import INBOUND_TOKEN, runtime_for
from tests.standins.sendgrid import SendGridStandIn
from tests.standins.sendgrid_inbound import inbound_parts

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
URL = f"/hooks/sendgrid/inbound/{INBOUND_TOKEN}"
FILES = (
    ('filename="front \xe9.jpg"'.encode("latin-1"), "image/jpeg", JPEG),
    (b'filename="back.jpg"', "image/jpeg", JPEG[:5000]),
    (b'filename="../quote.pdf"', "application/pdf", b"%PDF-1.4 x"),
    (b'filename="setup.exe"', "application/octet-stream", b"MZ"),
)


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def mail_with_files(words: str = "Here is my car") -> bytes:
    head = b'From: Dana <dana@example.com>\r\nMessage-ID: <f@x>\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    parts = [f"Content-Type: text/plain\r\n\r\n{words}".encode()]
    for name, kind, content in FILES:
        top = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; ".encode()
        parts.append(top + name + b"\r\n\r\n" + base64.encodebytes(content))
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def receive(web: FlaskClient, runtime: Runtime, world: World, raw: bytes) -> ChatMessage:
    """Post a mail in raw mode, let the worker take it; the message it became."""
    parts = inbound_parts(raw, {}, "shop@north.example", "dana@example.com", (), None)
    body = b"".join(b"--xYzZY\r\n" + part + b"\r\n" for part in parts) + b"--xYzZY--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=xYzZY"}
    assert web.post(URL, data=body, headers=headers).status_code == 200
    for job, tenant_id, row_id in runtime.queue.take_due(runtime.clock.now()):
        if job == "webhook":
            assert process_webhook(runtime, tenant_id, row_id) == "processed"
    with runtime.db.tenant(world.north.tenant_id) as session:
        return session.scalars(select(ChatMessage).where(ChatMessage.direction == "in")).one()


def test_files_are_stored_with_the_message(web: FlaskClient, runtime: Runtime, world: World) -> None:
    message = receive(web, runtime, world, mail_with_files())
    with runtime.db.tenant(world.north.tenant_id) as session:
        rows = session.scalars(select(MessageMedia).order_by(MessageMedia.place)).all()
        seen = [(row.filename, row.content_type, row.status, row.size) for row in rows]
        bodies = [media_body(session, row.id) for row in rows]
    assert seen == [
        ("front é.jpg", "image/jpeg", "stored", len(JPEG)),
        ("back.jpg", "image/jpeg", "stored", 5000),
        ("quote.pdf", "application/pdf", "stored", 10),
        ("setup.exe", "application/octet-stream", "refused", rows[3].size),
    ]
    assert bodies == [JPEG, JPEG[:5000], b"%PDF-1.4 x", None]
    assert rows[0].sha256 == hashlib.sha256(JPEG).hexdigest()
    assert rows[0].message_id == message.id
    assert rows[0].url.startswith("mail:")
    # Nothing is left to be fetched.
    assert [job for job in runtime.queue.take_due(runtime.clock.now()) if job[0] == "media"] == []


def test_the_agent_is_told_of_kinds_never_of_names(web: FlaskClient, runtime: Runtime, world: World) -> None:
    message = receive(web, runtime, world, mail_with_files())
    said = spoken(message)
    assert said.split("\n") == [
        "Here is my car",
        "[sent several pictures: image/jpeg]",
        "[sent a file: application/pdf]",
        "[sent a file that we did not keep: application/octet-stream]",
    ]
    with runtime.db.tenant(world.north.tenant_id) as session:
        assert load_history(session, message.session_id, message.id).messages[-1].body == said
    # What stood beside the message before still does.
    assert message.raw is not None
    assert {"event_id", "files"} <= set(message.raw)


def test_the_same_mail_again_stores_no_file_twice(
    web: FlaskClient, runtime: Runtime, world: World, owner_engine: Engine
) -> None:
    receive(web, runtime, world, mail_with_files())
    with owner_engine.begin() as connection:
        connection.execute(text("update webhook_events set status = 'received', claimed_until = null"))
        event_id = connection.execute(text("select id from webhook_events")).scalar_one()
    assert process_webhook(runtime, world.north.tenant_id, str(event_id)) in ("processed", "not due")
    with runtime.db.tenant(world.north.tenant_id) as session:
        assert len(session.scalars(select(MessageMedia.id)).all()) == len(FILES)


def test_the_owner_sees_them(
    web: FlaskClient, runtime: Runtime, world: World, test_database: TestDatabase, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    message = receive(web, runtime, world, mail_with_files())
    with runtime.db.tenant(world.north.tenant_id) as session:
        (line,) = [one for one in read_transcript(session, world.north.lead_id) if one.id == message.id]
        assert [media.filename for media in media_of(session, [message.id])[message.id]][2] == "quote.pdf"
    assert line.media[3].error is not None
    for run in running(test_database, clock, monkeypatch):
        shown = run(
            "transcript", str(world.north.lead_id), "--tenant", "north", "--pictures", str(tmp_path / "out")
        )
        assert "[1] front é.jpg, image/jpeg, 10 kB" in shown.output
        assert "[4] setup.exe, application/octet-stream" in shown.output
        assert "it is a program" in shown.output
        told = json.loads(run("transcript", str(world.north.lead_id), "--tenant", "north", "--json").output)
        assert told[-1]["media"][0]["filename"] == "front é.jpg"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{message.id}-1.jpg",
        f"{message.id}-2.jpg",
        f"{message.id}-3.pdf",
    ]


def test_over_real_sockets_in_parsed_mode(runtime: Runtime, world: World) -> None:
    from tests.integration.inbound_help import serving, settings
    from tests.standins.sendgrid import Attachment

    with serving(runtime.db, runtime.queue, runtime.clock) as site, SendGridStandIn() as sendgrid:  # type: ignore[arg-type]
        site.deps.settings = settings(sendgrid_inbound_keys=[sendgrid.public_key])
        answer = sendgrid.post_inbound(
            site.url,
            fields={
                "text": "",
                "from": "dana@example.com",
                "headers": "From: dana@example.com\r\nMessage-ID: <p@x>\r\n",
            },
            envelope_to="shop@north.example",
            envelope_from="dana@example.com",
            attachments=[
                Attachment("\u8eca \u202egpj.jpg", JPEG, "image/jpeg"),
                Attachment("a.zip", b"PK\x03\x04", "application/zip"),
            ],
        )
        assert answer.status_code == 200
    (job,) = [job for job in runtime.queue.take_due(runtime.clock.now()) if job[0] == "webhook"]
    assert process_webhook(runtime, job[1], job[2]) == "processed"
    with runtime.db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage).where(ChatMessage.direction == "in")).one()
        rows = session.scalars(select(MessageMedia).order_by(MessageMedia.place)).all()
    assert [(row.filename, row.status) for row in rows] == [
        ("\u8eca gpj.jpg", "stored"),
        ("a.zip", "refused"),
    ]
    assert (
        spoken(message)
        == "[sent a picture: image/jpeg]\n[sent a file that we did not keep: application/octet-stream]"
    )
