"""`leads kept`: webhooks that were kept aside or given up; looking at them, taking them up again, dropping them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from channels.email.aside import SOURCE as MAIL
from channels.email.parse import BadForm, parse_email
from channels.sms.quarantine import SOURCE as TEXT
from cli.context import choose_tenant, clock_of, open_database
from cli.errors import CliError
from cli.output import clean, indented, one_line, print_json, print_table
from crm.db import Database
from crm.models import WebhookEvent
from crm.routing import TenantName, active_tenants
from crm.webhooks import WAITING, KeptEvent, drop_kept, find_kept, list_kept
from ops.settings import get_settings
from scheduler.kept import Kept, NotNow, replay
from scheduler.kept_texts import fields_of

ALL = (*WAITING, "ignored")
SHORTEST_ID = 4
LONGEST_BODY = 3000
_NAMES = {MAIL: "email", TEXT: "text", "sendgrid_events": "email events", "shopmonkey": "Shopmonkey"}


@click.group("kept", invoke_without_command=True)
@click.option("--tenant", help="Only what is this business's, and what is nobody's.")
@click.option(
    "--all", "everything", is_flag=True, help="Also what was read and needs nobody, such as newsletters."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def kept_command(context: click.Context, tenant: str | None, everything: bool, as_json: bool) -> None:
    """See what came in and belongs to no conversation yet, and take it up once that is mended.

    Kept aside are messages to a mailbox or number that no location owns, from senders that can be no customer (short
    codes), and posts that nothing proves (wrong signatures). "failed" ones broke while they were processed. Without a
    further word the newest are listed.
    """
    if context.invoked_subcommand is None:
        _list(tenant, everything=everything, as_json=as_json)


def _list(tenant: str | None, *, everything: bool, as_json: bool) -> None:
    with _database() as db:
        rows = [
            (name, row)
            for name, scope in _scopes(db, tenant)
            for row in _listed(db, scope, ALL if everything else WAITING)
        ]
    rows.sort(key=lambda pair: pair[1].received_at, reverse=True)
    if as_json:
        print_json([_as_object(name, row) for name, row in rows])
    elif not rows:
        click.echo("Nothing is kept.")
    else:
        print_table(("id", "came", "what", "whose", "state", "size", "why"), [_cells(*pair) for pair in rows])


@kept_command.command("show")
@click.argument("event_id", metavar="ID")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the bytes as they came into a file.",
)
def show_command(event_id: str, save: Path | None) -> None:
    """Show one; the first letters of its ID are enough."""
    with _database() as db:
        name, kept = _found(db, event_id)
    event = kept.event
    click.echo(f"{event.id}  {_NAMES.get(event.source, event.source)}, {event.status}, {name}")
    click.echo(f"came {event.received_at:%Y-%m-%d %H:%M:%S} UTC, {_size(len(kept.body))}")
    click.echo(f"why: {one_line(event.note) or '-'}")
    for line in _content(kept):
        click.echo(line)
    if save is not None:
        save.write_bytes(kept.body)
        click.echo(f"written: {save}", err=True)


@kept_command.command("replay")
@click.argument("event_id", metavar="ID")
@click.option("--trust", is_flag=True, help="Take it up although nothing proves where it comes from.")
def replay_command(event_id: str, trust: bool) -> None:
    """Process one as if it had just come, after the mailbox or number was connected or the key mended.

    It happens once. What waited for more than half a day is not answered as if it were new: a person of the shop is told.
    """
    settings = get_settings()
    with _database() as db:
        _, kept = _found(db, event_id)
        try:
            tenant_id = replay(db, settings, kept, clock_of(settings).now(), trust=trust)
        except NotNow as error:
            raise CliError(str(error)) from error
        slug = next((one.slug for one in _tenants(db) if one.id == tenant_id), str(tenant_id))
    click.echo(f"{kept.event.id} goes to {slug}; the worker takes it up now.")


@kept_command.command("drop")
@click.argument("event_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Without asking.")
def drop_command(event_id: str, yes: bool) -> None:
    """Delete one for good."""
    with _database() as db:
        name, kept = _found(db, event_id)
        if not yes:
            click.confirm(f"Delete {kept.event.id} ({name}) for good?", abort=True, err=True)
        with db.system() if kept.tenant_id is None else db.tenant(kept.tenant_id) as session:
            gone = drop_kept(session, kept.event.id)
    if not gone:
        raise CliError("it is not kept any more")
    click.echo(f"{kept.event.id} is deleted.")


@contextmanager
def _database() -> Iterator[Database]:
    db = open_database(get_settings())
    try:
        yield db
    finally:
        db.engine.dispose()


def _tenants(db: Database) -> list[TenantName]:
    with db.system() as session:
        return active_tenants(session)


def _scopes(db: Database, tenant: str | None) -> list[tuple[str, int | None]]:
    """(name, tenant id) of whose events are looked at; nobody's are the operator's and always among them."""
    chosen = [choose_tenant(db, tenant)] if tenant else _tenants(db)
    return [("nobody's", None), *((one.slug, one.id) for one in chosen)]


def _listed(db: Database, scope: int | None, statuses: tuple[str, ...]) -> list[KeptEvent]:
    with db.system() if scope is None else db.tenant(scope) as session:
        return list_kept(session, statuses)


def _found(db: Database, event_id: str) -> tuple[str, Kept]:
    """(whose it is, the event) with this id or beginning of one. Raises CliError."""
    prefix = event_id.strip().lower()
    if len(prefix) < SHORTEST_ID or set(prefix) - set("0123456789abcdef-"):
        raise CliError(
            f"{event_id!r} is no id; `leads kept` shows them, and {SHORTEST_ID} letters are enough"
        )
    found: list[tuple[str, Kept]] = []
    for name, scope in _scopes(db, None):
        with db.system() if scope is None else db.tenant(scope) as session:
            for one in find_kept(session, prefix, ALL):
                found.append((name, Kept(session.get_one(WebhookEvent, one))))
    if len(found) != 1:
        raise CliError(
            f"nothing kept has the id {event_id}" if not found else f"more than one begins with {event_id}"
        )
    return found[0]


def _content(kept: Kept) -> list[str]:
    """What stands in it, as far as it can be read; everything in it is a stranger's."""
    if kept.event.source == MAIL:
        return _mail_lines(kept)
    if kept.event.source == TEXT:
        fields = fields_of(kept.body)
        told = [f"{name}: {one_line(fields.get(name))}" for name in ("From", "To", "NumMedia")]
        return [*told, indented(fields.get("Body", ""))]
    return [indented(clean(kept.body[:LONGEST_BODY].decode("utf-8", "replace")))]


def _mail_lines(kept: Kept) -> list[str]:
    try:
        mail = parse_email(kept.body, kept.event.content_type)
    except BadForm:
        return [indented(clean(kept.body[:LONGEST_BODY].decode("utf-8", "replace")))]
    lines = [
        f"From: {one_line(mail.sender_name)} <{one_line(mail.sender)}>",
        f"To: {one_line(', '.join(mail.recipients))}",
        f"Subject: {one_line(mail.subject)}",
        indented(mail.words.text[:LONGEST_BODY]),
    ]
    for file in mail.files:
        why = f" (refused: {one_line(file.refused)})" if file.refused else ""
        lines.append(f"    {one_line(file.name)}, {file.content_type}, {_size(file.size)}{why}")
    return lines


def _cells(name: str, row: KeptEvent) -> list[str]:
    what = _NAMES.get(row.source, row.source)
    came = f"{row.received_at:%Y-%m-%d %H:%M} UTC"
    return [str(row.id)[:8], came, what, name, row.status, _size(row.size), row.note or "-"]


def _as_object(name: str, row: KeptEvent) -> dict[str, Any]:
    return {
        "id": row.id, "received_at": row.received_at, "source": row.source, "tenant": None if row.tenant_id is None else name,
        "status": row.status, "bytes": row.size, "why": row.note,
    }  # fmt: skip


def _size(size: int) -> str:
    return (
        f"{size} B"
        if size < 1000
        else f"{round(size / 1000)} kB"
        if size < 1_000_000
        else f"{size / 1_000_000:.1f} MB"
    )
