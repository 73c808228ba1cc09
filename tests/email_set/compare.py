"""Libraries of others on the mails of the two sets, beside ours: `python -m tests.email_set.compare`.

Run it in an environment that holds the candidates; those that are missing are left out. Exact matches count; how lines
are wrapped does not. The figures of the day the choice was made stand in ARCHITECTURE.md.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Callable

from channels.email.html_text import html_to_text
from channels.email.lines import plain_lines
from channels.email.mail import Words
from channels.email.signatures import without_ending
from channels.email.words import read_words
from tests.email_set.cases import HELD_OUT, TUNED, Case, Reader, load, score

LANGUAGES = ["en", "es", "fr", "de", "it", "pl", "nl", "ja", "zh", "ko"]


def _text_of(plain: str, html: str) -> str:
    return plain if plain.strip() else html_to_text(html)


def _parser_reply(*, body: bool) -> Reader:
    """mail-parser-reply; `body` leaves out what it takes for signatures, too."""
    parser = importlib.import_module("mailparser_reply").EmailReplyParser(languages=LANGUAGES)

    def read(plain: str, html: str) -> Words:
        replies = parser.read(_text_of(plain, html)).replies
        found = (replies[0].body if body else replies[0].content) if replies else ""
        return Words(found or "", "")

    return read


def _quotequail() -> Reader:
    """quotequail on the HTML where there is one, else on the text; what it finds no quote in is all new."""
    quail = importlib.import_module("quotequail")
    importlib.import_module("lxml")

    def read(plain: str, html: str) -> Words:
        if html.strip():
            found = quail.unwrap_html(html)
            top = found.get("html_top", "") + found.get("html_bottom", "") if found else html
            return Words(html_to_text(top), "")
        found = quail.unwrap(plain)
        top = "\n".join(found.get(part, "") for part in ("text_top", "text_bottom")) if found else plain
        return Words(top, "")

    return read


def _quotequail_and_our_endings() -> Reader:
    """The same, with device lines, signatures and disclaimers cut as ours are, which it does not look for."""
    read_quotes = _quotequail()

    def read(plain: str, html: str) -> Words:
        lines = plain_lines(read_quotes(plain, html).text.strip())
        return Words("\n".join(line.marked for line in without_ending(lines)), "")

    return read


def _everything() -> Reader:
    return lambda plain, html: Words(_text_of(plain, html), "")


CANDIDATES: dict[str, Callable[[], Reader]] = {
    "ours": lambda: read_words,
    "mail-parser-reply, body": lambda: _parser_reply(body=True),
    "mail-parser-reply, content": lambda: _parser_reply(body=False),
    "quotequail": _quotequail,
    "quotequail, our endings": _quotequail_and_our_endings,
    "nothing cut": _everything,
}


def _row(name: str, reader: Reader, sets: list[list[Case]]) -> str:
    before = time.process_time()
    results = [score(cases, reader) for cases in sets]
    spent = time.process_time() - before
    exact = "  ".join(f"{sum(one.exact for one in result):>4} / {len(result)}" for result in results)
    wanted = [(one.text, one.case.expect) for result in results for one in result]
    lost = sum(not set(expect.split()) <= set(text.split()) for text, expect in wanted)
    ours = sum("unsubscribe" in text and "unsubscribe" not in expect for text, expect in wanted)
    return f"{name:<28} {exact}   {lost:>4}   {ours:>4}   {1000 * spent / len(wanted):7.2f}"


def main() -> None:
    """Print a table of the candidates that are installed."""
    warnings.simplefilter("ignore")
    sets = [load(TUNED), load(HELD_OUT)]
    print(f"{'':<28} tuned      held out   lost words   our footer read   ms a mail")
    for name, make in CANDIDATES.items():
        try:
            reader = make()
        except ImportError as error:
            print(f"{name:<28} not installed ({error.name})")
            continue
        print(_row(name, reader, sets))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
