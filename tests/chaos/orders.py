"""`make orders`: ORDERS (5000) orders while Shopmonkey's webhooks and API fail in every known way.

SEED (a new one each time) is read from the environment too. Ends with 1 when an order was missed, found twice, or
anything else was found; the same seed and size tell the same story again.
"""

from __future__ import annotations

import os
import sys
import time

from ops.logging import configure_logging
from tests.chaos.installation import _own_database
from tests.chaos.orders_run import run_orders
from tests.chaos.simulation_run import _servers


def main() -> int:
    """Run one story; 0 when nothing was found."""
    orders = int(os.environ.get("ORDERS") or "5000")
    seed = int(os.environ.get("SEED") or "0") or int(time.time())
    print(f"{orders} orders, seed {seed}", flush=True)
    configure_logging("critical")
    began = time.monotonic()
    with _servers() as servers, _own_database(servers) as database:
        redis_url = f"{servers.redis_url.rsplit('/', 1)[0]}/0"
        result = run_orders(
            database,
            redis_url,
            seed=seed,
            orders=orders,
            say=lambda line: print(f"{time.monotonic() - began:6.0f} s: {line}", flush=True),
        )
    print("\n".join(result.lines()))
    print(f"Again: SEED={seed} ORDERS={orders} make orders")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
