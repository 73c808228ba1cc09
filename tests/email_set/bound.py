"""Processor time of hostile mails against their size: `python -m tests.email_set.bound`.

All limits of size are lifted. Each shape is read at doubling sizes; reading is linear when the time doubles, too. Beside
it stands the same for `str.split`, which is linear, measured in the same run: that is what this machine calls doubling.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from channels.email import html_tokens, words
from tests.email_set.hostile import HTML, PLAIN

SIZES = (50_000, 100_000, 200_000)
UNLIMITED = 1 << 40


def lift_limits() -> None:
    """Take away the limits that bound the time of any mail, so that only its growth counts."""
    words.MAX_TEXT = html_tokens.MAX_TAGS = html_tokens.MAX_TEXT = html_tokens.MAX_RAW = UNLIMITED


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time, the best of three."""
    times = []
    for _ in range(3):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times)


def growth(times: list[float]) -> float:
    """How much the time grew from the smallest to the largest size, for each doubling."""
    doublings = len(times) - 1
    return float((times[-1] / max(times[0], 1e-4)) ** (1 / doublings))


def main() -> None:
    """Print a line for each shape, the steepest first."""
    lift_limits()
    rows = []
    for kind, shapes in (("plain", PLAIN), ("html", HTML)):
        for name, make in shapes.items():
            texts = [make(size) for size in SIZES]
            pairs = [(text, "") if kind == "plain" else ("", text) for text in texts]
            times = [spent(lambda pair=pair: words.read_words(*pair)) for pair in pairs]  # type: ignore[misc]
            floor = [spent(lambda text=text: [text.split() for _ in range(50)]) for text in texts]  # type: ignore[misc]
            rows.append((growth(times), growth(floor), times[-1], f"{kind} {name}"))
    print(f"{'':<34} growth   of split   seconds at {SIZES[-1]:,} characters")
    for steep, floor_steep, last, name in sorted(rows, reverse=True):
        print(f"{name:<34} {steep:6.2f}   {floor_steep:6.2f}   {last:8.3f}")


if __name__ == "__main__":
    main()
