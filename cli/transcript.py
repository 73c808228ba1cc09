"""`leads transcript`: a conversation, with what stands behind each answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from cli.context import Office, with_office
from cli.output import as_json as to_json
from cli.output import clean, indented, local_time, money, one_line, print_json
from crm.reading import find_lead, show_lead
from crm.transcripts import AttemptLine, MessageLine, ToolLine, TurnLine, read_transcript

FOLLOW_SECONDS = 0.5
LONGEST_VALUE = 300
BAD_ENDS = ("undelivered", "failed", "withheld", "dropped")


@click.command("transcript")
@click.argument("lead")
@click.option("--follow", "-f", is_flag=True, help="Go on printing new messages until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --follow one object a line.")
@with_office
def transcript_command(office: Office, lead: str, follow: bool, as_json: bool) -> None:
    """Read a conversation. LEAD is the lead's number, phone or email."""
    with office.db.tenant(office.tenant.id) as session:
        lead_id = find_lead(session, lead)
        timezone = show_lead(session, lead_id).line.timezone
        messages = read_transcript(session, lead_id)
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
    lines.append(indented(message.body))
    for turn in message.turns:
        lines += _turn_lines(turn)
    return "\n".join(lines) + "\n"


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
