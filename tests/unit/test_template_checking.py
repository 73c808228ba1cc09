"""The check of a template before it is stored: duties, gaps, length, and words that will not stay true."""

from __future__ import annotations

import pytest

from channels.templates import Shop, names, source_of
from channels.templates.checking import Problem, Use, check_words
from channels.templates.samples import SHOP
from scheduler.plan import load_plan, shipped_names

MARKETING = (Use("default", 3, offers=True),)
VISIT = (Use("reminders", 2, marketing=False, visit=True),)
GOOD = "{{ hi }}, {{ assistant }} at {{ shop.name }}. {{ times[0] if times else 'Which day?' }} Reply STOP to opt out"
GOOD_MAIL = (
    "Subject: {{ shop.name }}\n{{ hi }}, this is a commercial message of {{ shop.name }}, {{ shop.address }}."
    " {{ times | join(', ') }} Reply unsubscribe{% if unsubscribe %} or open {{ unsubscribe }}{% endif %}."
)


def found(
    channel: str, source: str, uses: tuple[Use, ...] = MARKETING, language: str = "en"
) -> list[Problem]:
    return check_words("two_times", channel, language, source, uses)


def errors(channel: str, source: str, uses: tuple[Use, ...] = MARKETING) -> str:
    return " | ".join(one.sentence for one in found(channel, source, uses) if one.level == "error")


def warnings(channel: str, source: str, uses: tuple[Use, ...] = MARKETING) -> str:
    return " | ".join(one.sentence for one in found(channel, source, uses) if one.level == "warning")


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", names())
def test_nothing_is_wrong_with_ours(name: str, language: str) -> None:
    uses = tuple(
        Use(plan, step.step, kind != "appointment", step.offers, kind == "appointment")
        for plan, kind, steps in ((one, load_plan(one).kind, load_plan(one).steps) for one in shipped_names())
        for step in steps
        if step.template == name
    )
    long = Shop("Superlative Automotive Window Tinting & Paint Protection of Chicagoland", SHOP.address)
    assert uses
    for channel in ("sms", "email"):
        source = source_of(name, channel, language)
        assert check_words(name, channel, language, source, uses) == []
        problems = check_words(name, channel, language, source, uses, long)
        assert [one for one in problems if one.level == "error"] == []


def test_good_words_of_ones_own_have_no_problem() -> None:
    assert found("sms", GOOD) == []
    assert found("email", GOOD_MAIL) == []


@pytest.mark.parametrize(
    ("channel", "gone", "said"),
    [
        ("sms", "{{ shop.name }}", "the shop is not named"),
        ("sms", "Reply STOP to opt out", "how to stop"),
        ("sms", "{{ assistant }}", "automated assistant writes"),
        ("email", "{{ shop.address }}", "postal address"),
        ("email", "Reply unsubscribe", 'reply "unsubscribe"'),
        ("email", "{% if unsubscribe %} or open {{ unsubscribe }}{% endif %}", "the link that stops"),
        ("email", "Subject: {{ shop.name }}\n", "Subject: ..."),
    ],
)
def test_every_duty_is_missed_when_it_is_gone(channel: str, gone: str, said: str) -> None:
    good = GOOD if channel == "sms" else GOOD_MAIL
    assert gone in good
    assert said in errors(channel, good.replace(gone, "x"))


def test_a_duty_that_only_somebody_lacks_is_found_too() -> None:
    sly = GOOD.replace("Reply STOP to opt out", "{% if car %}Reply STOP to opt out{% endif %}")
    assert "somebody without a car and 1 more" in errors("sms", sly)


def test_a_visit_has_other_duties() -> None:
    words = "{{ hi }}, {{ shop.name }} expects you: {{ visit }}."
    assert found("sms", words, VISIT) == []
    assert "time of the visit" in errors("sms", words.replace("{{ visit }}", "soon"), VISIT)
    assert "how to stop" in errors("sms", words, MARKETING)


@pytest.mark.parametrize("gap", ["first_name", "car", "request", "about", "times[0]", "services[0].name"])
def test_what_may_be_missing_must_be_asked_for(gap: str) -> None:
    assert "cannot be filled in" in errors("sms", GOOD + " {{ " + gap + " }}")
    assert errors("sms", GOOD + " {% if " + gap.split("[")[0] + " %}{{ " + gap + " }}{% endif %}") == ""


def test_length_is_told_for_long_words_only() -> None:
    assert "longer than 306" in errors("sms", GOOD + " word" * 60)
    assert "somebody" in errors("sms", GOOD + " word" * 60)
    assert errors("sms", GOOD.replace("opt out", "opt out. ¿Le parece? Mañana también, sí") + " é" * 10) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Tint from 199", "perhaps an amount"),
        ("20 % less", "a percentage"),
        ("come tomorrow", "a day"),
        ("venga el domingo", "a weekday"),
        ("o el sábado", "a weekday"),
        ("tintshop.io/book", "a link"),
        ("come on Monday", "a weekday"),
        ("venga el martes", "a weekday"),
        ("a free wash", "a promise"),
        ("see https://x.example", "a link"),
        ("call 312 555 0100", "a phone number"),
        ("great \U0001f389", "party popper"),
    ],
)
def test_words_that_may_not_stay_true_are_warned_of(words: str, said: str) -> None:
    assert said in warnings("sms", f"{GOOD} {words}")
    assert errors("sms", f"{GOOD} {words}") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("I am a real person, not a bot or automated.", "denies that a machine writes"),
        ("This isn't automated.", "denies that a machine writes"),
        ("No soy un robot.", "denies that a machine writes"),
        ("Do not reply STOP.", "denies the way to stop"),
        ("You cannot unsubscribe.", "denies the way to stop"),
        ("Reply CANCEL to end this, or reply END", "carriers take as STOP"),
        ("Responda CANCEL si no puede", "carriers take as STOP"),
        ("Your appointment is confirmed.", "tells of an appointment"),
        ("You're booked, we expect you.", "tells of an appointment"),
        ("Su cita está confirmada.", "tells of an appointment"),
        ("See you tomorrow!", "tells of an appointment"),
        ("only $99", '"$9" is an amount'),
        ("{{ 'only $99' }}", "an amount"),
        ("come at 9:00", "a time of day"),
        ("come at 9 am", "a time of day"),
    ],
)
def test_words_that_claim_what_is_not_so_are_refused(words: str, said: str) -> None:
    assert said in errors("sms", f"{GOOD} {words}")


@pytest.mark.parametrize(
    "words",
    [
        "Do not hesitate to reply.",
        "Would you like to book an appointment?",
        "Reply STOP to opt out, HELP for help",
        "Not sure yet? An automated answer comes at once.",
        "Set up a visit whenever you like.",
    ],
)
def test_words_that_claim_nothing_are_fine(words: str) -> None:
    assert errors("sms", f"{GOOD} {words}") == ""


def test_a_visit_is_spoken_of_where_there_is_one_and_cancel_is_never_invited() -> None:
    good = "{{ shop.name }} expects you: {{ visit }}. Your appointment is confirmed. Reply C to confirm."
    assert errors("sms", good, VISIT) == ""
    assert "carriers take as STOP" in errors("sms", f"{good} Reply CANCEL to cancel", VISIT)
    assert "for somebody without an appointment" in errors("sms", f"{GOOD} {{{{ visit }}}}")
    assert errors("sms", f"{GOOD} {{% if visit %}}{{{{ visit }}}}{{% endif %}}") == ""


def test_a_subject_that_looks_like_an_answer_is_refused() -> None:
    assert "looks like an answer" in errors("email", GOOD_MAIL.replace("Subject: ", "Subject: Re: "))
    assert "looks like an answer" not in errors(
        "email", GOOD_MAIL.replace("Subject: ", "Subject: Regarding ")
    )


def test_a_step_with_offers_should_name_them() -> None:
    without = GOOD.replace("{{ times[0] if times else 'Which day?' }}", "Which day?")
    assert "step 3 of the plan default looks up free times" in warnings("sms", without)
    assert warnings("sms", without, (Use("default", 4),)) == ""


def test_any_text_gets_an_answer() -> None:
    for words in (
        "",
        " ",
        "{{",
        "{% if %}",
        "\x00",
        "x" * 10_000,
        "Subject: \n",
        "Subject: " + "x" * 300 + "\nhi",
    ):
        for channel in ("sms", "email"):
            assert any(one.level == "error" for one in found(channel, words))
