"""Structured logs of every process: JSON lines, or coloured text on a terminal; secrets never get through."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(
    r"authorization|token|password|passwd|secret|api_?key|cookie|signature", re.IGNORECASE
)
# Counts whose names merely contain such a word ("input_tokens") are numbers; those are shown.
SECRET_TEXT = re.compile(
    r"(?i)(?P<scheme>\b(?:bearer|basic)\s+)[^\s'\",]+"
    r"|(?P<url>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?=@)"
    r"|(?P<hook>/hooks/(?:sendgrid/inbound|shopmonkey)/)[^\s/?'\"]+"
)
# These print headers and whole payloads (phone numbers, texts, keys) at INFO or DEBUG.
TALKATIVE = (
    "twilio", "twilio.http_client", "sendgrid", "python_http_client", "python_http_client.client", "httpx2",
    "httpcore2", "httpx", "httpcore", "anthropic", "openai", "urllib3", "requests", "rq.worker",
    "rq_scheduler.scheduler",
)  # fmt: skip


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides values by their name, and credentials inside any text."""
    for name, value in event.items():
        event[name] = _cleaned(name, value)
    return event


def _cleaned(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(name, inner) for inner in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    if name != "event" and SECRET_NAME.search(name):
        return HIDDEN
    return SECRET_TEXT.sub(_keep_the_front, value) if isinstance(value, str) else value


def _keep_the_front(match: re.Match[str]) -> str:
    return (match["scheme"] or match["url"] or match["hook"]) + HIDDEN


def configure_logging(
    level: str = "info", *, as_json: bool | None = None, process: str | None = None
) -> None:
    """Set up structlog and the standard library's logging alike; call it once, first thing in a process.

    `as_json` None means: JSON unless standard error is a terminal. `process` is added to every line.
    """
    as_json = not sys.stderr.isatty() if as_json is None else as_json

    def name_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not a context variable: those do not reach the threads of a worker.
        if process:
            event["process"] = process
        return event

    shared: list[Processor] = [
        name_process,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, as_json=as_json))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(shared: list[Processor], *, as_json: bool) -> logging.Formatter:
    ending: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        ending += [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
    else:
        ending += [redact, structlog.dev.ConsoleRenderer(colors=True)]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=ending)
