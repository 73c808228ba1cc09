"""The one exception of the calendar. It stands alone so that every file of the calendar may raise it."""

from __future__ import annotations


class BookingRefused(Exception):
    """What was asked of the calendar cannot be done, and nothing was changed. The message is a sentence for the
    customer's agent; `code` is for records and tests."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
