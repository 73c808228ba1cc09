"""Complete lists out of an API that ignores what it does not understand (shopmonkey facts 4, 6).

A filtered list is read in order of its field, and each page asks from the last value of the page before on, instead
of counting rows: a row that is changed or deleted meanwhile cannot push another one over the edge of a page. Every row
is held against what was asked. When a filter or an order was ignored, the list is walked from its newest end instead.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import structlog

from crm.connectors.errors import ConnectorError, FilterIgnored
from crm.connectors.shopmonkey.answers import Answer
from crm.connectors.shopmonkey.moments import iso, moment

log = structlog.get_logger(__name__)

# More is clamped without a word (shopmonkey facts 4).
LIMIT = 100
MAX_PAGES = 300
# Answers may be cut to thousandths of a second where the filter compares millionths.
_ROUNDING = timedelta(milliseconds=1)
# How many rows two pages of a walk share: a page without a known row tells that rows went missing in between.
_OVERLAP = 10
_BARREN = 3

Record = dict[str, Any]
Ask = Callable[[str, Mapping[str, str | int]], Answer]
Test = Callable[[Record], bool]


@dataclass(frozen=True)
class Listing:
    """What is wanted of a list: rows whose `field` is at `since` or later and before `until`.

    `where` are further conditions. Those that `sure` tests have to hold, or the filter was ignored; the others only
    save traffic and the caller sorts out what does not fit.
    """

    path: str
    field: str
    since: datetime | None = None
    until: datetime | None = None
    where: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sure: Test | None = None

    def fits(self, row: Record) -> bool:
        """Whether the row is what was asked for."""
        at = moment(row.get(self.field))
        if self.since is not None and (at is None or at < self.since):
            return False
        if self.until is not None and (at is None or at >= self.until):
            return False
        return self.sure is None or self.sure(row)

    def roughly_fits(self, row: Record) -> bool:
        """The same, forgiving what rounding does to a moment."""
        at = moment(row.get(self.field))
        if self.since is not None and (at is None or at < self.since - _ROUNDING):
            return False
        if self.until is not None and (at is None or at >= self.until + _ROUNDING):
            return False
        return self.sure is None or self.sure(row)


@dataclass(frozen=True)
class Page:
    """Rows with an id, and what the list says about itself. `length` counts the rows without one, too."""

    rows: list[Record]
    length: int
    total: int | None
    has_more: bool | None

    def more(self, skip: int) -> bool:
        """Whether something may follow: one sign of it is enough."""
        ends = skip + self.length
        return self.has_more is True or self.length >= LIMIT or (self.total is not None and ends < self.total)


class Lists:
    """Lists of one key. `ask(path, parameters)` makes the request."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def read(self, listing: Listing) -> Iterator[list[Record]]:
        """Every row that fits, once, in pages; ascending by its field.

        Raises FilterIgnored when filter or order was ignored: what was given before is real, what is missing can be
        had from `newest_first`.
        """
        seen: set[str] = set()
        since, skip, barren, shared, total = listing.since, 0, 0, list[str](), None
        for number in range(MAX_PAGES):
            page = self._page(listing, _where(listing, since), "asc", skip)
            more = page.more(skip)
            self._believe(listing, since, page, more=more, first=number == 0)
            new = [row for row in page.rows if row["id"] not in seen]
            seen.update(row["id"] for row in new)
            if fitting := [row for row in new if listing.fits(row)]:
                yield fitting
            ids = [row["id"] for row in page.rows]
            if shared and not _goes_on(page, ids, shared, new, total):
                # Counted, because a page was full of one moment, and the page does not go on where the one before
                # ended: rows went missing or changed places among themselves, so another one was passed by.
                raise FilterIgnored(f"Shopmonkey's {listing.path} list mixes rows of one moment")
            if not more:
                return
            barren = 0 if new else barren + 1
            if barren >= _BARREN:
                self._give_up(listing, page)
                return
            since, skip = _next(listing, page, since, skip) if new else (since, skip + page.length)
            shared = ids[-_OVERLAP:] if new and skip > 0 else []
            skip, total = skip - len(shared), page.total
        raise FilterIgnored(f"the list of Shopmonkey's {listing.path} has no end")

    def newest_first(self, listing: Listing) -> Iterator[list[Record]]:
        """Every row that fits, once, by a walk from the newest end down to `since`; needs no filter at all.

        Raises FilterIgnored when the order is ignored too, or when rows keep moving between pages.
        """
        seen: set[str] = set()
        skip, back = 0, 0
        for _ in range(MAX_PAGES):
            page = self._page(listing, {}, "desc", skip)
            more = page.more(skip)
            if more and not _sorted(page, listing.field, descending=True):
                raise FilterIgnored(f"Shopmonkey ignores the order of its {listing.path} list")
            if skip and page.rows and not any(row["id"] in seen for row in page.rows):
                # Rows above were deleted meanwhile, so this page begins too far down.
                skip, back = max(0, skip - LIMIT // 2), back + 1
                if back > _BARREN:
                    raise FilterIgnored(
                        f"Shopmonkey's {listing.path} list changes faster than it can be read"
                    )
                continue
            new = [row for row in page.rows if row["id"] not in seen]
            seen.update(row["id"] for row in new)
            if fitting := [row for row in new if listing.fits(row)]:
                yield fitting
            if not more or not page.rows or _below(page, listing):
                return
            if _one_moment(page.rows[-_OVERLAP:], listing.field):
                # What two pages share is not enough to tell whether rows of one moment changed places.
                raise FilterIgnored(f"Shopmonkey's {listing.path} list mixes rows of one moment")
            skip += max(1, page.length - _OVERLAP)
        raise FilterIgnored(f"the list of Shopmonkey's {listing.path} has no end")

    def _believe(
        self, listing: Listing, since: datetime | None, page: Page, *, more: bool, first: bool
    ) -> None:
        """Raise FilterIgnored when a page shows that filter or order was ignored and rows may lie elsewhere.

        A page that is the whole list needs neither: it is filtered here.
        """
        if not more:
            return
        asked = dataclasses.replace(listing, since=since)
        strangers = sum(1 for row in page.rows if not asked.roughly_fits(row))
        ordered = _sorted(page, listing.field, descending=False)
        unfiltered = first and since is not None and self._is_everything(listing, page)
        if strangers or unfiltered or not ordered:
            log.warning("shopmonkey_filter_ignored", path=listing.path, field=listing.field, ordered=ordered)
            raise FilterIgnored(f"Shopmonkey ignores the filter of its {listing.path} list")

    def _is_everything(self, listing: Listing, page: Page) -> bool:
        """As many rows as without any filter (shopmonkey facts 4)."""
        if page.total is None:
            return False
        return _page_of(self._ask(listing.path, {"limit": 1, "skip": 0})).total == page.total

    def _page(self, listing: Listing, where: Mapping[str, Any], direction: str, skip: int) -> Page:
        asked: dict[str, str | int] = {"limit": LIMIT, "skip": skip}
        asked["orderby"] = json.dumps({listing.field: direction}, separators=(",", ":"))
        if where:
            asked["where"] = json.dumps(where, separators=(",", ":"), sort_keys=True)
        return _page_of(self._ask(listing.path, asked))

    def _give_up(self, listing: Listing, page: Page) -> None:
        """Pages bring nothing new: the end when only the count says otherwise, else the list cannot be read."""
        if page.has_more is True:
            raise FilterIgnored(f"the pages of Shopmonkey's {listing.path} list repeat themselves")
        log.info("shopmonkey_total_counts_too_many", path=listing.path, total=page.total)


def _where(listing: Listing, since: datetime | None) -> dict[str, Any]:
    where = dict(listing.where)
    bounds = {"gte": since, "lt": listing.until}
    told = {name: iso(value) for name, value in bounds.items() if value is not None}
    return {**where, listing.field: told} if told else where


def _next(listing: Listing, page: Page, since: datetime | None, skip: int) -> tuple[datetime | None, int]:
    """Where the next page begins. When a whole page holds one moment only, rows have to be counted."""
    moments = [at for row in page.rows if (at := moment(row.get(listing.field))) is not None]
    last = max(moments) - _ROUNDING if moments else None
    if last is None or (since is not None and last <= since):
        return since, skip + page.length
    return last, 0


def _goes_on(page: Page, ids: list[str], shared: list[str], new: list[Record], total: int | None) -> bool:
    """Whether a page that was counted to begins with what it shares with the one before, has only new rows after it, and
    stands in a list of the same length: without a length nobody can tell."""
    same = total is not None and page.total == total
    return same and ids[: len(shared)] == shared and len(new) == len(ids) - len(shared)


def _below(page: Page, listing: Listing) -> bool:
    moments = [at for row in page.rows if (at := moment(row.get(listing.field))) is not None]
    return listing.since is not None and bool(moments) and min(moments) < listing.since


def _one_moment(rows: list[Record], name: str) -> bool:
    """Whether at least a shared stretch of rows has one moment only."""
    moments = [at for row in rows if (at := moment(row.get(name))) is not None]
    return len(moments) >= _OVERLAP and max(moments) - min(moments) <= _ROUNDING


def _sorted(page: Page, name: str, *, descending: bool) -> bool:
    """Whether the page is in order. Empty values stand at either end, so they say nothing."""
    moments = [at for row in page.rows if (at := moment(row.get(name))) is not None]
    pairs = pairwise(moments)
    return all((b <= a) if descending else (a <= b) for a, b in pairs)


def _page_of(answer: Answer) -> Page:
    if not isinstance(answer.data, list):
        raise ConnectorError("Shopmonkey answered without a list", kind="transient")
    rows = [row for row in answer.data if isinstance(row, dict) and isinstance(row.get("id"), str)]
    total, more = answer.meta.get("total"), answer.meta.get("hasMore")
    counted = total if isinstance(total, int) and not isinstance(total, bool) else None
    return Page(rows, len(answer.data), counted, more if isinstance(more, bool) else None)
