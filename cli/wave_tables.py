"""Waves as tables and as data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cli.output import heading, local_time, one_line, print_table
from crm.models import Wave
from crm.waves import WaveResults


def as_data(wave: Wave, results: WaveResults) -> dict[str, Any]:
    """One wave for programs."""
    names = (
        "name", "status", "reason", "plan", "location_id", "filter", "per_day", "author", "begun_at", "next_at", "passed",
    )  # fmt: skip
    return {**{name: getattr(wave, name) for name in names}, **asdict(results)}


def row_of(data: dict[str, Any], zone: str) -> list[str]:
    """One line of `leads waves list`."""
    counts = (data[name] for name in ("per_day", "taken", "reached", "answered", "booked", "opted_out"))
    return [data["name"], data["status"], data["plan"], *map(str, counts), local_time(data["begun_at"], zone)]


def print_wave(data: dict[str, Any], zone: str) -> None:
    """One wave for a person; moments in the shop's zone."""
    why = f": {one_line(data['reason'])}" if data["reason"] else ""
    heading(f"Wave {data['name']}: {data['status']}{why}")
    chosen = data["filter"]
    sources = ", ".join(chosen.get("sources") or ()) or "anywhere"
    click.echo(
        f"for        {', '.join(chosen['statuses'])} leads from {one_line(sources)}, not heard from for"
        f" {chosen['older_than_days']} days"
    )
    click.echo(f"plan       {data['plan']}, {data['per_day']} leads a day")
    click.echo(f"begun      {local_time(data['begun_at'], zone)} by {one_line(data['author'])}")
    if data["status"] == "running":
        click.echo(f"next look  {local_time(data['next_at'], zone)}")
    click.echo(
        f"so far     {data['taken']} leads taken, {data['reached']} written to, {data['answered']} wrote back,"
        f" {data['booked']} booked, {data['opted_out']} said stop; {data['to_come']} messages to come"
    )
    if data["passed"]:
        click.echo()
        heading("Passed by")
        _print_reasons(data["passed"])


def print_dry_run(counts: dict[str, Any], per_day: int) -> None:
    """How many a wave would write to, and why it would not write to the others."""
    days = -(-counts["match"] // per_day)
    click.echo(
        f"{counts['match']} of {counts['looked_at']} leads would be written to, in {days} days of sending."
        " Nothing was started."
    )
    if counts["passed"]:
        click.echo()
        heading("Not written to")
        _print_reasons(counts["passed"])


def _print_reasons(reasons: dict[str, int]) -> None:
    rows = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    print_table(("LEADS", "WHY"), [[str(count), reason] for reason, count in rows])
