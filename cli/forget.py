"""`leads forget`: erase a person. It shows what would go; with --yes it goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import redis

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import heading, local_time, one_line, print_json
from cli.people import who_am_i
from crm.forgetting_raw import Raw
from crm.lead_forgetting import ForgetRefused, Plan
from crm.reading import find_lead
from scheduler.forgetting import Forgotten, Wish, forget_person, preview

TIMEOUT_S = 5


@click.command("forget")
@click.argument("lead")
@click.option("--yes", is_flag=True, help="Do it. Without it nothing is changed.")
@click.option("--this-lead-only", is_flag=True, help="Not the other leads with the same phone or email.")
@click.option("--cancel-appointments", "visits", flag_value="cancel", help="Cancel what is still ahead.")
@click.option(
    "--keep-appointments", "visits", flag_value="keep", help="Keep what is still ahead, without a name."
)
@click.option(
    "--stop", is_flag=True, help="Put on record that they never want to be written to, so no import does."
)
@click.option("--who", help="Your name; default: the one you are logged in with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def forget_command(
    office: Office,
    lead: str,
    yes: bool,
    this_lead_only: bool,
    visits: str | None,
    stop: bool,
    who: str | None,
    as_json: bool,
) -> None:
    """Erase the person behind LEAD: names, addresses, words, pictures, mails. Nobody can undo it.

    What the law asks for stays: an address on which a stop stands, so that it holds when the number is imported again;
    and bare rows that prove when something was sent, without words. Who writes again is a new lead.
    """
    everywhere = not this_lead_only
    with office.db.tenant(office.tenant.id) as session:
        lead_id = find_lead(session, lead)
    try:
        found, raw = preview(office.db, office.tenant.id, lead_id, office.clock, everywhere=everywhere)
        if not yes:
            _show(found, raw, as_json=as_json)
            return
        if found.visits and visits is None:
            _print_visits(found)
            raise CliError("nothing was changed: say --cancel-appointments or --keep-appointments")
        wish = Wish(who or who_am_i(), visits, stop, everywhere)
        with _redis(office) as client:
            done = forget_person(office.db, client, office.tenant.id, lead_id, office.clock, wish)
    except ForgetRefused as error:
        raise CliError(str(error)) from error
    _tell(done, as_json=as_json)


def _show(found: Plan, raw: Raw, *, as_json: bool) -> None:
    if as_json:
        print_json({"would_forget": found, "raw": raw})
        return
    _print_visits(found)
    leads = ", ".join(str(one) for one in found.lead_ids)
    heading(f"This would be forgotten: lead {leads}{' (forgotten before)' if found.erased_already else ''}")
    for address in found.addresses:
        stays = " (stays on record: a stop stands on it)" if address in found.stops else ""
        click.echo(f"  {one_line(address)}{stays}")
    rows = {**found.counts, "raw webhooks": raw.webhooks, "mail events": raw.mail_events}
    click.echo(
        "  " + (", ".join(f"{count} {name}" for name, count in rows.items() if count) or "nothing else")
    )
    _print_waiting(raw.waiting)
    click.echo("Nothing was changed. --yes does it, and nobody can undo it.", err=True)


def _tell(done: Forgotten, *, as_json: bool) -> None:
    if as_json:
        print_json({"forgotten": done.gone, "stops_kept": done.plan.stops, "waiting": done.waiting})
        return
    gone = ", ".join(f"{count} {name}" for name, count in done.gone.items() if count)
    click.echo(f"Forgotten: {gone}.")
    for address in done.plan.stops:
        click.echo(f"On record stays that {one_line(address)} said stop.")
    _print_waiting(done.waiting)
    if done.redis is None:
        click.echo("Redis was not asked; what it holds names no person and ends within a week.", err=True)


def _print_visits(found: Plan) -> None:
    if found.visits:
        heading("Still ahead:")
    for visit in found.visits:
        click.echo(
            f"  #{visit.id} {local_time(visit.starts_at, visit.timezone)} at {one_line(visit.location)}"
        )


def _print_waiting(waiting: int) -> None:
    if waiting:
        click.echo(
            f"  {waiting} just came in and will be a new lead once they are processed; forget that one then."
        )


@contextmanager
def _redis(office: Office) -> Iterator[redis.Redis | None]:
    if not office.settings.redis_url:
        yield None
        return
    client = redis.Redis.from_url(
        office.settings.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )
    try:
        yield client
    finally:
        client.close()
