"""`leads transcript`: a conversation, with what stands behind each answer."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.output import as_json as to_json
from cli.output import clean, indented, local_time, money, one_line, print_json
from crm.media import MediaLine, media_body
from crm.reading import find_lead, show_lead
from crm.transcripts import AttemptLine, MessageLine, ToolLine, TurnLine, read_transcript

FOLLOW_SECONDS = 0.5
LONGEST_VALUE = 300
BAD_ENDS = ("undelivered", "failed", "withheld", "dropped")


@click.command("transcript")
@click.argument("lead")
@click.option("--follow", "-f", is_flag=True, help="Go on printing new messages until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --follow one object a line.")
@click.option(
    "--pictures",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the pictures and files the customer sent into this folder.",
)
@with_office
def transcript_command(office: Office, lead: str, follow: bool, as_json: bool, folder: Path | None) -> None:
    """Read a conversation. LEAD is the lead's number, phone or email."""
    with office.db.tenant(office.tenant.id) as session:
        lead_id = find_lead(session, lead)
        timezone = show_lead(session, lead_id).line.timezone
        messages = read_transcript(session, lead_id)
        if folder is not None:
            for path in _write_pictures(session, messages, folder):
                click.echo(f"written: {path}", err=True)
    if as_json and not follow:
        print_json(messages)
        return
    if not messages and not follow:
        click.echo("no messages yet", err=True)
    for message in _followed(office, lead_id, messages) if follow else messages:
        click.echo(to_json(message) if as_json else as_text(message, timezone))


def _followed(office: Office, lead_id: int, messages: list[MessageLine]) -> Iterator[MessageLine]:
    """The messages so far, then every new one once its fate is known, and again when it turned out badly."""
    shown: dict[int, str] = {}
    while True:
        for message in messages:
            known = message.settled or message.reasons
            news = message.id not in shown or message.status in BAD_ENDS
            if known and news and shown.get(message.id) != message.status:
                shown[message.id] = message.status
                yield message
        time.sleep(FOLLOW_SECONDS)
        with office.db.tenant(office.tenant.id) as session:
            messages = read_transcript(session, lead_id)


def as_text(message: MessageLine, timezone: str) -> str:
    """One message with its turns, as lines; the first one alone tells when, which way and what became of it."""
    arrow = (
        "customer ->" if message.direction == "in" else "staff <-" if message.kind == "notice" else "shop <-"
    )
    head = f"{local_time(message.at, timezone)}  #{message.id} {message.channel} {arrow}"
    head += f" {message.kind} {message.status}"
    if message.reasons:
        head += f" ({one_line('; '.join(message.reasons))})"
    lines = [click.style(head, bold=True)]
    if message.subject:
        lines.append(f"    Subject: {one_line(message.subject)}")
    if message.body or not message.media:
        lines.append(indented(message.body))
    if message.body_full:
        lines.append(f"    as the phone wrote it: {_short(message.body_full)}")
    lines += [_media_line(media) for media in message.media]
    for turn in message.turns:
        lines += _turn_lines(turn)
    return "\n".join(lines) + "\n"


def _media_line(media: MediaLine) -> str:
    """One picture: "    [1] image/jpeg, 84 kB"; a file of a mail with its name; one that is not here says why."""
    size = "" if media.size is None else f", {max(1, round(media.size / 1000))} kB"
    name = f"{one_line(clean(media.filename))}, " if media.filename else ""
    state = {"stored": "", "owed": " (being fetched)"}.get(media.status, f" ({media.status})")
    error = f": {one_line(media.error)}" if media.error else ""
    return f"    [{media.place + 1}] {name}{one_line(clean(media.content_type))}{size}{state}{error}"


def _write_pictures(session: Session, messages: list[MessageLine], folder: Path) -> Iterator[Path]:
    """Write what is stored as message-place.ending, never with a name that came from outside."""
    folder.mkdir(parents=True, exist_ok=True)
    for message in messages:
        for media in message.media:
            body = media_body(session, media.id)
            if body is not None:
                ending = mimetypes.guess_extension(media.content_type) or ".bin"
                path = folder / f"{message.id}-{media.place + 1}{ending}"
                path.write_bytes(body)
                yield path


def _turn_lines(turn: TurnLine) -> list[str]:
    who = f"{turn.provider or 'nobody'}/{turn.model or '-'}"
    seconds = "still running" if turn.seconds is None else f"{turn.seconds:.1f} s"
    tokens = f"{_count(turn.input_tokens)} in, {_count(turn.cached_tokens)} cached, {_count(turn.output_tokens)} out"
    status = "" if turn.status == "done" else f" {turn.status}"
    error = f" ({one_line(turn.error)})" if turn.error else ""
    lines = [f"      turn {turn.id}{status}: {who}, {tokens}, {money(turn.cost_microusd)}, {seconds}{error}"]
    # Who was asked is worth a line each only when it did not go as configured.
    if any(attempt.error for attempt in turn.attempts):
        lines += [_attempt_line(attempt) for attempt in turn.attempts]
    return lines + [_tool_line(tool) for tool in turn.tools]


def _attempt_line(attempt: AttemptLine) -> str:
    became = f"FAILED {_short(attempt.error)}" if attempt.error else "answered"
    return f"        asked {attempt.provider}/{attempt.model}: {became} ({attempt.ms} ms)"


def _tool_line(tool: ToolLine) -> str:
    failed = "ERROR " if tool.is_error else ""
    result = f"{failed}{_short(tool.result)}"
    return f"        {tool.tool} {_short(to_json(tool.arguments))} -> {result} ({tool.duration_ms} ms)"


def _short(text: str) -> str:
    text = one_line(clean(text))
    return (
        text
        if len(text) <= LONGEST_VALUE
        else f"{text[:LONGEST_VALUE]}... ({len(text)} characters; --json has all)"
    )


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else str(tokens)
