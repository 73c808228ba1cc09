"""A dry run knows what becomes of addresses that do not work any more, as the import does."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, text

from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, World
from tests.integration.import_help import importing, numbers, write

HEADER = ["Phone", "Email", "Service"]


def test_an_address_that_does_not_work_is_replaced_and_free_again(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, owner_engine: Engine
) -> None:
    for bad, rows in (
        # A new mailbox for the one that bounces; whoever has the old one now is somebody else.
        (
            "email",
            [
                [CUSTOMER_PHONE, "new@example.com", "a"],
                ["", "new@example.com", "b"],
                ["", CUSTOMER_EMAIL, "c"],
            ],
        ),
        ("phone", [["3125550177", CUSTOMER_EMAIL, "d"], ["3125550177", "", "e"], [CUSTOMER_PHONE, "", "f"]]),
    ):
        shop = world.north if bad == "email" else world.south
        with owner_engine.begin() as connection:
            connection.execute(
                text(f"update leads set {bad}_bad_since = now() where id = :id"), {"id": shop.lead_id}
            )
        # The last row alone afterwards: two mistakes could make up for each other in one sum.
        for name, part, expected in (("a", rows[:2], (2, 0)), ("b", rows, (0, 1))):
            path = write(tmp_path / f"{bad}-{name}.csv", part, HEADER)
            forecast = numbers(importing(db, shop, path, clock.now()).forecast())
            assert (forecast["known"], forecast["new"]) == expected
            assert numbers(importing(db, shop, path, clock.now()).run()) == forecast
        again = write(tmp_path / f"{bad}-c.csv", rows[2:], HEADER)
        assert importing(db, shop, again, clock.now()).forecast().before == 1
