"""Everything a process needs, wired once: the web process, a worker and the commands all start here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import redis
import structlog

from agent.breaker import Breaker
from agent.models import lifecycle
from agent.models.base import Model
from agent.pricing import use_price_file
from agent.providers import Pool
from agent.shared_breaker import SharedBreaker
from agent.tools import default_toolbox
from agent.tools.base import Toolbox
from channels.gate import GateRules
from channels.outbox import Outbox
from crm.catalogue_cache import use_redis
from crm.db import Database, make_engine
from ops.clock import Clock, OffsetClock, SystemClock
from ops.queue import WakeQueue
from ops.secrets import SecretBox
from ops.settings import Settings, get_settings, secret
from ops.turnstile import Turnstile
from scheduler.senders import pace_of, senders_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Runtime:
    """The parts of one process. Satisfies `crm.deps.WebDeps`. `models` is the installation's default order; made by
    `build_runtime` it is a Pool, from which a tenant's own choice can be had too."""

    settings: Settings
    db: Database
    clock: Clock
    redis: redis.Redis
    queue: WakeQueue
    outbox: Outbox
    toolbox: Toolbox
    models: Sequence[Model]
    breaker: Breaker
    turnstile: Turnstile

    @property
    def box(self) -> SecretBox:
        """What encrypts tenants' secrets. Raises ops.secrets.SecretsError without ENCRYPTION_KEY, which only a
        tenant with a CRM needs."""
        return SecretBox(secret(self.settings.encryption_key))


class NotConfigured(Exception):
    """DATABASE_URL and REDIS_URL are not known. Start the system with `make run`, or set them."""


def build_runtime(settings: Settings, *, threads: int = 8) -> Runtime:
    """Wire everything from settings; `threads` sizes the connection pool. Opens no connection yet.

    Raises NotConfigured without DATABASE_URL or REDIS_URL, ValueError for a provider, a capability or a file of prices
    that makes no sense.
    """
    database_url = secret(settings.database_url)
    if not database_url or not settings.redis_url:
        raise NotConfigured(NotConfigured.__doc__)
    db = Database(make_engine(database_url, pool_size=threads + 2))
    clock: Clock = OffsetClock(settings.clock_file) if settings.clock_file else SystemClock()
    # Short, because a webhook waits for it: a wake-up that is not taken in a second is the sweeper's to make good.
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    use_redis(db.engine, client)
    if prices := getattr(settings, "ai_prices_file", None):
        use_price_file(prices)
    models = Pool(settings)
    _warn_of_retirement(models, clock)
    rules = GateRules(settings.demo_mode, tuple(settings.demo_allow_list))
    queue = WakeQueue(client)
    return Runtime(
        settings=settings,
        db=db,
        clock=clock,
        redis=client,
        queue=queue,
        outbox=Outbox(db, clock, senders_of(settings, db), rules, pace_of(settings, client), queue.wake),
        toolbox=default_toolbox(),
        models=models,
        breaker=SharedBreaker(client),
        turnstile=Turnstile(),
    )


def _warn_of_retirement(models: Sequence[Model], clock: Clock) -> None:
    """A model that stops answering next week is a surprise nobody needs; `leads ai models` asks the vendors too."""
    for model in models:
        sentence = lifecycle.warning(model.provider, model.model, clock.now().date())
        if sentence is not None:
            log.warning("model_retires", provider=model.provider, model=model.model, advice=sentence)


@lru_cache(maxsize=1)
def get_runtime() -> Runtime:
    """This process's runtime, from its settings."""
    settings = get_settings()
    return build_runtime(settings, threads=max(settings.worker_threads, settings.web_threads))
