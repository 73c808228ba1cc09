"""News of a visit waits in the outbox while things go on: it never leaves untrue, and what never leaves is told to the
shop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crm.calendar.booker import Booker
from crm.calendar.states import cancel, confirm
from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatSession, Lead
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.back_help import Back, cancelled, change, moved, reading_back
from tests.integration.calendar_help import local
from tests.integration.push_help import NINE
from tests.integration.talking import flush, hear


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        change(made, ChatSession, last_channel="sms")
        yield made


def booker(back: Back, lead_id: int | None = None) -> Booker:
    return Booker(lead_id, None, "owner", back.site.clock.now(), why="a call")


def waiting(back: Back, number: int) -> None:
    """The news is written and has not left."""
    assert back.tell(number) == "told by sms"


def ends(back: Back) -> list[tuple[str, str | None]]:
    return [(one.status, one.error) for one in back.news()]


def cancel_here(back: Back, number: int) -> None:
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        cancel(s, booker(back), number)


def move_here(back: Back, number: int) -> None:
    back.site.move(local(27, 9))
    assert back.row(number).starts_at == local(27, 9)


def erase_from_them(back: Back, number: int) -> None:
    """The shop gives the visit to somebody else."""
    back.site.change(number, lead_id=None)


@pytest.mark.parametrize(
    ("change_of_ours", "why"),
    [
        (cancel_here, "the appointment it is about is no more"),
        (move_here, "the appointment was moved after this was written"),
        (erase_from_them, "the appointment it is about is no more"),
    ],
)
def test_a_move_that_we_overtook_is_not_told(back: Back, change_of_ours: Any, why: str) -> None:
    number = moved(back)
    waiting(back, number)
    change_of_ours(back, number)
    assert flush(back.site.runtime, back.site.shop) == "dropped"
    assert ends(back) == [("dropped", why)]
    assert (back.site.texts.sent, back.notices()) == ([], []), "whoever changed it knows"


def test_a_visit_that_is_confirmed_meanwhile_is_told_all_the_same(back: Back) -> None:
    number = moved(back)
    waiting(back, number)
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        confirm(s, booker(back), number)
    assert flush(back.site.runtime, back.site.shop) == "sent"


def test_a_cancellation_leaves_while_it_is_still_cancelled(back: Back) -> None:
    number = cancelled(back)
    waiting(back, number)
    assert flush(back.site.runtime, back.site.shop) == "sent"


def test_a_cancellation_that_was_taken_back_is_not_told(back: Back) -> None:
    number = cancelled(back)
    waiting(back, number)
    back.site.change(number, status="booked")
    flush(back.site.runtime, back.site.shop)
    assert ends(back) == [("dropped", "the appointment stands again")]
    assert back.site.texts.sent == []


def takes_over(back: Back) -> None:
    change(back, ChatSession, state="human")


def revokes(back: Back) -> None:
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        record_consent(
            s, tenant_id=back.site.shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke",
            actor="customer", source="text", evidence="STOP", effective_at=back.site.clock.now(),
        )  # fmt: skip


def says_stop(back: Back) -> None:
    hear(back.site.runtime, back.site.shop, "STOP")


def loses_the_number(back: Back) -> None:
    change(back, Lead, phone_bad_since=back.site.clock.now())


@pytest.mark.parametrize("what", [takes_over, revokes, says_stop, loses_the_number])
@pytest.mark.parametrize("make", [moved, cancelled])
def test_news_that_cannot_leave_any_more_is_told_to_the_shop(back: Back, make: Any, what: Any) -> None:
    number = make(back)
    waiting(back, number)
    what(back)
    flush(back.site.runtime, back.site.shop)
    ((status, why),) = ends(back)
    assert status in ("dropped", "withheld")
    (notice,) = [one for one in back.notices() if "was to hear" in one]
    assert notice == (
        f"What Dana Reyes was to hear about their appointment was not sent: {why}. Please tell them. See: leads"
        f" transcript {back.site.shop.lead_id}"
    )


def test_what_a_newer_change_took_back_is_told_to_nobody(back: Back) -> None:
    number = moved(back)
    waiting(back, number)
    back.drag(number, NINE)
    back.look()
    assert ends(back) == [("dropped", "the appointment was changed again before this was sent")]
    assert back.notices() == []


def test_what_is_untrue_by_now_is_no_news_when_a_person_takes_over(back: Back) -> None:
    number = moved(back)
    waiting(back, number)
    cancel_here(back, number)
    takes_over(back)
    assert flush(back.site.runtime, back.site.shop) == "dropped"
    assert back.notices() == []


def test_the_shop_is_told_when_the_customer_is_not_asked_for_another_time_in_the_end(back: Back) -> None:
    """Both bays are taken in Shopmonkey, so the customer is to choose anew."""
    for name in ("Oil change", "Brakes"):
        back.site.busy(NINE, 2.5, name=name)
    assert back.site.push(back.site.book()) == "clash"
    takes_over(back)
    flush(back.site.runtime, back.site.shop)
    assert [one.status for one in back.site.asked()] == ["dropped"]
    (told,) = [one for one in back.site.told() if "was to hear" in one]
    assert "was not sent: a person has taken over the conversation. Please tell them." in told
