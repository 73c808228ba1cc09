"""Which mail a machine wrote: whole mails of more than sixty machines, and of people that look like them.

The figures, and the misses of the part the code was made with, are written to build/machine_mail.txt.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.automatic import classify
from channels.email.mail import Automatic, Content, Report, Words
from tests.machine_mail.scoring import HELD_OUT, PERSON, TUNED, Case, Reading, load, read, table

REPORT_FILE = "machine_mail.txt"
CASES = load(TUNED)


@pytest.fixture(scope="module")
def held_out() -> list[Reading]:
    return [read(case) for case in load(HELD_OUT)]


def kind_of(
    headers: dict[str, str],
    text: str = "Tuesday works",
    *,
    sender: str = "dana@example.com",
    envelope_from: str | None = "dana@example.com",
    subject: str | None = "Tint",
    full: str | None = None,
) -> Automatic | None:
    content = Content(headers, text, "")
    words = Words(text, full or text)
    return classify(content, sender=sender, envelope_from=envelope_from, subject=subject, words=words)


def test_the_set_is_whole() -> None:
    machines = [case for case in CASES if case.kind != PERSON]
    people = [case for case in CASES if case.kind == PERSON]
    unseen = load(HELD_OUT)
    assert (len(machines) >= 40, len(people) >= 25, len(unseen) >= 15) == (True, True, True)
    assert {case.kind for case in machines} == {
        "auto_reply", "out_of_office", "bounce", "delayed", "delivered", "read", "list", "own", "calendar", "challenge",
    }  # fmt: skip
    names = Counter(case.name for case in CASES + unseen)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_mail_is_read_for_what_it_is(case: Case) -> None:
    assert read(case).wrong == ()


def test_no_unseen_machine_is_answered(held_out: list[Reading]) -> None:
    # No mail is named here: who sees the misses is tempted to mend them, and then nothing is held out any more.
    machines = [one for one in held_out if one.case.kind != PERSON]
    assert sum(one.kind == PERSON for one in machines) == 0
    assert sum(one.kind == one.case.kind for one in machines) / len(machines) >= 0.9


def test_unseen_people_are_answered_or_the_shop_is_told(held_out: list[Reading]) -> None:
    people = [one for one in held_out if one.case.kind == PERSON]
    lost = [one for one in people if one.found is not None and not one.found.doubtful]
    assert len(lost) == 0
    assert sum(one.found is None for one in people) / len(people) >= 0.9


def test_the_figures_are_written_down(held_out: list[Reading], pytestconfig: pytest.Config) -> None:
    tuned = [read(case) for case in CASES]
    missed = [f"  {one.case.name}: {', '.join(one.wrong)}" for one in tuned if one.wrong]
    lines = [
        f"seen: {len(tuned)} mails", table(tuned), *(missed or ["  none is read wrongly"]),
        f"held out: {len(held_out)} mails", table(held_out),
    ]  # fmt: skip
    path = pytestconfig.rootpath / "build" / REPORT_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert all(f"\n{one.case.kind}" in path.read_text(encoding="utf-8") for one in held_out)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"auto-submitted": "auto-replied"}, "auto_reply"),
        ({"auto-submitted": "Auto-Generated; x=y"}, "auto_reply"),
        ({"auto-submitted": "auto-notified"}, "auto_reply"),
        ({"precedence": "Bulk"}, "list"),
        ({"precedence": "junk"}, "list"),
        ({"precedence": "auto_reply"}, "auto_reply"),
        ({"x-autoreply": "yes"}, "auto_reply"),
        ({"list-id": "<news.example>"}, "list"),
        ({"list-unsubscribe": "<mailto:x@y.example>"}, "list"),
        ({"feedback-id": "1:2:3"}, "list"),
        ({"content-type": "multipart/report; report-type=delivery-status"}, "auto_reply"),
        ({"return-path": "<>"}, "auto_reply"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_one_sure_header_is_enough(headers: dict[str, str], kind: str) -> None:
    found = kind_of(headers)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    "sender",
    ["mailer-daemon@a.example", "postmaster@a.example", "no-reply@a.example", "noreply+x@a.example", "bounces+1@a.example",
     "orders.do-not-reply@a.example", "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@a.example"],
)  # fmt: skip
def test_senders_that_nobody_reads(sender: str) -> None:
    assert kind_of({}, sender=sender) is not None


def test_a_form_on_a_web_page_may_hold_a_customers_words() -> None:
    found = kind_of(
        {"reply-to": "Dana <dana@example.com>"}, "How much is a Civic?", sender="no-reply@forms.example"
    )
    assert found is not None
    assert found.doubtful
    own = kind_of({"reply-to": "no-reply@forms.example"}, "Your receipt", sender="no-reply@forms.example")
    assert own is not None
    assert not own.doubtful


@pytest.mark.parametrize(
    "sender", ["noreen@a.example", "postmasters@a.example", "bouncehouse@a.example", "reply@a.example"]
)
def test_people_with_such_names(sender: str) -> None:
    assert kind_of({}, sender=sender) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("All", "doubtful"), ("OOF, AutoReply", "doubtful"), ("DR, OOF", "person"), ("none", "person"), ("", "person"),
     ("DR, RN, NRN", "person")],
)  # fmt: skip
def test_the_suppress_header_alone(value: str, expected: str) -> None:
    found = kind_of({"x-auto-response-suppress": value})
    assert ("doubtful" if found and found.doubtful else "person" if found is None else "sure") == expected


def test_a_person_with_the_suppress_header_who_quotes_us() -> None:
    below = "Tuesday works\n\n> Hi Dana, would Tuesday at 9:00 AM work for the ceramic tint of your Civic?"
    assert kind_of({"x-auto-response-suppress": "All"}, full=below) is None


FORM = "Thank you for your email. I am currently out of the office. For urgent matters please call my cell."


def test_who_asks_something_is_a_person() -> None:
    found = kind_of({}, FORM)
    assert found is not None
    assert (found.kind, found.doubtful) == ("out_of_office", False)
    assert kind_of({}, f"{FORM} Can you do Tuesday?") is None
    assert kind_of({}, "Can you do Tuesday?", subject="Out of office: Tint") is None
    assert kind_of({"auto-submitted": "auto-replied"}, f"{FORM} Can you do Tuesday?") is not None


def test_a_report_in_a_persons_mail_is_what_they_write_about() -> None:
    report = Report(
        "message/delivery-status", "Final-Recipient: rfc822; x@y.example\nAction: failed\nStatus: 5.1.1"
    )
    content = Content({"content-type": "multipart/mixed"}, "Where can I send it?", "", reports=(report,))
    words = Words("Where can I send it?", "Where can I send it?")
    assert (
        classify(
            content, sender="dana@example.com", envelope_from="dana@example.com", subject="Fw", words=words
        )
        is None
    )
    assert (
        classify(content, sender="postmaster@x.example", envelope_from=None, subject="Fw", words=words)
        is not None
    )


def test_an_unsubscribe_header_in_an_answer_is_no_newsletter() -> None:
    headers = {"list-unsubscribe": "<mailto:x@y.example>"}
    assert kind_of({**headers, "in-reply-to": "<a@b.example>"}) is None
    assert kind_of({**headers, "in-reply-to": "<a@b.example>", "list-unsubscribe-post": "x"}) is not None


def test_our_own_mail_that_comes_back() -> None:
    mine = {
        "message-id": "<0c1f6a53-7a0e-4b5f-93a5-1c37a6a2f7d1@north.example>",
        "auto-submitted": "auto-replied",
        "reply-to": "shop+k3v9@north.example",
    }
    found = kind_of(mine, sender="shop@north.example")
    assert found is not None
    assert found.kind == "own"
    other = kind_of({**mine, "reply-to": "info@north.example"}, sender="shop@north.example")
    assert other is not None
    assert other.kind == "auto_reply"


TEXTS = st.text(max_size=300)


@settings(max_examples=150, deadline=None)
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["auto-submitted", "date", "precedence", "reply-to", "message-id", "to", "from", "in-reply-to", "references",
             "x-auto-response-suppress", "x-failed-recipients", "content-type", "list-id"]
        ),
        TEXTS,
    ),
    text=TEXTS,
    subject=st.none() | TEXTS,
    report=st.tuples(
        st.sampled_from(["message/delivery-status", "text/calendar", "message/rfc822", "message/feedback-report"]), TEXTS
    ),
    sender=st.none() | TEXTS,
)  # fmt: skip
def test_whatever_comes_it_never_raises(
    headers: dict[str, str], text: str, subject: str | None, report: tuple[str, str], sender: str | None
) -> None:
    content = Content(headers, text, "", reports=(Report(*report),))
    found = classify(content, sender=sender, envelope_from=None, subject=subject, words=Words(text, text))
    assert found is None or found.reason
