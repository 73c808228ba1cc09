"""What holds for every mail: no word is lost, nothing falls, and the time is bounded."""

from __future__ import annotations

import html as markup
import re
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from channels.email import html_tokens, words
from channels.email.lines import says_something
from channels.email.words import MAX_TEXT, read_words
from tests.email_set import shapes
from tests.email_set.cases import as_html, filled, our_mail
from tests.email_set.hostile import HTML, PLAIN

WORD = re.compile(r"\w+")
FRAGMENTS = [
    "> ", ">> ", "\n", "\n\n", "-- \n", "--", "On Mon, Nov 23, 2026 at 9:14 AM N <a@b.example> wrote:\n",
    "From: a@b.example\n", "Sent: Monday\n", "To: c@d.example\n", "Subject: x\n", "________________\n",
    "-----Original Message-----\n", "---------- Forwarded message ---------\n", "Sent from my iPhone\n",
    "Begin forwarded message:\n", "Confidentiality notice\n", "This message is confidential\n", "a", "Yes ", "5 < 6",
    'To stop these emails, reply "unsubscribe"', "This is a commercial message. You get it because ", "wrote:", "\t",
    "\u200b", "\xa0", "👍", "é", "日本", "\x00", "\ud800", "Reply STOP to opt out",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=8)), max_size=24).map("".join)
TAGS = [
    "div", "p", "span", "b", "a", "blockquote", "table", "td", "tr", "ul", "li", "pre", "font", "o:p", "section", "i",
]  # fmt: skip
NAMES = [
    "", " class='gmail_quote'", " class='gmail_attr'", " type='cite'", " id='appendonsend'", " id='divRplyFwdMsg'",
    " class='yahoo_quoted'", " class='gmail_signature'", " style='border-left:1px'", " class='moz-cite-prefix'",
    " style='white-space:pre'", " class='protonmail_quote'", " name='quote'", " id='Signature'", " class=MsoNormal",
    " style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'", " style='font-size:12px'",
]  # fmt: skip
WORDS_OF_HTML = st.sampled_from(
    ["stop", "Yes", "2", "On", "From: a", "wrote:", "5", "Tuesday 9:30", "👍", "x@y.example"]
)
LEAF = WORDS_OF_HTML.map(lambda word: f" {markup.escape(word)} ")
TREES = st.recursive(
    LEAF,
    lambda inner: st.builds(
        lambda tag, name, parts: f"<{tag}{name}>{''.join(parts)}</{tag}>",
        st.sampled_from(TAGS), st.sampled_from(NAMES), st.lists(inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip
SAID_WORDS = [
    "I", "you", "wrote", "on", "Tuesday", "9:30", "for", "2", "cars", "from:", "Chicago,", "please", "-", "the", "--",
    "rear.", "Sent", "mail?", "No!", "stop", ">", "50%", "iPhone", "message", "original", "forwarded", "confidential",
    "To", "Subject:",
]  # fmt: skip
SAID = st.lists(
    st.lists(st.sampled_from(SAID_WORDS), min_size=1, max_size=9).map(
        lambda said: f"well {' '.join(said)} ok"
    ),
    min_size=1,
    max_size=4,
).map("\n".join)


@settings(max_examples=300)
@given(TEXTS)
@example("> \n>> a")
@example("-- \nDana")
def test_no_visible_word_of_a_plain_text_is_lost(text: str) -> None:
    found = read_words(text, "")
    assert WORD.findall(found.full) == WORD.findall(text)
    assert bool(found.text) or not says_something(text)
    assert says_something(found.text) == says_something(text)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(TREES)
def test_no_visible_word_of_an_html_text_is_lost(html: str) -> None:
    visible = WORD.findall(markup.unescape(re.sub(r"<[^<>]*>", " ", html)))
    found = read_words("", html)
    assert WORD.findall(re.sub(r"^\d+\. ", "", found.full, flags=re.MULTILINE)) == visible
    assert says_something(found.text)


@settings(max_examples=300)
@given(TEXTS, st.text(alphabet="<>/!-ab ='\"&#;x\n", max_size=60))
def test_two_parts_of_any_kind(plain: str, html: str) -> None:
    found = read_words(plain, html)
    if says_something(plain):
        assert says_something(found.text)
        assert set(WORD.findall(plain)) <= set(WORD.findall(found.full))


ROWS = [row for row in shapes.rows() if row["client"] != "thunderbird-bottom"]


@settings(max_examples=200)
@given(SAID, st.sampled_from(ROWS))
def test_whatever_a_person_says_is_kept_in_every_program(said: str, row: dict[str, Any]) -> None:
    """The person's lines in place of those of the corpus; only what follows them is cut."""
    ours = our_mail(str(row["id"]), "en")
    own = str(row["expect"])
    plain = filled(str(row.get("plain", "")), ours).replace(own, said, 1)
    html = filled(str(row.get("html", "")), ours)
    for form in (shapes.divs, shapes.word):
        html = html.replace(form(own), form(said), 1)
    assert read_words(plain, html).text.split() == said.split()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", PLAIN)
def test_a_hostile_plain_text_is_read_in_time(name: str) -> None:
    """Far over the limit. What is quadratic takes minutes here and runs into the test's own time-out."""
    text = PLAIN[name](20 * MAX_TEXT)
    assert says_something(read_words(text, "").text) == says_something(text[:MAX_TEXT])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", HTML)
def test_a_hostile_html_text_is_read_in_time(name: str) -> None:
    found = read_words("Yes, Tuesday", HTML[name](4 * html_tokens.MAX_TEXT))
    assert "Yes, Tuesday" in found.text
    assert len(found.text) <= MAX_TEXT


@pytest.mark.parametrize(
    ("kind", "name"), [("plain", one) for one in PLAIN] + [("html", one) for one in HTML]
)
def test_twice_the_mail_is_twice_the_work(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in calls, with the limits lifted. Time is measured by `python -m tests.email_set.bound`."""
    for module, limit in ((words, "MAX_TEXT"), (html_tokens, "MAX_TAGS"), (html_tokens, "MAX_TEXT")):
        monkeypatch.setattr(module, limit, 1 << 40)
    make = {"plain": PLAIN, "html": HTML}[kind][name]
    read_words("warm", "<p>up")
    pairs = [(make(size), "") if kind == "plain" else ("", make(size)) for size in (8_000, 16_000)]
    once, twice = (_calls(*pair) for pair in pairs)
    assert twice <= 2.2 * once + 200


def _calls(plain: str, html: str) -> int:
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        read_words(plain, html)
    finally:
        sys.setprofile(before)
    return count


def test_as_html_of_our_mail_is_cut_off_in_no_shape() -> None:
    """A mail of ours with nothing around it is all there is, so it is shown; its footer is not."""
    ours = our_mail("hello", "en")
    assert "unsubscribe" in ours
    for found in (read_words(ours, ""), read_words("", as_html(ours))):
        assert "unsubscribe" not in found.text
        assert "unsubscribe" in found.full
