"""`leads ai`: which models answer, how they are doing, and what they cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

import click
import redis

from agent.breaker import Breaker
from agent.models.base import Model
from agent.providers import LOCAL_PROVIDERS, Pool
from agent.routing import breaker_keys
from agent.shared_breaker import SharedBreaker
from cli import context
from cli.ai_cost import cost_command
from cli.ai_models import models_command
from cli.context import choose_tenant, open_database
from cli.errors import CliError
from cli.output import one_line, print_json, print_table
from crm.db import Database
from crm.model_health import Call, recent_calls
from crm.routing import active_tenants
from ops.settings import Settings, get_settings

# Fewer calls than this say nothing about a provider.
MEANINGFUL = 4


@dataclass(frozen=True)
class Health:
    """One configured model. `state` is up, failing, skipped or idle (nobody asked it lately); `p50_ms` and `p95_ms` are
    of its answered calls."""

    provider: str
    model: str
    place: int
    state: str
    calls: int
    ok: int
    p50_ms: int | None
    p95_ms: int | None
    skipped_for_s: float
    last_error: str | None
    last_error_at: datetime | None

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at it."""
        return self.state in ("up", "idle")


@click.group("ai")
def ai_command() -> None:
    """Which models answer, how they are doing, and what they cost."""


ai_command.add_command(cost_command)
ai_command.add_command(models_command)


@ai_command.command("health")
@click.option("--tenant", help="Only the calls of this business; default: of all.")
@click.option("--minutes", default=60, show_default=True, type=click.IntRange(1, 7 * 24 * 60))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def health_command(tenant: str | None, minutes: int, as_json: bool) -> None:
    """How the configured models did in their latest calls, and which of them are being skipped.

    Exit code 1 when one of them fails or is skipped; the built-in rules are always there.
    """
    settings = get_settings()
    since = context.clock_of(settings).now() - timedelta(minutes=minutes)
    db = open_database(settings)
    try:
        calls = _calls(db, tenant, since)
    finally:
        db.engine.dispose()
    breaker = _breaker(settings)
    lines = [health_of(model, place, calls, breaker) for place, model in enumerate(Pool(settings), 1)]
    if as_json:
        print_json(lines)
    else:
        print_table(
            ("ASKED", "PROVIDER", "MODEL", "STATE", "CALLS", "OK", "P50", "P95", "LAST ERROR"),
            [_row(line) for line in lines],
        )
    sys.exit(0 if all(line.is_well for line in lines) else 1)


def health_of(model: Model, place: int, calls: list[Call], breaker: Breaker) -> Health:
    """One model's health from its recent calls (newest first) and the breaker."""
    own = [call for call in calls if (call.provider, call.model) == (model.provider, model.model)]
    took = sorted(call.ms for call in own if call.ok)
    wrong = next((call for call in own if not call.ok), None)
    local = model.provider in LOCAL_PROVIDERS
    left = 0.0 if local else max(breaker.status(key).seconds_left for key in breaker_keys(model))
    return Health(
        provider=model.provider,
        model=model.model,
        place=place,
        state="skipped" if left else _state(own),
        calls=len(own),
        ok=len(took),
        p50_ms=took[len(took) // 2] if took else None,
        p95_ms=took[min(len(took) - 1, len(took) * 95 // 100)] if took else None,
        skipped_for_s=left,
        last_error=wrong.error if wrong else None,
        last_error_at=wrong.at if wrong else None,
    )


def _state(own: list[Call]) -> str:
    if not own:
        return "idle"
    # The latest calls decide: an outage that is over is not one any more.
    latest = own[: 2 * MEANINGFUL]
    failed = sum(not call.ok for call in latest)
    return "failing" if failed >= MEANINGFUL and 2 * failed >= len(latest) else "up"


def _calls(db: Database, wanted: str | None, since: datetime) -> list[Call]:
    if wanted:
        tenants = [choose_tenant(db, wanted)]
    else:
        with db.system() as session:
            tenants = active_tenants(session)
    found: list[Call] = []
    for tenant in tenants:
        with db.tenant(tenant.id) as session:
            found += recent_calls(session, since)
    return sorted(found, key=lambda call: call.at, reverse=True)


def _breaker(settings: Settings) -> Breaker:
    if not settings.redis_url:
        raise CliError("no Redis is configured: start the system with `make run`, or set REDIS_URL")
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        click.echo("note: Redis cannot be reached; which providers are skipped is not known", err=True)
    return SharedBreaker(client)


def _row(line: Health) -> list[str]:
    state = f"skipped for {line.skipped_for_s:.0f} s" if line.state == "skipped" else line.state
    return [
        str(line.place),
        line.provider,
        line.model,
        state,
        str(line.calls),
        f"{100 * line.ok // line.calls}%" if line.calls else "-",
        f"{line.p50_ms} ms" if line.p50_ms is not None else "-",
        f"{line.p95_ms} ms" if line.p95_ms is not None else "-",
        one_line(line.last_error) or "-",
    ]
