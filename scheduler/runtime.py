"""Everything a process needs, wired once: the web process, a worker and the commands all start here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import redis

from agent.breaker import Breaker
from agent.models.base import Model
from agent.providers import build_models
from agent.tools import default_toolbox
from agent.tools.base import Toolbox
from channels.carrier import Sender
from channels.email.sender import LocalEmailSender, SendGridSender
from channels.gate import GateRules
from channels.outbox import Outbox
from channels.sms.sender import LocalSender, TwilioSender
from crm.db import Database, make_engine
from ops.clock import Clock, OffsetClock, SystemClock
from ops.queue import WakeQueue
from ops.secrets import SecretBox
from ops.settings import Settings, get_settings, secret


@dataclass(frozen=True)
class Runtime:
    """The parts of one process. Satisfies `crm.deps.WebDeps`."""

    settings: Settings
    db: Database
    clock: Clock
    redis: redis.Redis
    queue: WakeQueue
    outbox: Outbox
    toolbox: Toolbox
    models: tuple[Model, ...]
    breaker: Breaker

    @property
    def box(self) -> SecretBox:
        """What encrypts tenants' secrets. Raises ops.secrets.SecretsError without ENCRYPTION_KEY, which only a
        tenant with a CRM needs."""
        return SecretBox(secret(self.settings.encryption_key))

    @property
    def we_confirm_stops(self) -> bool:
        """Whether a one-word STOP is answered by us: only where no carrier does it."""
        return not (self.settings.twilio_account_sid and self.settings.twilio_answers_keywords)


class NotConfigured(Exception):
    """DATABASE_URL and REDIS_URL are not known. Start the system with `make run`, or set them."""


def build_runtime(settings: Settings, *, threads: int = 8) -> Runtime:
    """Wire everything from settings; `threads` sizes the connection pool. Opens no connection yet.

    Raises NotConfigured without DATABASE_URL or REDIS_URL.
    """
    database_url = secret(settings.database_url)
    if not database_url or not settings.redis_url:
        raise NotConfigured(NotConfigured.__doc__)
    db = Database(make_engine(database_url, pool_size=threads + 2))
    clock: Clock = OffsetClock(settings.clock_file) if settings.clock_file else SystemClock()
    # Short, because a webhook waits for it: a wake-up that is not taken in a second is the sweeper's to make good.
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    rules = GateRules(settings.demo_mode, tuple(settings.demo_allow_list))
    return Runtime(
        settings=settings,
        db=db,
        clock=clock,
        redis=client,
        queue=WakeQueue(client),
        outbox=Outbox(db, clock, {"sms": sms_sender(settings), "email": email_sender(settings)}, rules),
        toolbox=default_toolbox(),
        models=tuple(build_models(settings)),
        breaker=Breaker(),
    )


def sms_sender(settings: Settings) -> Sender:
    """Twilio where an account is configured, else the local stand-in that sends nothing anywhere."""
    token = secret(settings.twilio_auth_token)
    if not settings.twilio_account_sid or not token:
        return LocalSender()
    return TwilioSender(
        settings.twilio_account_sid,
        token,
        api_base=settings.twilio_api_base,
        callback_base=settings.public_base_url,
        service_sid=settings.twilio_messaging_service_sid,
    )


def email_sender(settings: Settings) -> Sender:
    """SendGrid where a key is configured, else the local stand-in."""
    key = secret(settings.sendgrid_api_key)
    return SendGridSender(key, settings.sendgrid_api_base) if key else LocalEmailSender()


@lru_cache(maxsize=1)
def get_runtime() -> Runtime:
    """This process's runtime, from its settings."""
    settings = get_settings()
    return build_runtime(settings, threads=max(settings.worker_threads, settings.web_threads))
