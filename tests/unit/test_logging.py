"""What never reaches a log: credentials, by the name of the value and inside any text."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from ops.logging import configure_logging


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests find logging as they left it."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.captureWarnings(False)
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_secrets_are_hidden_by_name_and_inside_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", as_json=True)
    structlog.get_logger("test").info(
        "called",
        headers={"Authorization": "Bearer hunter2", "Accept": "text/plain"},
        api_key="hunter2",
        url="postgresql://app:hunter2@db.example/leads",
        path="/hooks/sendgrid/inbound/hunter2?x=1",
        note="sent with Bearer hunter2",
        input_tokens=812,
    )
    (line,) = logged(capsys)
    assert "hunter2" not in json.dumps(line)
    assert line["input_tokens"] == 812
    assert line["headers"] == {"Authorization": "[hidden]", "Accept": "text/plain"}
    assert line["url"] == "postgresql://app:[hidden]@db.example/leads"


def test_the_standard_librarys_loggers_speak_json_too_and_exceptions_are_cleaned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", as_json=True, process="worker")
    try:
        raise ValueError("redis://:hunter2@cache.example refused")
    except ValueError:
        logging.getLogger("some.package").exception("it failed")
    (line,) = logged(capsys)
    assert line["level"] == "error"
    assert line["process"] == "worker"
    assert "ValueError" in str(line["exception"])
    assert "hunter2" not in json.dumps(line)


def test_libraries_that_print_payloads_are_silent_below_warning(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", as_json=True)
    for name in ("twilio.http_client", "sendgrid", "python_http_client.client", "httpx2"):
        logging.getLogger(name).info("POST body: hunter2")
        logging.getLogger(name).warning("slow")
    assert [line["event"] for line in logged(capsys)] == ["slow"] * 4


def test_the_processs_name_reaches_its_threads(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", as_json=True, process="clock")
    thread = threading.Thread(target=lambda: structlog.get_logger("test").info("tick"))
    thread.start()
    thread.join()
    assert logged(capsys)[0]["process"] == "clock"
