"""`leads config check`: every value with its source, secrets masked, and errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.config import report, unknown_names
from cli.main import leads
from ops.settings import Settings, get_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with no setting in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Result:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    try:
        return CliRunner().invoke(leads, ["config", "check"])
    finally:
        get_settings.cache_clear()


def line_of(output: str, name: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.startswith(f"{name} "))


def test_each_value_tells_its_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "generated.env").write_text("WEB_PORT=9001\nTICK_SECONDS=7\nLOG_LEVEL=debug\n")
    (folder / ".env").write_text("TICK_SECONDS=8\nLOG_LEVEL=warning\n")
    result = check(monkeypatch, LOG_LEVEL="error")
    assert result.exit_code == 0, result.output
    assert line_of(result.output, "WEB_PORT") == ["WEB_PORT", "9001", "generated.env"]
    assert line_of(result.output, "TICK_SECONDS") == ["TICK_SECONDS", "8", ".env"]
    assert line_of(result.output, "LOG_LEVEL") == ["LOG_LEVEL", "error", "environment"]
    assert line_of(result.output, "WEB_THREADS")[2] == "default"


def test_secrets_are_never_printed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = check(
        monkeypatch,
        DATABASE_URL="postgresql://app:hunter2@db.example/leads",
        REDIS_URL="redis://:hunter3@cache.example/0",
        ANTHROPIC_API_KEY="sk-hunter4",
        TWILIO_AUTH_TOKEN="hunter5",
    )
    assert result.exit_code == 0, result.output
    assert "hunter" not in result.output
    assert "app:***@db.example" in result.output
    assert "cache.example" in result.output


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"AI_PROVIDER": "claude"}, "AI_PROVIDER=claude needs ANTHROPIC_API_KEY"),
        ({"AI_FALLBACK_PROVIDER": "openai"}, "AI_FALLBACK_PROVIDER=openai needs OPENAI_API_KEY"),
        ({"TWILIO_ACCOUNT_SID": "AC1"}, "TWILIO_AUTH_TOKEN"),
        ({"WEB_PORT": "abc"}, "WEB_PORT should be a valid integer"),
        ({"WORKER_THREADS": "0"}, "WORKER_THREADS should be greater than or equal to 1"),
        ({"PUBLIC_BASE_URL": "shop.example"}, "PUBLIC_BASE_URL must start with http:// or https://"),
        ({"ENCRYPTION_KEY": "short"}, "ENCRYPTION_KEY is no Fernet key"),
        ({"DATABASE_URL": "mysql://x@y/z"}, "DATABASE_URL must start with postgresql://"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must start with redis://"),
    ],
)
def test_a_mistake_is_one_sentence_naming_the_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    result = check(monkeypatch, **environment)
    assert result.exit_code == 1
    assert f"leads: {sentence}" in result.stderr or sentence in result.stderr
    assert "Traceback" not in result.output
    assert "pydantic" not in result.output


def test_a_wrong_secret_is_not_repeated_in_the_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = check(monkeypatch, ENCRYPTION_KEY="my-private-key", WEB_PORT="70000")
    assert result.exit_code == 1
    assert "my-private-key" not in result.output


def test_a_typing_error_in_the_file_is_noticed(folder: Path) -> None:
    (folder / ".env").write_text("TWILO_AUTH_TOKEN=x\nAI_PROVIDER=playbook\nSOMETHING_ELSE=1\n")
    assert unknown_names(folder / ".env") == [
        "TWILO_AUTH_TOKEN in .env is no setting; did you mean TWILIO_AUTH_TOKEN?",
        "SOMETHING_ELSE in .env is no setting",
    ]


def test_an_empty_value_counts_as_not_set(folder: Path) -> None:
    lines = {line.name: line for line in report(Settings(), {"WEB_PORT": ""}, [])}
    assert lines["WEB_PORT"].source == "default"


def test_new_key_can_be_used_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = CliRunner().invoke(leads, ["config", "new-key"]).output.strip()
    assert check(monkeypatch, ENCRYPTION_KEY=key).exit_code == 0
