"""The words of a person in HTML: tags as browsers read them, what is hidden, and what mail programs mark as quoted."""

from __future__ import annotations

import pytest

from channels.email.html_style import look_of, role_of
from channels.email.html_text import html_lines, html_to_text
from channels.email.html_tokens import MAX_TAGS, MAX_TEXT, tokens
from channels.email.words import read_words


def text_of(html: str) -> str:
    return read_words("", html).text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b", "a\nb"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<p class=MsoNormal>a</p><p class=MsoNormal>&nbsp;</p><p class=x_MsoNormal>b</p>", "a\n\nb"),
        ("<ul><li>a<li>b</ul><ol><li>c</li><li>d</li></ol>", "- a\n- b\n\n1. c\n2. d"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\n\n  b</pre>", "a\n\nb"),
        ("<div style='white-space: pre-wrap'>a\nb</div>", "a\nb"),
        ("a\n  b\tc&nbsp;d", "a b c d"),
        ("S<span>T</span>O<b>P</b>", "STOP"),
        ("&lt;b&gt; &amp; &#8364; &eacute; &unknown; &", "<b> & € é &unknown; &"),
        ("&#99999999999999999999; &#x110000; &#0;x", "\ufffd \ufffd \ufffdx"),
        ("5 < 6 > 4 <3 <", "5 < 6 > 4 <3 <"),
        ("<!-- a --><!doctype html><?xml a?><![if !mso]>b<![endif]>", "b"),
        ("<!--[if mso]><p>a</p><![endif]-->b", "b"),
        ("<!-- never ended b", "never ended b"),
        ("<title>a</title><style>b</style><script>c<d</script>e", "e"),
        ("<title>never ended<p>e</p>", "never ended\n\ne"),
        ("<head><meta charset=utf-8>a</head><body>b", "ab"),
        ("<div title='x > y' data-a=\"'>\">a</div>", "a"),
        ("<div title=don't>a</div>", "a"),
        ("<o:p>a</o:p><custom-tag>b</custom-tag>", "ab"),
        ("<p>a<b>b<p>c</b>d", "ab\n\ncd"),
        ("</div></p>a</html></body>b", "ab"),
        ("<img alt='👍' src=x>", "👍"),
        ("a<img alt='Reply STOP' src=x>", "a"),
        ("<svg><text>a</text></svg><template>b</template>c", "c"),
        ("&gt; quoted<br>mine", "> quoted\nmine"),
        ("\u200b\ufeffa\u00adb", "ab"),
    ],
)
def test_html_as_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY : NONE !important",
        "color:red;display:/* x */none",
        "visibility:hidden",
        "visibility:collapse",
        "font-size:0",
        "font-size:0px;line-height:0",
        "font-size:0.0em",
        "font-size:1px",
        "opacity:0",
        "opacity:0.0",
        "max-height:0;overflow:hidden",
        "height:0px;overflow:hidden",
        "position:absolute;left:-9999px",
        "text-indent:-9999px",
        "clip:rect(0 0 0 0)",
    ],
)
def test_hidden_words_are_nobodys(style: str) -> None:
    for tag in ("div", "span", "p", "td", "a"):
        html = f'<div>How much?</div><{tag} style="{style}">stop <b>unsubscribe</b></{tag}><div>Thanks</div>'
        assert text_of(html).split() == ["How", "much?", "Thanks"], tag
        assert "stop" not in read_words("", html).full
    assert text_of(f'<div style="{style}">alone</div>') == "alone", "rather a hidden word than a lost mail"
    assert read_words("How much? Thanks", html).text.split() == ["How", "much?", "Thanks"]


@pytest.mark.parametrize(
    "style",
    [
        "display:block", "visibility:visible", "font-size:10px", "font-size:.9em", "font-size:1em", "opacity:0.9",
        "opacity:0.05", "max-height:0", "overflow:hidden", "height:100%;overflow:hidden", "left:-1px", "color:#fff",
        "fill-opacity:0", "xdisplay:none", "",
    ],
)  # fmt: skip
def test_shown_words_are_kept(style: str) -> None:
    assert text_of(f'<div style="{style}">a</div>b') == "a\nb"


def test_what_a_child_shows_again_is_shown() -> None:
    shown = "<i style='font-size:12px'>a</i><i style='visibility:visible'>b</i>"
    assert text_of(f"<div>x <span style='font-size:0'>no{shown}no</span></div>") == "x a"
    assert text_of(f"<div>x <span style='visibility:hidden'>no{shown}no</span></div>") == "x b"
    assert text_of(f"<div>x <span style='display:none'>no{shown}no</span></div>") == "x"


def test_plain_text_does_not_bring_hidden_words_back() -> None:
    html = "<div style='display:none'>unsubscribe stop now please all</div><p>How much?</p>"
    assert read_words("unsubscribe stop now please all\nHow much?", html).text == "How much?"


def test_read_aloud_only() -> None:
    html = "<span aria-hidden=true>preview</span><p>Hi</p>"
    assert text_of(html) == "Hi"
    assert text_of("<span aria-hidden='true'>preview</span>") == "preview"
    assert text_of("<span aria-hidden='true'>preview</span><div style='display:none'>no</div>") == "preview"
    assert text_of("<span aria-hidden='false'>a</span>") == "a"


def test_a_box_that_never_ends_hides_nothing() -> None:
    assert text_of("<div style='display:none'>preview<div>x</div><p>stop</p>").endswith("stop")
    assert text_of("<p style='display:none'>preview<p>stop</p>") == "stop"
    assert text_of("<body><div style='display:none'>preview</body>") == "preview"
    assert text_of("<p>Hi</p><div style='display:none'>preview<div>x</div><p>stop</p>").endswith("stop")
    assert text_of("<p>Hi</p><b><div style='display:none'>a</b>stop</div>c") == "Hi\nc", (
        "an end tag of a mere style"
    )


@pytest.mark.parametrize(
    "quote",
    [
        "<div class='gmail_quote'><div class='gmail_attr'>Whatever language:</div>"
        "<blockquote class='gmail_quote'>Old</blockquote></div>",
        "<div class='gmail_quote'>Old, and no block quote</div>",
        "<div class='gmail_extra'><div class='gmail_quote'>On 2026 9:14 A &lt;a@b.example&gt; wrote:<br>"
        "<blockquote class='gmail_quote'>Old</blockquote></div></div>",
        "<blockquote type='cite'><div>Old<blockquote>Older</blockquote></div></blockquote>",
        "<blockquote class='iosymail'>Old</blockquote>",
        "<blockquote style='border-left:1px solid #ccc'>Old</blockquote>",
        "<div class='moz-cite-prefix'>Whatever language:</div><blockquote>Old</blockquote>",
        "<div class='protonmail_quote'>Whatever<blockquote class='protonmail_quote'>Old</blockquote></div>",
        "<div id='ydp1yahoo_quoted_9' class='ydp1yahoo_quoted'>Old</div>",
        "<div class='yahoo_quoted' id='yahoo_quoted_1'>Old</div>",
        "<div id='appendonsend'></div><hr>Old<div>Old</div>",
        "<div id='x_appendonsend'></div><hr><div id='x_divRplyFwdMsg'>From: Old</div><div>Old</div>",
        "<hr id='stopSpelling'>Old<p>Old",
        "<div id='mail-editor-reference-message-container'>Old</div>",
        "<div name='quote'>Old</div>",
        "<div name='messageReplySection'>Whatever<blockquote type='cite'>Old</blockquote></div>",
        "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'><b>Von wem:</b> A<br>"
        "<b>Wann:</b> B<br><b>An wen:</b> C</div>Old",
    ],
)
def test_what_programs_mark_as_quoted(quote: str) -> None:
    words = read_words("", f"<div>Yes</div>{quote}")
    assert words.text.split("\n")[0] == "Yes"
    assert "Old" not in words.text
    assert "Old" in words.full


def test_a_block_quote_of_the_person_stays() -> None:
    html = "My wishes:<blockquote style='margin:0 0 0 40px;border:none'>front 50</blockquote>Thanks"
    assert text_of(html) == "My wishes:\n\nfront 50\nThanks"


def test_words_between_outlooks_marks_stay() -> None:
    html = "<div id='appendonsend'></div><div>Yes</div><hr><div id='divRplyFwdMsg'>From: a</div>Old"
    assert text_of(html) == "Yes"


def test_a_border_of_word_over_words_is_no_header() -> None:
    html = "<p>a</p><div style='border:none;border-top:solid black 1.0pt;padding:3.0pt 0in 0in 0in'><p>b</p></div><p>c</p>"
    assert text_of(html) == "a\n\nb\n\nc"


@pytest.mark.parametrize(
    "signature",
    [
        "<div class='gmail_signature' data-smartmail='gmail_signature'>Dana<br>Boss</div>",
        "<span class='gmail_signature_prefix'>-- </span><br><div class='gmail_signature'>Dana</div>",
        "<div class='moz-signature'>-- <br>Dana</div>",
        "<pre class='moz-signature'>-- \nDana</pre>",
        "<div class='protonmail_signature_block'>Dana</div>",
        "<div id='Signature'><p>Dana</p></div>",
        "<div id='x_ms-outlook-mobile-signature'>Get Outlook for iOS</div>",
        "<div id='AppleMailSignature'>Dana</div>",
        "<div id='composer_signature'>Dana</div>",
        "<div>-- <br>Dana<br>Boss</div>",
    ],
)
def test_signatures(signature: str) -> None:
    assert text_of(f"<div>Yes</div>{signature}") == "Yes"
    assert text_of(signature).strip("- \n"), "a mail that says nothing else"


def test_answers_between_the_quotes() -> None:
    quote = "<blockquote class='gmail_quote'>{}</blockquote>"
    html = (
        f"<div class='gmail_quote'><div class='gmail_attr'>On a day:</div>{quote.format('Which car?')}<div>Civic</div>"
        f"{quote.format('Which day?')}<div>Friday</div>{quote.format('Bye')}</div>"
    )
    words = read_words("", html)
    assert words.inline
    assert words.text == "> Which car?\n\nCivic\n\n> Which day?\n\nFriday"


def test_two_parts_that_differ_are_both_read() -> None:
    assert read_words("See the picture", "<br>Sent from my iPhone").text == "See the picture"
    assert read_words("First half", "<p>Second part</p>").text == "First half\n\nSecond part"
    assert read_words("First half", "<p>Second part</p>").full == "First half\n\nSecond part"
    assert read_words("*Yes*, see <https://a.example> [image: x.png]", "<b>Yes</b>, see").text == "Yes, see"


def test_a_number_no_letter_has() -> None:
    # int() alone raises at more than 4,300 digits.
    for number in ("1" * 5_000, "0" * 5_000 + "65", "x" + "0" * 5_000 + "41"):
        assert text_of(f"a&#{number};b") == "a\ufffdb"


def test_roles_and_looks_by_name() -> None:
    assert role_of("div", {"id": "x_x_divRplyFwdMsg"}).starts_rest == "surely"
    assert role_of("div", {"class": "nothing special"}) == role_of("p", {})
    assert role_of("blockquote", {"type": "CITE"}).cites
    assert not role_of("div", {"type": "cite"}).cites
    assert look_of({}) == look_of({"style": None})
    assert look_of({"hidden": None}).gone


def test_no_more_is_read_than_the_limits() -> None:
    assert sum(1 for _ in tokens("<b>" * (MAX_TAGS + 10))) == MAX_TAGS
    assert sum(len(token.text) for token in tokens("<i>abc</i>" * 200_000)) <= MAX_TEXT
    assert text_of("<style>" + "x" * 2_000_000 + "</style><!--" + "y" * 2_000_000 + "-->Yes") == "Yes"
    assert text_of(f"<img src='data:image/png;base64,{'A' * 3_000_000}'>Yes") == "Yes"


def test_lines_know_their_depth() -> None:
    lines = html_lines("a<blockquote type=cite>b<blockquote type=cite>c</blockquote>d</blockquote>e")
    assert [(line.text, line.depth) for line in lines if line.text] == [
        ("a", 0),
        ("b", 1),
        ("c", 2),
        ("d", 1),
        ("e", 0),
    ]
