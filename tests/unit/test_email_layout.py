"""The HTML beside the plain text: the same words, nothing of its own, links that lead to us only."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.layout import html_body, is_ours

OURS = ("north.example", "hooks.example.com")
LINK = "https://hooks.example.com/u/abc_DEF-1"


class Reader(HTMLParser):
    """What a person reads of a page, and what a program would follow or load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self._in_body = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_body = self._in_body or tag == "body"
        self.links += [
            value or "" for name, value in attrs if name in ("href", "src", "background", "action")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._in_body:
            self.words.append(data)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_everything_is_escaped_and_only_our_links_are_links() -> None:
    text = (
        "<script>alert(1)</script>\n\nSee https://north.example/map?a=1&b=2. Not https://evil.example/x, nor"
        ' https://north.example@evil.example/, nor https://north.example.evil.example.\n"ok" javascript:alert(1)'
    )
    page = html_body(text, subject="<b>Tint</b>", our_hosts=OURS)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert (
        '<a href="https://north.example/map?a=1&amp;b=2">https://north.example/map?a=1&amp;b=2</a>.' in page
    )
    assert "<title>&lt;b&gt;Tint&lt;/b&gt;</title>" in page
    assert Reader(page).links == ["https://north.example/map?a=1&b=2"]
    assert Reader(html_body(text)).links == []


def test_paragraphs_lists_and_the_footer() -> None:
    text = (
        "Hi Dana,\nthis fits:\n- Full tint: $449\n  Lifetime warranty.\n- Sun strip: $59\nWhich one?\n\n"
        f"--\nNorth Tint\n1 Lake Street\n\nTo stop these emails open:\n{LINK}\n"
    )
    page = html_body(text, our_hosts=OURS)
    assert ">Hi Dana,<br>this fits:</p>" in page
    assert ">Full tint: $449<br>Lifetime warranty.</li>" in page
    assert page.count("<li") == 2
    assert ">Which one?</p>" in page
    body, footer = page.split("border-top", 1)
    assert "North Tint" not in body
    assert ">North Tint<br>1 Lake Street</p>" in footer
    assert f'<a href="{LINK}">{LINK}</a></p>' in footer


@pytest.mark.parametrize("text", ["--\nonly a footer", "--", "\n\n", "- ", "-- no rule", "a\n--\nb\n--\nc"])
def test_odd_texts_lose_no_words(text: str) -> None:
    assert words(" ".join(Reader(html_body(text)).words)) == words(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=200))
def test_the_words_are_the_texts_and_the_page_never_changes(text: str) -> None:
    page = html_body(text, our_hosts=OURS)
    assert page == html_body(text, our_hosts=OURS)
    reader = Reader(page)
    assert words("".join(f"{one} " for one in reader.words)) == words(text)
    assert set(reader.tags) <= {"html", "head", "meta", "title", "body", "div", "p", "br", "ul", "li", "a"}


@given(st.lists(st.sampled_from(["- a", "* b", "  c", "d", "", "--", "-", "<e>", LINK, "\te"]), max_size=12))
def test_lists_and_rules_in_any_order(lines: list[str]) -> None:
    text = "\n".join(lines)
    reader = Reader(html_body(text, our_hosts=OURS))
    assert words(" ".join(reader.words)) == words(text)
    assert set(reader.links) <= {LINK}


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://north.example/", True), ("https://www.north.example/x", True),
        ("https://NORTH.example:8443/x", True), ("https://notnorth.example/", False),
        ("https://north.example.evil.example/", False), ("https://north.example@evil.example/", False),
        ("https://bank.example@north.example/", False),
        ("https://evil.example/north.example", False), ("https://[bad", False), ("https:///", False),
    ],
)  # fmt: skip
def test_which_addresses_are_ours(url: str, ours: bool) -> None:
    assert is_ours(url, OURS) is ours
    assert not is_ours(url, ("",))


def test_nothing_is_loaded_and_nothing_has_a_colour_of_its_own() -> None:
    page = html_body("Hi", subject="Hi")
    assert "http" not in page
    assert not re.search(r"<(?:img|link|script|style|table)|background|[^-]color:", page)
    assert '<meta name="color-scheme" content="light dark">' in page
