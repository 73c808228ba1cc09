"""The customer hears what the shop changed in its own calendar: once, as it ended, by the rules; or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from crm.db import Database
from crm.models import ChatSession
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.back_help import MINUTE, Back, cancelled, change, moved, reading_back
from tests.integration.calendar_help import local
from tests.integration.push_help import NINE
from tests.integration.talking import flush

HOUR = timedelta(hours=1)


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        change(made, ChatSession, last_channel="sms")
        yield made


def test_a_move_is_told_when_it_has_stood_for_a_while(back: Back) -> None:
    number = moved(back)
    assert back.debts() == []
    assert back.tell(number, timedelta(seconds=30)) == "not due"
    back.site.clock.advance(timedelta(seconds=30))
    assert back.debts() == [number], "the debt is in the database"
    assert back.tell(number) == "told by sms"
    (body,) = back.texts()
    assert "North Tint had to move your appointment." in body
    assert "It is now Wed, Nov 25 at 11:00 AM, instead of Tue, Nov 24 at 9:00 AM." in body
    assert (back.debts(), back.tell(number)) == ([], "not due")
    back.look()
    assert len(back.texts()) == 1
    assert flush(back.site.runtime, back.site.shop) == "sent"
    assert [one.to_address for one in back.site.texts.sent] == [CUSTOMER_PHONE]


def test_a_cancellation_is_told(back: Back) -> None:
    number = cancelled(back)
    assert back.tell(number) == "told by sms"
    (body,) = back.texts()
    assert "had to cancel your appointment: Tue, Nov 24 at 9:00 AM." in body
    (row,) = back.news()
    assert row.expires_at == NINE


def test_dragging_to_and_fro_is_told_once_as_it_ended(back: Back) -> None:
    number = moved(back)
    back.drag(number, local(26, 9))
    back.look(timedelta(seconds=30))
    assert back.tell(number, timedelta(seconds=40)) == "not due", "the last change has not stood long enough"
    assert back.tell(number, MINUTE) == "told by sms"
    (body,) = back.texts()
    assert "It is now Thu, Nov 26 at 9:00 AM, instead of Tue, Nov 24 at 9:00 AM." in body


def test_what_is_taken_back_is_told_to_nobody(back: Back) -> None:
    number = moved(back)
    back.drag(number, NINE)
    back.look(timedelta(seconds=10))
    assert back.row(number).starts_at == NINE
    assert back.tell(number) == "nothing changed in the end"
    assert (back.texts(), back.row(number).tell_known) == ([], None)


def test_a_shift_below_the_setting_is_told_to_nobody(back: Back) -> None:
    number = moved(back, NINE + 4 * MINUTE)
    assert back.row(number).starts_at == NINE + 4 * MINUTE
    assert back.tell(number) == "nothing changed in the end"
    back.drag(number, NINE + 6 * MINUTE)
    back.look()
    assert back.tell(number) == "nothing changed in the end", "they know of a time two minutes away"
    back.site.settings(tell={"least_shift_minutes": 2, "settle_seconds": 0})
    back.drag(number, NINE + 9 * MINUTE)
    back.look()
    assert back.tell(number, timedelta(0)) == "told by sms"


def test_small_shifts_one_after_the_other_add_up_while_they_are_owed(back: Back) -> None:
    number = moved(back, NINE + 4 * MINUTE)
    back.drag(number, NINE + 8 * MINUTE)
    back.look(timedelta(seconds=10))
    assert back.tell(number) == "told by sms"


def test_what_the_customer_changed_meanwhile_is_not_told(back: Back) -> None:
    number = moved(back)
    back.site.move(local(27, 9))
    assert back.tell(number) == "it was changed again here, and whoever did that knows"
    assert back.site.push(number) == "moved"
    back.drag(number, local(27, 13))
    back.look()
    back.tell(number)
    (body,) = back.texts()
    assert "now Fri, Nov 27 at 1:00 PM, instead of Fri, Nov 27 at 9:00 AM" in body


def test_a_change_after_the_customers_own_counts_from_what_they_chose(back: Back) -> None:
    number = moved(back)
    back.site.move(local(27, 9))
    assert back.site.push(number) == "moved"
    back.drag(number, NINE)
    back.look(timedelta(seconds=5))
    back.tell(number)
    (body,) = back.texts()
    assert "now Tue, Nov 24 at 9:00 AM, instead of Fri, Nov 27 at 9:00 AM" in body


def test_news_that_became_untrue_before_it_left_is_taken_back(back: Back) -> None:
    number = moved(back)
    assert back.tell(number) == "told by sms"
    back.drag(number, local(26, 9))
    back.look()
    assert back.texts() == []
    assert flush(back.site.runtime, back.site.shop) == ""
    back.tell(number)
    (body,) = back.texts()
    assert "now Thu, Nov 26 at 9:00 AM, instead of Tue, Nov 24 at 9:00 AM" in body, (
        "they never heard of Wednesday"
    )
    back.drag(number, NINE)
    back.look()
    assert back.tell(number) == "nothing changed in the end"
    assert back.texts() == []


def test_what_is_over_is_told_to_nobody(back: Back) -> None:
    number = moved(back, local(23, 8))
    assert back.row(number).starts_at == local(23, 8)
    assert back.tell(number) == "it is over"
    number = back.booked(local(24, 13))
    back.site.shopmonkey.cancel_appointment(back.entry(number)["id"])
    back.look()
    assert back.tell(number, timedelta(days=2)) == "it is over"
    assert back.texts() == []


@pytest.mark.parametrize("what", ["moved", "cancelled"])
def test_the_settings_say_who_hears_of_it(back: Back, what: str) -> None:
    back.site.settings(tell={what: "nobody"})
    number = moved(back) if what == "moved" else cancelled(back)
    assert back.tell(number) == "the settings want nobody told"
    assert (back.texts(), back.notices()) == ([], [])


def test_the_shop_may_want_to_tell_the_customer_itself(back: Back) -> None:
    back.site.settings(tell={"moved": "staff"})
    number = moved(back)
    assert back.tell(number) == "the shop was told"
    (notice,) = back.notices()
    assert notice == (
        "Dana Reyes was moved in Shopmonkey: now Wed, Nov 25 at 11:00 AM, before Tue, Nov 24 at 9:00 AM."
        " The customer was not told by us."
    )
    assert back.texts() == []


def test_settings_that_make_no_sense_tell_nobody_until_they_are_mended(back: Back) -> None:
    number = moved(back)
    back.site.settings(tell={"moved": "everybody"})
    assert back.tell(number).startswith("later")
    assert back.debts() == []
    back.site.settings(tell={})
    assert back.tell(number, timedelta(minutes=10)) == "told by sms"


def test_a_crash_between_the_move_and_the_telling_loses_and_doubles_nothing(
    back: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = moved(back)
    back.site.runtime.redis.flushdb()
    back.site.clock.advance(MINUTE)
    assert back.debts() == [number], "the sweeper finds it without any wake-up"

    def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr("scheduler.appointment_tell._over", dies)
        with pytest.raises(RuntimeError):
            back.tell(number)
    assert (back.news(), back.debts()) == ([], [number]), "neither written nor forgotten"
    assert back.tell(number) == "told by sms"
    assert (len(back.texts()), back.debts()) == (1, [])
    with back.site.db.system() as s:
        found = s.execute(
            text("select job from owed_work(:at, 100) where job = 'deliver'"), {"at": back.site.clock.now()}
        )
        assert found.all(), "the message is the debt now"
