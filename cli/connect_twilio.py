"""`leads connect`, the part about a business's own Twilio account: sub-account, rotation of its token, SharedKey.

Secrets are never words of the command line, where other users of the machine would see them: they are asked for, or
taken from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy.orm import Session

from cli.errors import CliError
from crm.carrier_accounts import (
    ACCOUNT_SID,
    SERVICE_SID,
    forget_previous_token,
    remove_account,
    set_account,
    set_service,
    set_shared_key,
)
from ops.secrets import SecretBox
from ops.settings import Settings, secret

TOKEN_VARIABLE, KEY_VARIABLE = "TENANT_TWILIO_AUTH_TOKEN", "TENANT_TWILIO_SHARED_KEY"
NO_ACCOUNT = "this business has no Twilio account of its own; give one with --twilio-account"
_SAID = {
    "new": "texts go through Twilio account {sid}",
    "moved": "texts go through Twilio account {sid} from now on; what was known of the last one is gone",
    "rotated": "the new token is used from now on, and the old one still signs webhooks; end that with"
    " --forget-old-token",
    "unchanged": "Twilio account {sid} has this token already",
}


@dataclass(frozen=True)
class TwilioGiven:
    """What was said on the command line about the business's own account."""

    account: str | None
    service: str | None
    shared_key: str | None
    forget: bool
    remove: bool


def twilio_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of this part; `given_of` reads them."""
    options = (
        click.option(
            "--twilio-account",
            help=f"The business's own (sub-)account, AC...; its token is asked for, or taken from {TOKEN_VARIABLE}. Again with"
            " a new token: both are valid until --forget-old-token.",
        ),
        click.option(
            "--twilio-service",
            help="The Messaging Service of that account to send through, MG...; 'none' sends from the number.",
        ),
        click.option(
            "--twilio-shared-key",
            help=f"The id of the SharedKey that signs its webhooks; the key is asked for, or taken from {KEY_VARIABLE}.",
        ),
        click.option("--forget-old-token", is_flag=True, help="End the rotation: only the new token signs."),
        click.option("--no-twilio-account", is_flag=True, help="Back to the account of this installation."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def given_of(options: dict[str, Any]) -> TwilioGiven:
    """What `twilio_options` put among a command's arguments."""
    return TwilioGiven(
        options["twilio_account"],
        options["twilio_service"],
        options["twilio_shared_key"],
        options["forget_old_token"],
        options["no_twilio_account"],
    )


def apply_twilio(session: Session, tenant_id: int, settings: Settings, given: TwilioGiven) -> list[str]:
    """Store what was given; returns what to say. Raises CliError for what is no id, or where there is no account."""
    said = []
    if given.remove:
        said.append("back to the account of this installation" if remove_account(session) else NO_ACCOUNT)
    if given.account:
        said.append(_account(session, tenant_id, settings, given.account))
    if given.service:
        said.append(_service(session, given.service))
    if given.shared_key:
        said.append(_shared_key(session, settings, given.shared_key))
    if given.forget:
        ended = forget_previous_token(session)
        said.append("the old token is forgotten" if ended else "there was no old token")
    return said


def _account(session: Session, tenant_id: int, settings: Settings, sid: str) -> str:
    if not ACCOUNT_SID.fullmatch(sid):
        raise CliError(f"{sid} is no account SID: AC and 32 hexadecimal digits")
    if sid == settings.twilio_account_sid:
        raise CliError("that is the account of this installation; it needs no entry for a business")
    token = _asked(TOKEN_VARIABLE, "Auth token of that account")
    return _SAID[set_account(session, tenant_id, _box(settings), sid, token)].format(sid=sid)


def _service(session: Session, sid: str) -> str:
    service = None if sid.lower() == "none" else sid
    if service is not None and not SERVICE_SID.fullmatch(service):
        raise CliError(f"{sid} is no Messaging Service SID: MG and 32 hexadecimal digits")
    if not set_service(session, service):
        raise CliError(NO_ACCOUNT)
    return (
        f"texts are sent through Messaging Service {service}" if service else "texts are sent from the number"
    )


def _shared_key(session: Session, settings: Settings, key_id: str) -> str:
    key = _asked(KEY_VARIABLE, "SharedKey")
    if not set_shared_key(session, _box(settings), key_id, key):
        raise CliError(NO_ACCOUNT)
    return f"webhooks signed with SharedKey {key_id} are accepted"


def _asked(variable: str, what: str) -> str:
    given = os.environ.get(variable, "").strip() or str(click.prompt(what, hide_input=True)).strip()
    if not given:
        raise CliError(f"{what} is needed")
    return given


def _box(settings: Settings) -> SecretBox:
    return SecretBox(secret(settings.encryption_key))
