"""A number that goes to another business is the other one's with the next text, whatever a web process remembers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from crm.db import Database
from crm.models import ChatMessage, Location
from ops.clock import FixedClock
from tests.conftest import Shop, TestDatabase, World
from tests.integration.sms_help import SID, form, post
from tests.runtimes import runtime_for


@pytest.fixture
def web(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[FlaskClient]:
    """The web process, which remembers numbers."""
    with runtime_for(test_database, redis_url, clock) as made:
        yield create_app(made).test_client()


def give_number(db: Database, world: World) -> None:
    """North's number becomes south's, and north gets another one."""
    old = world.north.phone
    for shop, phone in ((world.north, "+13125550188"), (world.south, old)):
        with db.tenant(shop.tenant_id) as s:
            s.get_one(Location, shop.location_id).phone = phone


def texts(db: Database, shop: Shop) -> list[str]:
    """What customers wrote to a shop."""
    with db.tenant(shop.tenant_id) as s:
        inbound = select(ChatMessage.body).where(ChatMessage.direction == "in").order_by(ChatMessage.id)
        return list(s.scalars(inbound))


@pytest.mark.parametrize("sender", [{}, {"From": "+13125550142"}], ids=["somebody known", "somebody new"])
def test_the_next_text_goes_to_the_new_owner(
    web: FlaskClient, db: Database, world: World, sender: dict[str, str]
) -> None:
    for number, body in enumerate(("one", "two")):
        assert post(web, form(world, body, f"{SID}{number}", **sender)).status_code == 200
    assert texts(db, world.north) == ["one", "two"]
    give_number(db, world)
    for number, body in enumerate(("three", "four")):
        assert post(web, form(world, body, f"{SID}{number + 2}", **sender)).status_code == 200
    assert texts(db, world.north) == ["one", "two"]
    assert texts(db, world.south) == ["three", "four"]


def test_a_stop_goes_to_the_new_owner_as_well(web: FlaskClient, db: Database, world: World) -> None:
    post(web, form(world, "one"))
    give_number(db, world)
    post(web, form(world, "STOP", SID + "2"))
    assert texts(db, world.north) == ["one"]
    assert texts(db, world.south) == ["STOP"]


def test_a_text_to_a_number_that_nobody_has_any_more_is_kept_aside(
    web: FlaskClient, db: Database, world: World
) -> None:
    post(web, form(world, "one"))
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Location, world.north.location_id).phone = None
    assert post(web, form(world, "two", SID + "2")).status_code == 200
    assert texts(db, world.north) == ["one"]
