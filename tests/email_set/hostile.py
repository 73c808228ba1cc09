"""Mails made to cost time, each as a shape of any size."""

from __future__ import annotations

from collections.abc import Callable


def _times(piece: str) -> Callable[[int], str]:
    return lambda size: (piece * (size // len(piece) + 1))[:size]


PLAIN: dict[str, Callable[[int], str]] = {
    name: _times(piece)
    for name, piece in {
        "on a a a": "On a ",
        "on lines": "On a a a a\n",
        "on and dates": "On Nov 23, 2026 at 9:14 AM <a@b.c\n",
        "colons": "On 2026 9:14 a@b.c:\n",
        "verbs": "wrote wrote: ",
        "verb lines": "On 11/11/2026 wrote 9:14\n",
        "quote marks": "> ",
        "quoted lines": "> a\n",
        "alternating": "> a\nb\n",
        "labels": "From: \n",
        "all labels": "From: a\nSent: b\nTo: c\nSubject: d\n",
        "blank lines": "a\n\n",
        "only blank lines": "\n",
        "spaces": "a" + " " * 60,
        "delimiters": "a\n--\n",
        "delimiters and sentences": "--\nIs this a question?\n",
        "rules": "_" * 40 + "\n",
        "dashes": "- " * 30 + "\n",
        "one dashed line": "-",
        "original": "----- Original Message ----\n",
        "device lines": "Sent from my iPhone\n",
        "device words": "Sent from my iPhone X X X X X X X X X X X X x\n",
        "sent": "sent from ",
        "disclaimers": "This e-mail is\n\n",
        "confidential": "Confidentiality notice\n\n",
        "our footer": "This is a commercial message. You get it because ",
        "our footer broken": "This is a commercial ",
        "addresses": "a@b.c ",
        "at signs": "@",
        "letters": "a",
        "stops": "To stop these emails, reply ",
    }.items()
}
HTML: dict[str, Callable[[int], str]] = {
    name: _times(piece)
    for name, piece in {
        "open tags": "<a ",
        "angle brackets": "<",
        "comments": "<!--",
        "closed comments": "<!-- a --",
        "open values": "<a href='",
        "mixed values": "<a b=\"'>",
        "values": "<a b=\"c\" d='e' f=g>",
        "long values": "<a b='" + ">" * 50,
        "scripts": "<script>",
        "script ends": "</script",
        "style and end": "<style></style>",
        "ends": "</",
        "end tags": "</div>",
        "declarations": "<![CDATA[",
        "instructions": "<?xml ",
        "divs": "<div>",
        "divs and text": "<div>a",
        "spans": "<span>a",
        "bold": "<b><i>a</b>",
        "paragraphs": "<p>a",
        "items": "<ol><li>a",
        "cells": "<table><td>a",
        "quotes": "<blockquote type=cite>a",
        "closed quotes": "<blockquote type=cite>a</blockquote>b",
        "hidden": "<div style='display:none'>a",
        "styles": "<p style='" + "/* " * 20 + "'>a</p>",
        "entities": "&amp;&#65;&notin;&",
        "ampersands": "&",
        "digits": "&#1",
        "long digits": "&#" + "1" * 90,
        "breaks": "<br>",
        "pictures": "<img src='data:" + "A" * 500 + "'>a",
        "rests": "<div id=appendonsend></div>a",
        "boxes": "<div class=gmail_quote>a",
        "pre": "<pre>a\n",
        "classes": "<p class='" + "x_" * 40 + "'>a</p>",
        "asides": "<p aria-hidden=true>a</p>",
    }.items()
}
