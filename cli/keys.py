"""`leads keys`: keys of the API, for a site's server (secret) or for a form in a page that everybody can read."""

from __future__ import annotations

import re

import click

from channels.api.bodies import FORM_KEY, REDIRECT, TRAP
from channels.api.limits import MOST_PER_MINUTE
from channels.api.webhook import PATH
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import local_time, one_line, print_json, print_table
from cli.places import choose_location
from crm.api_keys import add_key, find_keys, list_keys, revoke_key
from crm.models import ApiKey, Location

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_FORM = """<form method="post" action="{url}" accept-charset="utf-8">
  <input type="hidden" name="{form_key}" value="{key}">{redirect}
  <input name="{trap}" tabindex="-1" autocomplete="off" aria-hidden="true" style="position:absolute;left:-9999px">
  <input name="name" autocomplete="name"> <input name="phone" type="tel" autocomplete="tel" required>
  <textarea name="wish"></textarea>
  <label><input type="checkbox" name="consent.sms.given"> Text me about my request. Reply STOP to end.</label>
  <input type="hidden" name="consent.sms.text" value="Text me about my request. Reply STOP to end.">
  <button>Send</button>
</form>"""


@click.group("keys")
def keys_command() -> None:
    """Make and revoke keys of the API.

    A key is shown once, when it is made. Two keys of one name are one sender, so a key is replaced by making another one
    of its name and revoking the old one; nothing that was told with the old one counts twice.
    """


@keys_command.command("add")
@click.argument("name")
@click.option(
    "--form", "is_form", is_flag=True, help="For a form in a page: not secret, may only post forms."
)
@click.option("--location", help="The only shop this key is for; default: the request names one.")
@click.option(
    "--redirect-host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="Where a form may send visitors afterwards.",
)
@click.option(
    "--per-minute", type=click.IntRange(1, MOST_PER_MINUTE), default=120, show_default=True, help="Requests."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def add_command(
    office: Office,
    name: str,
    is_form: bool,
    location: str | None,
    hosts: tuple[str, ...],
    per_minute: int,
    as_json: bool,
) -> None:
    """Make a key called NAME, such as "website", and print it. Nobody can be shown it again."""
    if not _NAME.fullmatch(name):
        raise CliError(
            "a name has 1 to 60 letters, digits, blanks, dots, dashes; it begins with a letter or digit"
        )
    hosts = tuple(_host(host) for host in hosts)
    if hosts and not is_form:
        raise CliError("only a form sends visitors on; say --form")
    with office.db.tenant(office.tenant.id) as session:
        place = choose_location(session, location) if location is not None else None
        row, key = add_key(
            session,
            tenant_id=office.tenant.id,
            name=name,
            kind="form" if is_form else "server",
            location_id=None if place is None else place.id,
            redirect_hosts=hosts,
            per_minute=per_minute,
        )
    url = office.settings.public_base_url.rstrip("/") + PATH
    if as_json:
        print_json({"id": row.id, "name": name, "kind": row.kind, "key": key, "url": url})
        return
    click.echo(key)
    told = (
        "It is shown this once." if row.kind == "server" else "Put this form into the page, and dress it up:"
    )
    click.echo(f"Key {row.id}, {name}: posts to {url}. {told}", err=True)
    if row.kind == "form":
        click.echo(_html(url, key, hosts), err=True)


@keys_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Revoked ones too.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def list_command(office: Office, everything: bool, as_json: bool) -> None:
    """List the keys: their beginnings, what they are for, when they were used last."""
    with office.db.tenant(office.tenant.id) as session:
        rows = list_keys(session, revoked=everything)
        places = {place.id: place.slug for place in session.query(Location)}
    if as_json:
        print_json([_as_object(row, places) for row in rows])
    elif not rows:
        click.echo("There is no key yet; `leads keys add NAME` makes one.")
    else:
        print_table(
            ("id", "name", "begins with", "for", "shop", "a minute", "last used", "revoked"),
            [_cells(row, places) for row in rows],
        )


@keys_command.command("revoke")
@click.argument("key")
@with_office
def revoke_command(office: Office, key: str) -> None:
    """Revoke a KEY, given by its number, its name, its beginning or itself. Nothing is taken with it from now on."""
    with office.db.tenant(office.tenant.id) as session:
        found = find_keys(session, key.strip())
        living = [row for row in found if row.revoked_at is None]
        if not found:
            raise CliError(
                f"{office.tenant.slug} has no key {one_line(key)[:40]!r}; `leads keys list` shows them"
            )
        if len(living) > 1:
            numbers = ", ".join(str(row.id) for row in living)
            raise CliError(f"more than one key is meant; say which by number: {numbers}")
        if not living or not revoke_key(session, living[0], office.clock.now()):
            raise CliError("it was revoked already")
        row = living[0]
    click.echo(f"Key {row.id} ({row.name}, {row.prefix}...) is revoked.")


def _host(host: str) -> str:
    lowered = host.strip().lower()
    if not _HOST.fullmatch(lowered):
        raise CliError(
            f"{one_line(host)[:60]!r} is no host; a host is like www.shop.example, without https://"
        )
    return lowered


def _html(url: str, key: str, hosts: tuple[str, ...]) -> str:
    redirect = ""
    if hosts:
        redirect = f'\n  <input type="hidden" name="{REDIRECT}" value="https://{hosts[0]}/thanks">'
    return _FORM.format(url=url, form_key=FORM_KEY, key=key, trap=TRAP, redirect=redirect)


def _cells(row: ApiKey, places: dict[int, str]) -> list[str]:
    shop = "any" if row.location_id is None else places.get(row.location_id, str(row.location_id))
    what = "a page's form" if row.kind == "form" else "a server"
    return [
        str(row.id),
        row.name,
        f"{row.prefix}...",
        what,
        shop,
        str(row.per_minute),
        local_time(row.last_used_at, "UTC"),
        local_time(row.revoked_at, "UTC"),
    ]


def _as_object(row: ApiKey, places: dict[int, str]) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "kind": row.kind,
        "location": None if row.location_id is None else places.get(row.location_id),
        "redirect_hosts": row.redirect_hosts,
        "per_minute": row.per_minute,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }
