"""`leads connect`, the part about a business's own SendGrid account: a key or a subuser, the domain its mail comes from,
and the public keys that sign its webhooks.

The key is a secret and no word of the command line, where other users of the machine would see it: it is read from a
file, or with `-` from standard input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

import click
from sqlalchemy.orm import Session

from channels.email.signature import BadKey, public_key
from cli.errors import CliError
from crm.mail_accounts import (
    DOMAIN,
    SUBUSER,
    Webhook,
    add_hook_key,
    box_of,
    forget_old_keys,
    has_account,
    hook_token,
    remove_account,
    set_account,
)
from ops.settings import Settings, secret

NO_ACCOUNT = "this business has no SendGrid account of its own; give one with --sendgrid-key-file or --sendgrid-subuser"
_WEBHOOKS: dict[Webhook, str] = {"inbound": "Inbound Parse", "event": "the Event Webhook"}


@dataclass(frozen=True, repr=False)
class SendGridGiven:
    """What was said on the command line about the business's own account."""

    key_file: TextIO | None
    subuser: str | None
    domain: str | None
    inbound_key: str | None
    event_key: str | None
    forget: bool
    remove: bool


def sendgrid_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of this part; `sendgrid_given` reads them."""
    options = (
        click.option(
            "--sendgrid-key-file",
            type=click.File("r"),
            help="A file with the API key of the business's own SendGrid account; - reads it from standard input.",
        ),
        click.option(
            "--sendgrid-subuser",
            help="Its subuser: mail is sent on the subuser's behalf, with the key of this installation or its own; 'none'"
            " takes it away.",
        ),
        click.option(
            "--sendgrid-domain",
            help="The authenticated domain its mail comes from, where that is not the mailbox's; 'none' is the mailbox's.",
        ),
        click.option(
            "--sendgrid-inbound-key",
            help="The public key of its Inbound Parse security policy. Again with a new one: both are valid until"
            " --forget-old-keys.",
        ),
        click.option("--sendgrid-event-key", help="The public key of its Event Webhook; as above."),
        click.option("--forget-old-keys", is_flag=True, help="Only the newest key of each webhook is valid."),
        click.option("--no-sendgrid-account", is_flag=True, help="Back to the account of this installation."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def sendgrid_given(options: dict[str, Any]) -> SendGridGiven:
    """What `sendgrid_options` put among a command's arguments."""
    return SendGridGiven(
        options["sendgrid_key_file"],
        options["sendgrid_subuser"],
        options["sendgrid_domain"],
        options["sendgrid_inbound_key"],
        options["sendgrid_event_key"],
        options["forget_old_keys"],
        options["no_sendgrid_account"],
    )


def apply_sendgrid(session: Session, tenant_id: int, settings: Settings, given: SendGridGiven) -> list[str]:
    """Store what was given; returns what to say. Raises CliError for what is no key, name or domain, or where there is
    no account, and SecretsError without ENCRYPTION_KEY."""
    said = []
    if given.remove:
        removed = remove_account(session)
        said.append("mail goes through the account of this installation" if removed else NO_ACCOUNT)
    if given.key_file or given.subuser or given.domain:
        said += _account(session, tenant_id, settings, given)
    keys: dict[Webhook, str | None] = {"inbound": given.inbound_key, "event": given.event_key}
    said += [_hook_key(session, webhook, key) for webhook, key in keys.items() if key]
    if given.forget:
        ended = forget_old_keys(session)
        said.append("only the newest keys of its webhooks are valid" if ended else "there were no old keys")
    return said


def sendgrid_lines(session: Session, settings: Settings) -> list[str]:
    """The addresses to enter at SendGrid: the business's own where it has an account, else the installation's."""
    base = f"{settings.public_base_url}/hooks/sendgrid"
    token = hook_token(session) if has_account(session) else None
    inbound = token or secret(settings.sendgrid_inbound_token)
    lines = [f"  SendGrid Inbound Parse (raw on):    {base}/inbound/{inbound}"] if inbound else []
    if token:
        lines.append(f"  SendGrid Event Webhook (signed):    {base}/events/{token}")
    elif settings.sendgrid_api_key is not None:
        lines.append(f"  SendGrid Event Webhook (signed):    {base}/events")
    return lines


def _account(session: Session, tenant_id: int, settings: Settings, given: SendGridGiven) -> list[str]:
    subuser = _or_none(given.subuser)
    domain = _or_none(given.domain.lower() if given.domain else None)
    if subuser and not SUBUSER.fullmatch(subuser):
        raise CliError("that is no name of a subuser")
    if domain and not DOMAIN.fullmatch(domain):
        raise CliError("that is no domain that mail can come from")
    key = _key(given.key_file, settings) if given.key_file else None
    if key is None and subuser and settings.sendgrid_api_key is None and not has_account(session):
        raise CliError("a subuser needs a key: SENDGRID_API_KEY of this installation, or --sendgrid-key-file")
    set_account(session, tenant_id, box_of(settings), api_key=key, subuser=subuser, sender_domain=domain)
    said = ["mail goes through its own SendGrid account"] if key else []
    if subuser is not None:
        said.append(
            f"mail is sent on behalf of subuser {subuser}" if subuser else "mail is sent for no subuser"
        )
    if domain is not None:
        said.append(f"mail comes from {domain or 'the domain of the mailbox'}")
    return said


def _or_none(word: str | None) -> str | None:
    """What was given; empty for `none`, which takes it away."""
    return word if word is None or word.strip().lower() != "none" else ""


def _key(file: TextIO, settings: Settings) -> str:
    key = file.read(4096).strip()
    if not key or len(key.split()) != 1 or not key.isascii():
        raise CliError("the file must hold one API key and nothing else")
    if key == secret(settings.sendgrid_api_key):
        raise CliError("that is the key of this installation; it needs no entry for a business")
    return key


def _hook_key(session: Session, webhook: Webhook, key: str) -> str:
    bare = "".join(key.split())
    try:
        public_key(bare)
    except BadKey as error:
        raise CliError(f"the key of {_WEBHOOKS[webhook]}: {error}") from error
    added = add_hook_key(session, webhook, bare)
    if added is None:
        raise CliError(NO_ACCOUNT)
    known = "is accepted" if added else "was accepted already"
    return f"what is signed with this key by {_WEBHOOKS[webhook]} {known}"
