"""Templates of strangers: nothing in them is read, counted to a billion, or doubled until the memory is full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from channels.templates import Shop, TemplateFailed, names, render, render_body, source_of
from channels.templates.samples import SHOP, full
from channels.templates.sandbox import FOLDER, LONGEST_OUTPUT, Refused, compiled, filled, parts
from crm.template_versions import OwnTemplates

FULL = full(SHOP, "en")
HOSTILE = {
    "counting": "{% for x in range(10**9) %}x{% endfor %}",
    "a long word": "{{ 'x' * 10**9 }}",
    "a big number": "{{ 9**9**9 }}",
    "padding": "{{ hi | center(999999999) }}",
    "formatting": "{{ '%999999999d' | format(1) }}",
    "formatting by a method": "{{ '{0:999999999}'.format(1) }}",
    "doubling by set": "{% set a = hi ~ hi %}{% set a = a ~ a %}{{ a }}",
    "doubling by a loop": "{% for a in hi ~ hi %}{{ a }}{% endfor %}",
    "a list of one's own": "{% for a in [1, 2, 3] %}{{ a }}{% endfor %}",
    "letters of a word": "{% for a in shop.name %}{{ a }}{% endfor %}",
    "three loops": "{% for a in times %}{% for b in times %}{% for c in times %}x{% endfor %}{% endfor %}{% endfor %}",
    "a loop in itself": "{% for a in services recursive %}{{ loop(services) }}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "the class": "{{ ''.__class__.__mro__ }}",
    "the class by item": "{{ shop['__class__'] }}",
    "the class by filter": "{{ shop | attr('__class__') }}",
    "the globals": "{{ cycler.__init__.__globals__ }}",
    "itself": "{{ self.__init__ }}",
    "a method": "{{ facts.items }}",
    "a method by item": "{{ facts['items'] }}",
    "another template": '{% include "hello.sms.j2" %}',
    "a file": '{% include "../../ops/settings.py" %}',
    "a file by variable": "{% include hi %}",
    "a list of files": '{% include ["/etc/passwd", "_open.sms.j2"] %}',
    "an import": '{% import "_open.sms.j2" as x %}',
    "a parent": '{% extends "_open.sms.j2" %}',
    "the model's frame": '{% include "_personal.sms.j2" %}',
    "a call block": "{% call hi() %}x{% endcall %}",
    "another filter": "{{ services | map(attribute='name') | list }}",
    "brackets": "{{ " + "(" * 2900 + "1" + ")" * 2900 + " }}",
    "digits": "{{ " + "9" * 5000 + " }}",
    "length": "x" * 6001,
    "not closed": "{{ hi",
    "an unknown tag": "{% do hi %}",
    "a name over a list": "{% for times in services %}{{ times }}{% endfor %}",
    "a whole list": "{{ services }}",
    "nothing": "{{ about if false }}",
    "a comparison": "{{ 'yes' if hi < 3 }}",
    "what does not exist": "{{ lead.phone }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_words_are_refused_and_never_sent(source: str) -> None:
    with pytest.raises(TemplateFailed):
        render_body("hello", "sms", source, FULL)
    own = OwnTemplates({("hello", "sms", "en"): source}, {("hello", "sms", "en"): 1})
    rendered = render("hello", "sms", FULL, own=own)
    assert rendered.broken
    assert rendered.body == render("hello", "sms", FULL).body


def test_what_grows_is_cut_before_it_is_big() -> None:
    doubled = "{{ hi" + " | join(hi ~ hi ~ hi ~ hi ~ hi ~ hi)" * 30 + " }}"
    with pytest.raises(Refused, match="more than"):
        filled(compiled(doubled), {"hi": "x" * 90})
    many = replace(FULL, facts={f"question {number}": "answer " * 20 for number in range(60)})
    squared = "Subject: x\n{% for a, b in facts.items() %}{% for c, d in facts.items() %}{{ b }}{{ d }}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateFailed, match=str(LONGEST_OUTPUT)):
        render_body("hello", "email", squared, many)


def test_what_an_owner_needs_works() -> None:
    words = (
        "Subject: {{ shop.name }}\n{# a note #}{{ hi | upper }} {{ assistant[0] | upper }}{{ assistant[1:] }}"
        "{% for one in services[:1] %} {{ loop.index }} {{ one.name }} {{ one.price or 'ask' }}{% endfor %}"
        "{% for question, answer in facts.items() %} {{ question }}={{ answer | trim }}{% endfor %}"
        "{% if facts['none'] is defined %}no{% endif %} {{ facts.other | default('-') }} {{ times | join(' or ') }}"
    )
    email = render_body("hello", "email", words, FULL)
    assert email.subject == "Sample Window Tint"
    assert email.body == (
        "HI DANA The automated assistant 1 Full car tint, sedan, ceramic film $449"
        " Do you work on leased cars?=Yes, with the consent of the owner. -"
        " Tue, Nov 24 at 9:00 AM or Wed, Nov 25 at 12:30 PM\n"
    )


def test_all_of_ours_keep_the_rules_they_set() -> None:
    files = sorted(FOLDER.glob("*.j2"))
    assert len(files) > 100
    for path in files:
        compiled(path.read_text(encoding="utf-8"))
    assert all((FOLDER / name).is_file() for name in parts())


def test_own_words_are_used_in_their_language_and_ours_in_the_other() -> None:
    own = OwnTemplates({("hello", "sms", "es"): "{{ hi }}, de {{ shop.name }}"}, {("hello", "sms", "es"): 2})
    assert render("hello", "sms", full(SHOP, "es"), own=own).body == "Hola Dana, de Sample Window Tint"
    assert render("hello", "sms", FULL, own=own) == render("hello", "sms", FULL)
    assert render("hello", "sms", replace(FULL, language="fr"), own=own) == render("hello", "sms", FULL)
    assert render("hello", "email", full(SHOP, "es"), own=own).broken is None


def test_a_gap_or_a_text_that_is_too_long_takes_ours() -> None:
    for words in ("{{ first_name }} {{ shop.name }}", "{{ hi }}" + " word" * 80):
        own = OwnTemplates({("hello", "sms", "en"): words}, {("hello", "sms", "en"): 1})
        rendered = render("hello", "sms", replace(FULL, first_name=None), own=own)
        assert rendered.broken
        assert rendered.body == render("hello", "sms", replace(FULL, first_name=None)).body


def test_what_a_customer_wrote_is_never_a_template() -> None:
    sly = replace(FULL, request="{{ shop.phone }} {% for x in times %}", first_name="{{hi}}")
    assert "{{ shop.phone }}" in render("hello", "sms", sly).body
    assert (
        Shop("{{ hi }}", "x").name in render("hello", "sms", replace(FULL, shop=Shop("{{ hi }}", "x"))).body
    )


def test_a_template_that_does_not_exist_has_no_words() -> None:
    with pytest.raises(TemplateFailed, match="no such template"):
        source_of("../secrets", "sms", "en")
    assert "_open" not in names()
