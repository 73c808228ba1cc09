"""The embedded servers survive everything: a stop, a kill, a lie in a pid file, a half-made folder."""

from __future__ import annotations

import os
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from ops.embedded import read_generated, remember, start_embedded, start_postgres, start_valkey
from ops.embedded_postgres import PostgresHandle
from ops.migrate import migrate, provision, revisions
from ops.processes import AlreadyRunning, end_foreign


def query(url: str, statement: str, *values: object) -> Any:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def write_something(postgres: PostgresHandle) -> None:
    query(postgres.owner_url, "create table kept (word text)")
    query(postgres.owner_url, "insert into kept values ('still here')")


def kill(postgres: PostgresHandle) -> None:
    os.kill(postgres.pid, signal.SIGKILL)
    postgres.process.wait(10)


def plain_stop(postgres: PostgresHandle) -> None:
    postgres.stop()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own: as root the server runs as another user, and every other pytest run on the
    machine shuts that user out of pytest's folders again."""
    with tempfile.TemporaryDirectory(prefix="leads-embedded-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def killed(postgres: PostgresHandle) -> None:
    kill(postgres)
    postgres.stop()


def killed_and_its_number_reused(postgres: PostgresHandle) -> None:
    killed(postgres)
    # After a crash of the machine the number in the file belongs to someone else: here to this test.
    pid_file = next(Path(os.environ["TEST_FOLDER"]).glob("data/postmaster.pid"))
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))


@pytest.mark.parametrize("ending", [plain_stop, killed, killed_and_its_number_reused])
def test_the_next_start_finds_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Callable[[PostgresHandle], None]
) -> None:
    folder = tmp_path / "postgres"
    monkeypatch.setenv("TEST_FOLDER", str(folder))
    postgres = start_postgres(folder)
    write_something(postgres)
    ending(postgres)
    again = start_postgres(folder)
    try:
        assert query(again.owner_url, "select word from kept") == [("still here",)]
        assert again.app_url == postgres.app_url
    finally:
        again.stop()


def test_a_server_left_running_is_taken_over(tmp_path: Path) -> None:
    first = start_postgres(tmp_path / "postgres")
    write_something(first)
    # What a killed supervisor leaves: the lock is gone with it, the server is not.
    (tmp_path / "postgres" / "lock").unlink()
    again = start_postgres(tmp_path / "postgres")
    try:
        assert first.process.wait(10) == 0
        assert query(again.owner_url, "select word from kept") == [("still here",)]
    finally:
        again.stop()
        first.stop()


def test_a_second_start_on_a_running_folder_is_refused(tmp_path: Path) -> None:
    postgres = start_postgres(tmp_path / "postgres", durable=False)
    try:
        with pytest.raises(AlreadyRunning, match="in use by process"):
            start_postgres(tmp_path / "postgres", durable=False)
        assert query(postgres.app_url, "select 1") == [(1,)]
    finally:
        postgres.stop()


def test_a_half_made_folder_is_made_again_in_a_long_path_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / ("a long folder name " * 6).strip() / "postgres"
    (folder / "data.partial").mkdir(parents=True)
    (folder / "data.partial" / "PG_VERSION").write_text("18\n")
    postgres = start_postgres(folder, durable=False)
    try:
        assert query(postgres.app_url, "select 1") == [(1,)]
        assert not (folder / "data.partial").exists()
    finally:
        postgres.stop()


def test_the_application_role_is_weak_and_migrations_give_it_its_rights(tmp_path: Path) -> None:
    postgres = start_postgres(tmp_path / "postgres", durable=False)
    try:
        assert revisions(postgres.owner_url)[0] is None
        for _ in range(2):
            migrate(postgres.owner_url)
            provision(postgres.owner_url, "leads_app")
        assert len(set(revisions(postgres.owner_url))) == 1
        assert query(
            postgres.app_url,
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user",
        ) == [(False, False, False, False)]
        assert query(postgres.app_url, "select count(*) from pg_tables where tableowner = current_user") == [
            (0,)
        ]
        assert rights(postgres, "leads") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert rights(postgres, "consent_events") == {"SELECT", "INSERT"}
        assert rights(postgres, "send_decisions") == {"SELECT", "INSERT"}
        assert rights(postgres, "alembic_version") == set()
        assert query(postgres.app_url, "select * from active_tenants()") == []
    finally:
        postgres.stop()


def rights(postgres: PostgresHandle, table: str) -> set[str]:
    rows = query(
        postgres.owner_url,
        "select privilege_type from information_schema.role_table_grants where grantee = %s and table_name = %s",
        "leads_app",
        table,
    )
    return {row[0] for row in rows}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_valkey_keeps_what_it_was_told(tmp_path: Path, number: signal.Signals) -> None:
    valkey = start_valkey(tmp_path / "valkey")
    client = redis.Redis.from_url(valkey.url)
    client.set("word", "still here")
    client.execute_command("WAITAOF", 1, 0, 5000)
    client.close()
    os.kill(valkey.pid, number)
    valkey.process.wait(15)
    valkey.stop()
    again = start_valkey(tmp_path / "valkey")
    client = redis.Redis.from_url(again.url)
    try:
        assert client.get("word") == b"still here"
        assert again.url == valkey.url
    finally:
        client.close()
        again.stop()


def test_a_damaged_file_of_valkey_does_not_keep_the_system_down(tmp_path: Path) -> None:
    start_valkey(tmp_path / "valkey").stop()
    for file in (tmp_path / "valkey" / "appendonlydir").iterdir():
        file.write_bytes(b"\x00garbage\xff" * 50)
    again = start_valkey(tmp_path / "valkey")
    again.stop()
    assert list((tmp_path / "valkey").glob("appendonlydir.damaged-*"))


def test_passwords_are_asked_for(tmp_path: Path) -> None:
    valkey = start_valkey(tmp_path / "valkey", durable=False)
    stranger = redis.Redis(port=valkey.port)
    try:
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        stranger.close()
        valkey.stop()


def test_secrets_stay_over_starts_and_dead_servers_come_back(tmp_path: Path) -> None:
    first = start_embedded(tmp_path, {}, durable=False)
    remember(tmp_path, {"WEB_PORT": "12345"})
    first.stop()
    again = start_embedded(tmp_path, {}, durable=False)
    try:
        kept = {"TWILIO_AUTH_TOKEN", "SENDGRID_INBOUND_TOKEN", "ENCRYPTION_KEY", "DATABASE_OWNER_URL"}
        assert {name: again.environment[name] for name in kept} == {
            name: first.environment[name] for name in kept
        }
        assert "WEB_PORT" not in read_generated(tmp_path)
        assert stat.S_IMODE((tmp_path / "generated.env").stat().st_mode) == 0o600
        assert again.postgres is not None
        assert again.valkey is not None
        kill(again.postgres)
        end_foreign(again.valkey.pid, (signal.SIGKILL, 5.0))
        again.valkey.process.wait(5)
        said: list[str] = []
        again.revive(said.append)
        assert len(said) == 2
        assert query(again.postgres.app_url, "select 1") == [(1,)]
        again.revive(said.append)
        assert len(said) == 2
    finally:
        again.stop()


def test_servers_that_are_configured_are_not_started(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://app@db.example/leads", "REDIS_URL": "redis://cache.example"}
    servers = start_embedded(tmp_path, given)
    assert servers.postgres is None
    assert servers.valkey is None
    assert not {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"} & read_generated(tmp_path).keys()
