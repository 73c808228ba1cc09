"""The report of an experiment as tables: one column an arm, each number with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable

import click

from cli.output import heading, local_time, money, one_line, print_table
from crm.experiments.intervals import Estimate
from crm.experiments.report import ArmReport, Report

RATES = {
    "booked": "booked",
    "replied": "wrote again",
    "opted_out": "said stop",
    "complained": "complained",
    "handed_off": "to a person",
    "unanswered": "no own answer",
}
MEANS = {
    "cost_per_answer": "cost per answer",
    "cost_per_conversation": "cost per conversation",
    "seconds_per_answer": "seconds per answer",
}


def print_report(report: Report, timezone: str) -> None:
    """The whole report for a person; moments in the shop's zone."""
    heading(f"Experiment {report.name}: {report.status}")
    click.echo(f"started   {local_time(report.started_at, timezone)} by {one_line(report.started_by)}")
    if report.stopped_at:
        click.echo(f"stopped   {local_time(report.stopped_at, timezone)}: {one_line(report.stopped_because)}")
    for place, arm in enumerate(report.arms):
        role = ", the control" if place == 0 else ""
        click.echo(f"{arm.name + ':':10}{one_line(arm.what)} (weight {arm.weight}{role})")
    click.echo()
    print_table(("", *(arm.name for arm in report.arms)), _numbers(report.arms))
    click.echo()
    heading(f"Difference to {report.arms[0].name} (shares in percentage points)")
    print_table(("", *(arm.name for arm in report.arms[1:])), _differences(report.arms[1:]))
    click.echo()
    heading("Harm")
    print_table(("ARM", "WHAT", "ARM HAS", "CONTROL HAS", "EVIDENCE", "STOPS AT"), _harm(report))
    click.echo()
    for note in _notes(report):
        click.echo(note)


def _numbers(arms: list[ArmReport]) -> list[list[str]]:
    rows = [["conversations", *(str(arm.conversations) for arm in arms)]]
    for key, name in RATES.items():
        rows.append([name, *(_rate(arm, key) for arm in arms)])
    for key, name in MEANS.items():
        rows.append([name, *(_shown(arm.averages[key].mean, _unit(key)) for arm in arms)])
    rows.append(["answers", *(str(arm.answers) for arm in arms)])
    rows.append(["failed over", *(str(arm.failed_over) for arm in arms)])
    rows.append(["cost unknown", *(str(arm.cost_unknown) for arm in arms)])
    return rows


def _differences(arms: list[ArmReport]) -> list[list[str]]:
    rows = [
        [
            name,
            *(
                _shown(arm.rates[key].difference, _points) + _chance(arm.rates[key].difference)
                for arm in arms
            ),
        ]
        for key, name in RATES.items()
    ]
    for key, name in MEANS.items():
        unit = _signed(_unit(key))
        differences = [arm.averages[key].difference for arm in arms]
        rows.append([name, *(_shown(one, unit) + _chance(one) for one in differences)])
    return rows


def _harm(report: Report) -> list[list[str]]:
    return [
        [one.arm, one.harm, f"{one.count} of {one.of}", f"{one.control_count} of {one.control_of}",
         _evidence(one.evidence), f"{one.limit:.0f}"]
        for one in report.watches
    ]  # fmt: skip


def _evidence(value: float) -> str:
    return f"{value:.2f}" if value < 100 else "over 100" if value < 1e6 else "over a million"


def _notes(report: Report) -> list[str]:
    notes = [
        "Brackets hold the true value 95 times in 100; (*) marks a difference they do not explain by chance."
    ]
    if any(arm.failed_over for arm in report.arms):
        notes.append("Answers that failed over to another model are in no cost and no time.")
    if any(arm.cost_unknown for arm in report.arms):
        notes.append("Answers with a price nobody knows are in no cost.")
    if report.status == "running":
        notes.append(
            "Reading this again and again makes chance look like a difference; only Harm allows for it."
        )
    return notes


def _rate(arm: ArmReport, key: str) -> str:
    rate = arm.rates[key]
    return "-" if rate.share is None else f"{rate.count}: {_shown(rate.share, _percent)}"


def _shown(estimate: Estimate | None, unit: Callable[[float], str]) -> str:
    if estimate is None:
        return "too few"
    return f"{unit(estimate.value)} [{unit(estimate.low)} to {unit(estimate.high)}]"


def _chance(estimate: Estimate | None) -> str:
    return " (*)" if estimate and (estimate.low > 0 or estimate.high < 0) else ""


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _points(value: float) -> str:
    return f"{value * 100:+.1f}"


def _unit(key: str) -> Callable[[float], str]:
    return _seconds if key.startswith("seconds") else _dollars


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _dollars(value: float) -> str:
    return money(round(value))


def _signed(unit: Callable[[float], str]) -> Callable[[float], str]:
    return lambda value: ("-" if value < 0 else "+") + unit(abs(value))
