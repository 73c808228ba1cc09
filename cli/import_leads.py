"""`leads import FILE.csv`: a file's rows become leads, once, however often the file is imported."""

from __future__ import annotations

import codecs
import sys
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from cli.context import Office, with_office
from cli.errors import CliError
from cli.import_show import Watch, say_mapping, summary
from cli.output import print_json
from cli.places import choose_location
from crm.connectors.csv_file.dates import Order, order_of
from crm.connectors.csv_file.encodings import NotATable
from crm.connectors.csv_file.importing import Import
from crm.connectors.csv_file.mapping import Columns, map_columns
from crm.connectors.csv_file.reader import Table, open_table
from crm.connectors.csv_file.report import Report
from crm.connectors.csv_file.rows import Place, Reading
from crm.models import Location

SAMPLE_ROWS = 2000
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--location", help="The shop of rows that name none; needed when there are several.")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="COLUMN=FIELD",
    help="What a column means, where its name does not say so: phone, email, name, wish, made_at, ...; `fact` keeps it"
    " under its own name, `ignore` leaves it out.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write rejected rows, with the reasons, into a CSV file.",
)
@click.option(
    "--start-cadence/--no-cadence",
    default=False,
    show_default=True,
    help="Write to these people, or only know them. Old lists are best only known.",
)
@click.option(
    "--per-hour",
    type=click.IntRange(1, 600),
    default=30,
    show_default=True,
    help="How many cadences begin in an hour, while the shop is open.",
)
@click.option(
    "--sms-consent-text", metavar="WORDS", help="What people agreed to, where a column says yes to texts."
)
@click.option("--email-consent-text", metavar="WORDS", help="The same for email.")
@click.option(
    "--dates", type=click.Choice(["mdy", "dmy"]), help="Month or day first; default: what the dates tell."
)
@click.option("--encoding", help="Default: found out.")
@click.option("--delimiter", type=click.Choice([*_DELIMITERS]), help="Default: found out.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def import_command(
    office: Office,
    file: Path,
    location: str | None,
    maps: tuple[str, ...],
    dry_run: bool,
    report: Path | None,
    start_cadence: bool,
    per_hour: int,
    sms_consent_text: str | None,
    email_consent_text: str | None,
    dates: Order | None,
    encoding: str | None,
    delimiter: str | None,
    as_json: bool,
) -> None:
    """Take leads in from a CSV FILE. Columns are told by their names, in English and Spanish.

    The same file again changes nothing; an import that was stopped goes on where it was. Consent counts only with the
    words people agreed to, from a column or --sms-consent-text. Try --dry-run first.
    """  # fmt: skip
    table, columns = _opened(file, maps, encoding, delimiter)
    if start_cadence and (unread := columns.like_a_stop()):
        raise CliError(
            f"the column {unread[0]!r} may say who must not be written to, and nothing reads it: add"
            f" --map {unread[0]!r}=stop (or =sms_stop, =email_stop), or =ignore when it is something else"
        )
    order = dates or _order(table, columns)
    reading = _reading(office, columns, location, file.name, order, sms_consent_text, email_consent_text)
    if not as_json:
        say_mapping(table, columns, order)
    with ExitStack() as stack:
        written = _report(report, table)
        if written is not None:
            stack.callback(written.close)
        watch = stack.enter_context(Watch(table, written, quiet=as_json))
        per_hour = per_hour if start_cadence else 0
        work = Import(office.db, office.tenant.id, table, reading, watch, per_hour=per_hour or None)
        stopped = _stopped(work, dry_run=dry_run)
    if as_json:
        told = {**asdict(work.counts), "dry_run": dry_run, "stopped": stopped, "problems": watch.problems}
        print_json(told)
    else:
        for line in summary(work.counts, watch, dry_run=dry_run, stopped=stopped, start=start_cadence):
            click.echo(line)
    if stopped:
        sys.exit(130)


def _stopped(work: Import, *, dry_run: bool) -> bool:
    """Do it; True when somebody stopped it. What is stored by then is told."""
    try:
        work.forecast() if dry_run else work.run()
    except KeyboardInterrupt:
        return True
    except SQLAlchemyError:
        line = work.counts.last_line
        if line and not dry_run:
            click.echo(
                f"Everything up to line {line} is stored; the same command goes on from there.", err=True
            )
        raise
    return False


def _opened(
    file: Path, maps: tuple[str, ...], encoding: str | None, delimiter: str | None
) -> tuple[Table, Columns]:
    told = {}
    for each in maps:
        column, equals, field = each.rpartition("=")
        if not equals or not column.strip():
            raise CliError(f"{each!r} is not COLUMN=FIELD, such as --map 'Best number=phone'")
        told[column.strip()] = field.strip().lower()
    try:
        if encoding is not None:
            codecs.lookup(encoding)
        table = open_table(file, encoding=encoding, delimiter=_DELIMITERS[delimiter] if delimiter else None)
        return table, map_columns(table.header, told)
    except NotATable as error:
        raise CliError(str(error)) from error
    except (LookupError, UnicodeError) as error:
        raise CliError(f"the file cannot be read as {encoding}") from error
    except OSError as error:
        raise CliError(f"the file cannot be read: {error.strerror}") from error


def _report(path: Path | None, table: Table) -> Report | None:
    if path is None:
        return None
    if path.exists() and path.samefile(table.path):
        raise CliError("the report would overwrite the file that is imported")
    try:
        return Report(path, table)
    except OSError as error:
        raise CliError(f"the report cannot be written: {error.strerror}") from error


def _order(table: Table, columns: Columns) -> Order:
    indexes = columns.fields.get("made_at", ())
    rows = (row for row, _ in islice(table.rows(), SAMPLE_ROWS) if row.problem is None)
    return order_of(row.cells[index] for row in rows for index in indexes if index < len(row.cells))


def _reading(
    office: Office, columns: Columns, location: str | None, file_name: str, order: Order, sms: str | None, email: str | None
) -> Reading:  # fmt: skip
    with office.db.tenant(office.tenant.id) as session:
        found = session.scalars(select(Location).order_by(Location.id)).all()
        if not found:
            raise CliError(f"{office.tenant.slug} has no location yet")
        # Every row may name its shop itself.
        named = location is None and "location" in columns.fields and len(found) > 1
        chosen = None if named else choose_location(session, location).id
    places = tuple(
        Place(
            one.id,
            ZoneInfo(one.timezone),
            frozenset(
                " ".join(name.lower().split()) for name in (one.slug, one.name, one.crm_location_id) if name
            ),
        )
        for one in found
    )
    return Reading(
        columns=columns,
        places=places,
        place=next((place for place in places if place.location_id == chosen), None),
        file_name=file_name[:200],
        now=office.clock.now(),
        order=order,
        sms_words=sms.strip() if sms else None,
        email_words=email.strip() if email else None,
    )
