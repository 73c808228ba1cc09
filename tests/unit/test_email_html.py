"""Mail that is written in HTML: its words, its quotes, what it hides, and what is broken or hostile."""

from __future__ import annotations

import time

import pytest

from channels.consent import read_message
from channels.email.html_text import html_to_text
from channels.email.words import read_words
from tests.unit.email_help import parsed


def test_html_only_mail_is_read_and_its_quote_left_out() -> None:
    html = (
        "<html><head><style>p{}</style></head><body><div dir='ltr'>Yes &amp; thanks<br>see you</div>"
        "<div class='gmail_quote gmail_quote_container'><div class='gmail_attr'>On Mon, someone wrote:</div>"
        "<blockquote>Reply STOP to stop</blockquote></div></body></html>"
    )
    mail = parsed(headers="From: dana@example.com\n", html=html)
    assert mail.text == "Yes & thanks\nsee you"
    assert "Reply STOP" in mail.full_text


@pytest.mark.parametrize(
    "html",
    [
        "<p>Yes</p><div id='appendonsend'></div><hr><div>Old words</div>",
        "<div>Yes</div><div id='x_divRplyFwdMsg'>From: Shop</div><div>Old words</div>",
        "<div>Yes</div><blockquote type='cite'><div>Old <blockquote>words</blockquote></div></blockquote>",
        "Yes<div class=yahoo_quoted><p>Old words",
    ],
)
def test_quotes_of_other_programs(html: str) -> None:
    assert read_words("", html).text == "Yes"
    assert "Old" in html_to_text(html)


@pytest.mark.parametrize(
    "html", ["<", "<![", "<!DOCTYPE [", "<!-- x", "<p" * 1000, "</" * 1000, "&#xD800;&#0;x"]
)
def test_broken_html_never_raises(html: str) -> None:
    mail = parsed(html=html, **{"from": "dana@example.com"})
    assert "\x00" not in mail.full_text
    mail.full_text.encode()


@pytest.mark.parametrize(
    "piece", ["<a ", "<!--", "<a href='", "<", "<script>", "<a b=c >", "</", "<![CDATA["]
)
def test_hostile_html_takes_bounded_time(piece: str) -> None:
    before = time.process_time()
    html_to_text(piece * (300_000 // len(piece)))
    assert time.process_time() - before < 5, "html.parser alone takes minutes for some of these"


def test_pictures_inside_their_address_and_lone_brackets() -> None:
    assert (
        html_to_text(f"<p>5 < 6</p><img src='data:image/png;base64,{'A' * 9000}'>ok<!-- a < b -->")
        == "5 < 6\nok"
    )


STOP = "STOP unsubscribe all"


@pytest.mark.parametrize(
    "hidden",
    [
        f"<div style='display:none'>{STOP}</div>",
        f"<div style='max-height:0; DISPLAY : none !important'><p>x</p><div>{STOP}</div></div>",
        f"<span style='visibility: hidden'>{STOP}</span>",
        f"<p style='opacity:0'>{STOP}</p>",
        f"<p style='opacity: 0.0; color: #fff'>{STOP}</p>",
        f"<section hidden>{STOP}</section>",
        f"<div hidden='until-found'>{STOP}<br>{STOP}</div>",
    ],
)
def test_what_a_mail_hides_is_nobodys_word(hidden: str) -> None:
    html = f"{hidden}<p>How much is a tint?</p>{hidden}"
    assert html_to_text(html) == "How much is a tint?"
    mail = parsed(headers="From: dana@example.com\n", subject="Tint", html=html)
    assert read_message(mail.text, mail.subject, automatic=False, channel="email") is None


@pytest.mark.parametrize(
    "html",
    [
        f"<p style='display:block'>{STOP}</p>",
        f"<p style='opacity:0.8'>{STOP}</p>",
        f"<p style='fill-opacity:0'>{STOP}</p>",
        f"<p style='display:none'>preview</p><p>{STOP}</p>",
        f"<div style='display:none'>preview<div>never closed</div><p>{STOP}</p>",
        f"<p style='display:none'>preview<p>{STOP}</p>",
        f"<img style='display:none' src='x'><p>{STOP}</p>",
        f"<div hidden>{STOP}</div>",
    ],
    ids=range(8),
)
def test_a_stop_that_may_be_the_persons_is_never_lost(html: str) -> None:
    """Shown, behind something hidden that never ends, or all there is: in doubt nobody is written to."""
    found = read_message(html_to_text(html), None, automatic=False, channel="email")
    assert found is not None
    assert found.meaning == "stop"
