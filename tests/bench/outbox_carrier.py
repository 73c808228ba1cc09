"""The carrier of the outbox benchmark: the Twilio stand-in in a process of its own, until its input ends."""

from __future__ import annotations

import sys

from tests.standins.twilio import TwilioStandIn

SID, TOKEN = "AC" + "0" * 32, "bench-token"


def main() -> None:
    """Print the address and serve."""
    with TwilioStandIn(SID, TOKEN) as twilio:
        print(twilio.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
