"""How a connector fails. Every message is fit to be shown to an owner."""

from __future__ import annotations

from typing import Literal

ConnectorErrorKind = Literal["permanent", "transient", "misconfigured"]


class ConnectorError(Exception):
    """An outside system did not give what was asked.

    permanent: asking again gives the same (the record is gone); transient: ask again, after `retry_after_s`
    seconds if it says so; misconfigured: an owner has to act (key, permission, address). `status` is the HTTP
    status when there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ConnectorErrorKind,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s


class NotSupported(ConnectorError):
    """This connector cannot do that; `capabilities` says so beforehand."""

    def __init__(self, connector: str, what: str) -> None:
        super().__init__(f"{connector} cannot do this: {what}", kind="permanent")


class Uncertain(ConnectorError):
    """A write that may have happened: never repeat it blindly, look for it first (`find_appointment`)."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message, kind="transient", status=status)


class FilterIgnored(ConnectorError):
    """A list came back unfiltered or unsorted, and the walk that does without cannot be trusted either.

    What was read so far is real; that nothing is missing cannot be said, so no watermark may move.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="transient")
