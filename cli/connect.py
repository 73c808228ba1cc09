"""`leads connect`: give a location its number, mailbox and CRM, and say what to enter at the carriers."""

from __future__ import annotations

import re
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cli.connect_sendgrid import apply_sendgrid, sendgrid_given, sendgrid_lines, sendgrid_options
from cli.connect_twilio import apply_twilio, given_of, twilio_options
from cli.context import Office, with_office
from cli.errors import CliError
from cli.places import choose_location
from crm.connectors.shopmonkey.config import create_crm_config
from crm.emails import normal_email
from crm.models import Location, TenantCrmConfig
from crm.phones import e164
from ops.secrets import SecretBox, SecretsError
from ops.settings import Settings, secret

# What Twilio should do when we do not answer (messaging facts 1.3): try twice more, not only when no connection came
# about. It reads this part of the address itself; it is neither sent nor signed.
RETRIES = "#rc=2&rp=ct,rt,5xx"
_SHORT_CODE = re.compile(r"\d{5,6}")


@click.command("connect")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@click.option("--phone", help="Its number for texts. Default, when it has none: TWILIO_PHONE_NUMBER.")
@click.option(
    "--mailbox", help="Its address for mail, at the domain that SendGrid's Inbound Parse receives for."
)
@click.option("--crm-location", help="Its id in Shopmonkey. The key is taken from SHOPMONKEY_API_KEY.")
@twilio_options
@sendgrid_options
@with_office
def connect_command(
    office: Office,
    /,
    slug: str | None,
    phone: str | None,
    mailbox: str | None,
    crm_location: str | None,
    **accounts: Any,
) -> None:
    """Connect a location and print the addresses its carriers have to call."""
    settings = office.settings
    try:
        with office.db.tenant(office.tenant.id) as session:
            location = choose_location(session, slug)
            # The number of the environment is for a location that has none: a number of its own is never put aside by it.
            _addresses(location, phone or (None if location.phone else settings.twilio_phone_number), mailbox)
            location.crm_location_id = crm_location or location.crm_location_id
            hook = _crm_hook(session, office.tenant.id, settings)
            said = apply_twilio(session, office.tenant.id, settings, given_of(accounts))
            said += apply_sendgrid(session, office.tenant.id, settings, sendgrid_given(accounts))
            session.flush()
            mail = sendgrid_lines(session, settings)
            lines = [*_lines(location, settings, mail, hook), *(f"  {line}" for line in said)]
    except IntegrityError as error:
        raise CliError(_taken(error)) from error
    except SecretsError as error:
        raise CliError(str(error)) from error
    click.echo("\n".join(lines))


def _taken(error: IntegrityError) -> str:
    if "carrier_accounts" in str(error.orig):
        return "another business has that Twilio account already"
    return "another location has that number or mailbox already"


def _addresses(location: Location, phone: str | None, mailbox: str | None) -> None:
    if phone:
        location.phone = phone if _SHORT_CODE.fullmatch(phone) else e164(phone)
        if location.phone is None:
            raise CliError(f"{phone} is no valid phone number")
    if mailbox:
        location.mailbox = normal_email(mailbox)
        if location.mailbox is None or "+" in location.mailbox:
            raise CliError(f"{mailbox} is no mailbox that replies can come to")


def _crm_hook(session: Session, tenant_id: int, settings: Settings) -> str | None:
    """The secret end of the CRM's webhook; made when SHOPMONKEY_API_KEY is set and there is no connection yet."""
    config = session.scalars(select(TenantCrmConfig)).first()
    key = secret(settings.shopmonkey_api_key)
    if config is None and key:
        box = SecretBox(secret(settings.encryption_key))
        config = create_crm_config(session, tenant_id, key, settings.shopmonkey_api_base, box)
    return config.hook_token if config else None


def _lines(location: Location, settings: Settings, mail: list[str], hook: str | None) -> list[str]:
    base = settings.public_base_url
    lines = [
        f"{location.name} ({location.slug}): texts to {location.phone or '-'}, mail to {location.mailbox or '-'}",
        f"  Twilio, a message comes in (POST):  {base}/hooks/twilio/sms{RETRIES}",
        f"  Twilio, primary handler fails:      {base}/hooks/twilio/sms/fallback",
        *mail,
    ]
    if hook:
        lines.append(f"  Shopmonkey webhook (orders):        {base}/hooks/shopmonkey/{hook}")
        if not location.crm_location_id:
            lines.append(
                "  Give the Shopmonkey location with --crm-location; until then its orders are ignored."
            )
    if base.startswith("http://127.0.0.1"):
        lines.append(
            "  Set PUBLIC_BASE_URL to the https address under which the carriers reach this machine."
        )
    return lines
