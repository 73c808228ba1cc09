"""Reading a tenant file: what is wrong is said with its place, and nothing else is taken for what it is not."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.tenant_file import times
from crm.tenant_file.problems import FileProblems
from crm.tenant_file.reading import TenantFile, read_file, read_text
from crm.tenant_file.records import Key, Secret, shown
from crm.tenant_file.secrets import SecretMissing, resolver
from crm.tenant_file.wanted import Wanted, wanted_of

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tenant.yaml"
SHOP = "slug: lake\nname: Lake\nlocations:\n  - {slug: one, name: One, timezone: America/Chicago}\n"


def read(text: str) -> list[TenantFile]:
    return read_text(text, EXAMPLE.parent, cadences=("default",))


def wrong(text: str) -> list[str]:
    """Every problem of a text, as it is printed."""
    with pytest.raises(FileProblems) as caught:
        read(text)
    return [str(one) for one in caught.value.problems]


def one_location(more: str) -> str:
    """A file with one location that says `more` (indented lines)."""
    return "slug: lake\nlocations:\n  - slug: one\n" + "".join(f"    {line}\n" for line in more.splitlines())


def wanted(text: str) -> Wanted:
    return wanted_of(read(text)[0], lambda reference: f"secret behind {reference}")


def test_the_example_is_right_and_its_defaults_lie_under_every_location() -> None:
    file = read_file(EXAMPLE, cadences=("default",))[0]
    harbor, westside = file.part.locations
    assert harbor.hours is not None
    assert westside.hours is not None
    assert harbor.hours["monday"] == ((time(9), time(18)),)
    assert westside.hours["monday"] == ()
    assert westside.hours["tuesday"] == harbor.hours["tuesday"]
    assert (harbor.services["tint-sedan-ceramic"].price, westside.services["tint-sedan-ceramic"].price) == (44900, 46900)  # type: ignore[union-attr]  # fmt: skip
    assert westside.services["tint-sedan-ceramic"].minutes == 150  # type: ignore[union-attr]
    assert westside.services["ppf-full"] is None
    assert list(westside.bays) == ["Bay 1", "Bay 2", "Bay 3"]
    assert harbor.limits.same_day_until == time(15)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("hours: {monday: 9-18}", "line 4: locations[0].hours.monday: '9' is no time of day"),
        ("hours: {mon-fri: 18:00-9:00}", "line 4: locations[0].hours.mon-fri: '18:00-9:00' ends before it starts"),
        ("hours: {mon: '9:00-12:00, 11:00-14:00'}", "locations[0].hours.mon: two of these stretches overlap"),
        ("hours: {someday: 9:00-18:00}", "locations[0].hours.someday: has to be 'monday'"),
        ("hours:\n  mon-fri: 9:00-18:00\n  fri: closed", "line 6: locations[0].hours.fri: this names a day"),
        ("phone: 3125550100", "is no phone number in E.164, like +13125550100; did you mean +13125550100?"),
        ("phone: nobody", "line 4: locations[0].phone: 'nobody' is no phone number"),
        ("mailbox: a+b@example.com", "holds a +"),
        ("mailbox: nowhere", "is no email address"),
        ("timezone: Chicago", "'Chicago' is no time zone"),
        ("timezone: null", "locations[0].timezone: cannot be taken away"),
        ("tiemzone: America/Chicago", "this key is not known; did you mean timezone?"),
        ("bays: {Bay 1: {skils: tint}}", "locations[0].bays.Bay 1.skils: this key is not known; did you mean skills?"),
        ("bays: {Bay 1: {hours: {mon: closed}}}", "write active: false"),
        ("bays: {Bay 1: {}, bay 1: {}}", "differs from 'Bay 1' only by capital letters"),
        ("services: {a: {price: cheap}}", "locations[0].services.a.price: 'cheap' is no price"),
        ("services: {a: {price: 0}}", "a price is above zero"),
        ("services: {a: {price: 10.555}}", "no price in whole cents"),
        ("services: {a: {minutes: 2}}", "locations[0].services.a.minutes: has to be greater than or equal to 5"),
        ("services: {a: {visit: maybe}}", "has to be 'wait' or 'drop_off'"),
        ("services: [a]", "has to be a mapping"),
        ("closures: {from: 2026-12-24}", "has to be a list"),
        ("closures:\n  - {from: 2026-12-26, until: 2026-12-24}", "2026-12-24 is before 2026-12-26"),
        ("closures:\n  - {from: 2026-12-24}\n  - {from: 2026-12-24}", "line 6: locations[0].closures[1]: these days"),
        ("closures:\n  - {until: 2026-12-24}", "line 5: locations[0].closures[0].from: is missing"),
        ("special_hours: {2026-12-24: closed}", "written under closures"),
        ("special_hours: {Christmas: 9:00-12:00}", "'Christmas' is no date"),
        ("holidays: {country: US, subdivision: XX}", "locations[0].holidays: There are no public holidays"),
        ("holidays: {country: US, open_on: [Pancake Day]}", "there is no holiday 'Pancake Day' there"),
        ("facts: {price: It is $5}", "a fact may not name an amount"),
        ("facts: {'1': yes}", "the name of a fact is letters first"),
        ("staff:\n  - {name: Robin}", "locations[0].staff[0]: a person needs a phone or an email"),
        ("limits: {drop_off: 8:00}", "'8:00' is no stretch of a day"),
        ("limits: {jobs_per_day: many}", "locations[0].limits.jobs_per_day: has to be a valid integer"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(more: str, said: str) -> None:
    problems = wrong(one_location(more))
    assert len(problems) == 1, problems
    assert said in problems[0]
    assert "pydantic" not in problems[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file has to hold a mapping"),
        ("- slug: x", "the file has to hold a mapping"),
        ("slug: [", "line 2: this is no YAML"),
        ("slug: a\nslug: b", "line 2: slug: this key stands here twice"),
        ("slug: Big Shop", "small letters"),
        ("name: x", "slug: is missing"),
        ("slug: a\ncadence: weekly", "there is no plan 'weekly' for new leads; there is default"),
        ("slug: a\nsettings: {plan_by_source: {shopmonkey: fast}}",
         "line 2: settings.plan_by_source.shopmonkey: there is no plan 'fast' for new leads; there is default"),
        ("slug: a\nsettings: {max_segments: 99}", "line 2: settings.max_segments: has to be less than or equal to 10"),
        ("slug: a\nsettings: {text_consent: assumed}", "text_consent is written as `text_consent` beside settings"),
        ("slug: a\nsettings: {max_segmets: 1}", "settings.max_segmets: this key is not known; did you mean max_segments?"),
        ("slug: a\ntext_consent: {policy: assumed}", "assumed needs `statement`"),
        ("slug: a\npolicy: {file: a, text: b}", "write either file: PATH or text"),
        ("slug: a\npolicy: {file: nowhere.md}", "line 2: policy.file: nowhere.md cannot be read"),
        ("slug: a\ncrm: {connector: excel}", "there is no connector 'excel'; known: shopmonkey"),
        ("slug: a\ncrm: {settings: {looks: {orders_secs: 5}}}", "crm.settings.looks.orders_secs: this key is not known; did"),
        ("slug: a\ncrm: {lead_rules: {statusses: []}}", "crm.lead_rules.statusses: this key is not known; did you"),
        ("slug: a\ntwilio: {account_sid: AC12}", "that is no account SID"),
        ("slug: a\nsendgrid: {subuser: 'a b'}", "that is no name of a subuser"),
        ("tenants: []", "has to be a list"),
        ("tenants: [x]", "tenants[0]: has to be a mapping"),
        ("slug: x\ntenants: [{slug: a}]", "beside `tenants` only `defaults` may stand"),
        ("tenants: [{slug: a}, {slug: a}]", "tenants[1].slug: the slug of a business a stands at tenants[0].slug too"),
        ("slug: a\nname: !!python/name:os.system x", "is not understood"),
        ("slug: a\nname: !secret x", "the tag !secret is not understood"),
        ("a: &a\n  b: *a", "nested without end"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_business_is_said_with_its_place(text: str, said: str) -> None:
    problems = wrong(text)
    assert any(said in one for one in problems), problems


def test_a_mistake_in_the_defaults_is_told_once_where_it_stands() -> None:
    places = "".join(f"  - {{slug: s{n}, name: S, timezone: America/Chicago}}\n" for n in range(200))
    text = f"slug: lake\ndefaults:\n  services:\n    a: {{prise: 3}}\nlocations:\n{places}"
    assert wrong(text) == ["line 4: defaults.services.a.prise: this key is not known; did you mean price?"]
    everywhere = f"slug: lake\ndefaults: {{phone: '+13125550100'}}\nlocations:\n{places}"
    assert "is given to every location by the defaults" in wrong(everywhere)[0]


def test_phones_mailboxes_and_people_are_unique_over_the_whole_file() -> None:
    text = (
        "tenants:\n"
        "  - {slug: a, locations: [{slug: one, phone: '+13125550100', mailbox: X@mail.example}]}\n"
        "  - {slug: b, locations: [{slug: one, phone: '+1 312 555 0100', mailbox: x@mail.example}]}\n"
    )
    first, second = wrong(text)
    assert "line 3: tenants[1].locations[0].phone: the phone +13125550100 stands at" in first
    assert "tenants[0].locations[0].phone too (line 2)" in first
    assert "the mailbox x@mail.example stands at tenants[0].locations[0].mailbox" in second
    people = one_location("staff:\n  - {name: R, phone: '+13125550101'}\n  - {name: R, email: r@x.example}")
    assert "the person R of one stands at locations[0].staff[0].name too" in wrong(people)[0]


@pytest.mark.parametrize("secret", ["sk_live_1234567890", "env:", "file: ", "vault:key", "'env:  '"])
def test_a_secret_is_never_written_and_never_repeated(secret: str) -> None:
    problems = wrong(
        f"slug: a\ncrm: {{api_key: {secret!r}}}"
        if "'" not in secret
        else f"slug: a\ncrm: {{api_key: {secret}}}"
    )
    assert problems == ["line 2: crm.api_key: a secret is named, not written: env:NAME or file:PATH"]


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-the-file\n")
    (tmp_path / "two").write_text("two words")
    resolve = resolver({"KEY": " from-the-shell "}, tmp_path)
    assert (resolve("env:KEY"), resolve("file:key")) == ("from-the-shell", "from-the-file")
    for reference, said in {
        "env:NONE": "the variable NONE is not set",
        "file:none": "none cannot be read",
        "file:two": "one secret and nothing else",
    }.items():
        with pytest.raises(SecretMissing, match=said):
            resolve(reference)
    with pytest.raises(FileProblems) as caught:
        wanted_of(read("slug: a\ncrm: {api_key: env:NONE}")[0], resolve)
    assert str(caught.value) == "line 2: crm.api_key: the variable NONE is not set"


def test_a_secret_is_not_printed_and_one_that_cannot_be_read_is_like_no_other() -> None:
    assert "hush" not in repr(Secret("hush")) + shown("crm.api_key", Secret("hush"))
    assert Secret("hush") == Secret("hush") != Secret("other")
    assert Secret(None) != Secret(None)


def test_plain_words_stay_what_was_written() -> None:
    """YAML would read these as numbers, a time as 870 and Ontario as true."""
    text = one_location(
        "name: 123\nphone: +13125550100\naddress: {postal_code: 02134, state: ON}\nlimits: {same_day_until: 14:30}"
    )
    fields = wanted(text).records[Key("location", "one")]
    assert fields["name"] == "123"
    assert fields["phone"] == "+13125550100"
    assert (fields["address.postal_code"], fields["address.state"]) == ("02134", "ON")
    assert fields["limits.same_day_until"] == time(14, 30)


def test_only_what_is_written_is_wanted() -> None:
    found = wanted(one_location("services: {a: {price: 5}}\nlimits: {jobs_per_day: null}"))
    assert found.records[Key("service", "one", "a")] == {"price": 500}
    assert found.records[Key("location", "one")] == {"limits.jobs_per_day": None}
    assert ("service", "one") in found.complete
    assert ("bay", "one") not in found.complete


def test_defaults_of_the_file_lie_under_those_of_a_business_and_a_merge_key_is_understood() -> None:
    text = """
defaults: {timezone: America/Chicago, limits: {jobs_per_day: 4, slot_minutes: 15}, hours: {mon-fri: 9:00-17:00}}
tenants:
  - &first
    slug: a
    name: A
    defaults: {limits: {jobs_per_day: 6}, hours: {fri: closed}}
    locations: [{slug: one, limits: {slot_minutes: 60}}]
  - {<<: *first, slug: b}
"""
    first, second = read(text)
    place = first.part.locations[0]
    assert (place.timezone, place.limits.jobs_per_day, place.limits.slot_minutes) == (
        "America/Chicago",
        6,
        60,
    )
    assert place.hours is not None
    assert place.hours["thursday"]
    assert place.hours["friday"] == ()
    assert (second.part.slug, second.part.name, second.part.locations) == ("b", "A", first.part.locations)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_sentences(text: str) -> None:
    said: list[str] = []
    try:
        read(text)
    except FileProblems as error:
        said = [one.message for one in error.problems] or [""]
    assert all(said)


DAY_TIMES = st.lists(
    st.times().map(lambda one: one.replace(second=0, microsecond=0)), max_size=8, unique=True
).map(sorted)


@given(DAY_TIMES)
def test_hours_are_read_as_they_are_said(moments: list[time]) -> None:
    pairs = tuple(zip(moments[::2], moments[1::2], strict=False))
    assert times.stretches(times.said(pairs)) == pairs


@pytest.mark.parametrize(
    ("key", "days"),
    [
        ("mon-fri", 5),
        ("Sat", 1),
        ("monday", 1),
        ("fri-mon", 4),
        ("mon, wed", 2),
        ("m", None),
        ("mon-wed-fri", None),
        ("", None),
        ("fridays", None),
    ],
)
def test_days_as_they_are_written(key: str, days: int | None) -> None:
    found = times.days_of(key)
    assert (None if found is None else len(found)) == days


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_bytes(b"slug: \xff\xfe")
    with pytest.raises(FileProblems, match="not UTF-8"):
        read_file(path, cadences=("default",))
    path.write_bytes(b"\xef\xbb\xbf" + SHOP.encode())
    assert read_file(path, cadences=("default",))[0].part.slug == "lake"
