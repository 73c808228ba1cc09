"""Expected errors as one sentence for the person at the keyboard."""

from __future__ import annotations

import psycopg2
import redis
import requests
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError

from crm.calendar.public_holidays import BadHolidays
from crm.calendar.refused import BookingRefused
from crm.db import UnsafeRole
from crm.reading import LeadNotFound
from ops.embedded import EmbeddedError
from ops.processes import AlreadyRunning
from ops.secrets import SecretsError
from ops.supervisor import ChildFailed
from ops.system_user import NoSystemUser

HINT = "is the system running (`make run`)?"
SAID_BY_US = (
    UnsafeRole, EmbeddedError, AlreadyRunning, SecretsError, ChildFailed, NoSystemUser, LeadNotFound,
    BadHolidays, BookingRefused,
)  # fmt: skip


def explain(error: Exception) -> str | None:
    """The sentence for an expected error; None for anything else, which deserves its traceback."""
    if isinstance(error, ValidationError):
        return "; ".join(setting_errors(error))
    if isinstance(error, SAID_BY_US):
        return str(error)
    if isinstance(error, DBAPIError):
        error = error.orig if isinstance(error.orig, psycopg2.Error) else error
    if isinstance(error, psycopg2.OperationalError):
        return f"the database does not answer ({_first_line(error)}); {HINT}"
    if isinstance(error, psycopg2.Error):
        return f"the database refused: {_first_line(error)}"
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return f"REDIS_URL does not answer; {HINT}"
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return f"the web process does not answer; {HINT}"
    return None


def setting_errors(error: ValidationError) -> list[str]:
    """Pydantic's errors as sentences that name the variable and never show a secret's value."""
    return [_setting_error(one) for one in error.errors(include_url=False, include_context=True)]


def _setting_error(one: ErrorDetails) -> str:
    message = str(one["msg"]).removeprefix("Value error, ")
    if not one["loc"]:
        return message
    message = message.removeprefix("Input ")
    return f"{str(one['loc'][0]).upper()} {message[:1].lower()}{message[1:]}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
