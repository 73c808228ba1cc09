"""From a quote at Shopmonkey to the text in Twilio's hands, on real processes: web, worker and clock.

The time runs from just before the webhook is posted until Twilio's stand-in has the request. Orders come at random
moments (a Poisson stream) at shops of a hundred tenants, each with a key of its own, because that is how 20 leads a
second come; and three at once at one shop, which is how a shop feels it. The CRM answers at once, or each of its
answers takes 150 ms.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.acceptance.processes import eventually
from tests.bench.agent_worker import _processor_s
from tests.bench.harness import Row, percentile
from tests.bench.speed_shop import SpeedShop, speed_shop

TARGET_S = 1.0
RATES = {1: 40, 20: 600}
CRM_S = (0.0, 0.15)
BURSTS, AT_ONCE, APART_S = 8, 3, 6.0
WARM_UP = 20
ARRIVES_S = 120.0


@dataclass
class Told:
    """One lead: when its webhook was posted and answered, and the parts of its way, in seconds of this machine."""

    phone: str
    order_id: str
    posted: float
    answered: float = 0.0


@dataclass
class Round:
    """The leads of one round. `work_s`: what the worker's processor spent on each."""

    shop: SpeedShop
    told: list[Told] = field(default_factory=list)
    work_s: float | None = None

    def tell(self, tenant: int) -> None:
        """One new quote at this tenant's shop, told at once."""
        phone, order_id, url, headers, body = self.shop.order(tenant)
        one = Told(phone, order_id, time.time())
        self.told.append(one)
        answer = requests.post(url, data=body, headers=headers, timeout=30)
        one.answered = time.time()
        if answer.status_code != 200:
            raise RuntimeError(f"the webhook was answered with {answer.status_code}")

    def seconds(self) -> list[float]:
        """Webhook to Twilio, for each lead, once all have arrived. AssertionError when one never does."""
        wanted = {one.phone for one in self.told}
        eventually(lambda: wanted <= self.shop.texted().keys(), ARRIVES_S, "all leads were texted")
        texted = self.shop.texted()
        return [texted[one.phone] - one.posted for one in self.told]

    def reached(self) -> float:
        """Leads a second, from the first webhook to the last text."""
        texted = self.shop.texted()
        last = max(texted[one.phone] for one in self.told)
        return len(self.told) / (last - min(one.posted for one in self.told))

    def parts(self) -> str:
        """Where the time goes, as medians in milliseconds."""
        texted, asked = self.shop.texted(), self.shop.asked()
        known = [one for one in self.told if one.order_id in asked]
        if not known:
            return ""
        parts = {
            "webhook": [one.answered - one.posted for one in known],
            "wait for a worker": [asked[one.order_id][0] - one.answered for one in known],
            "CRM": [asked[one.order_id][1] - asked[one.order_id][0] for one in known],
            "lead to text": [texted[one.phone] - asked[one.order_id][1] for one in known],
        }
        return ", ".join(f"{name} {1000 * percentile(values, 0.5):.0f}" for name, values in parts.items())


def bench_speed_to_lead(say: Callable[[str], None]) -> list[Row]:
    """p50, p95 and p99 for each rate and each pace of the CRM; the target is a p95 under a second."""
    rows = []
    with speed_shop() as shop:
        _measure(shop, 20, WARM_UP)
        for crm_s in CRM_S:
            shop.crm_takes(crm_s)
            for rate, count in RATES.items():
                done = _measure(shop, rate, count)
                rows.append(_row(f"{rate} leads/s", crm_s, done, say))
            rows.append(_row(f"{AT_ONCE} leads at once at one shop", crm_s, _bursts(shop), say))
    return rows


def _measure(shop: SpeedShop, rate: int, count: int) -> Round:
    """A stream of so many leads a second, whatever becomes of them."""
    dice, made = random.Random(rate), Round(shop)
    worker = shop.system.pid("worker")
    before = _processor_s(worker)
    began, moments, at = time.monotonic(), [], 0.0
    for _ in range(count):
        at += dice.expovariate(rate)
        moments.append(at)
    with ThreadPoolExecutor(32) as pool:
        done = []
        for number, moment in enumerate(moments):
            _wait_until(began + moment)
            done.append(pool.submit(made.tell, number % shop.tenants))
        for each in done:
            each.result()
    made.seconds()
    after = _processor_s(worker)
    if before is not None and after is not None:
        made.work_s = (after - before) / count
    return made


def _bursts(shop: SpeedShop) -> Round:
    made, began = Round(shop), time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(BURSTS):
            _wait_until(began + number * APART_S)
            for each in [pool.submit(made.tell, number) for _ in range(AT_ONCE)]:
                each.result()
    made.seconds()
    return made


def _wait_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def _row(name: str, crm_s: float, done: Round, say: Callable[[str], None]) -> Row:
    values = done.seconds()
    p50, p95, p99 = (percentile(values, share) for share in (0.5, 0.95, 0.99))
    pace = "CRM at once" if crm_s == 0 else f"CRM at {1000 * crm_s:.0f} ms"
    beside = f"{len(values)} leads, {done.reached():.1f}/s; ms of {done.parts()}"
    if done.work_s is not None:
        beside += f"; worker's processor {1000 * done.work_s:.0f}"
    say(f"speed to lead, {name}, {pace}: p50 {p50:.2f} p95 {p95:.2f} p99 {p99:.2f} s; {beside}")
    return Row(
        f"speed to lead, {name}, {pace}",
        f"p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f}",
        "s",
        beside,
        round(p95 / TARGET_S, 3),
        f"p95 < {TARGET_S:g} s",
        p95 < TARGET_S,
    )
