"""What columns mean and what their cells say: names in two languages, dates, phone numbers that a spreadsheet spoiled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.connectors.csv_file.dates import Order, moment_of, order_of
from crm.connectors.csv_file.encodings import NotATable
from crm.connectors.csv_file.mapping import field_names, map_columns
from crm.connectors.csv_file.reader import Row
from crm.connectors.csv_file.rows import Place, Reading, Rejected, Told, read_row
from crm.connectors.csv_file.values import email_of, names_of, phone_of, postal_code_of

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")
NORTH = Place(1, CHICAGO, frozenset({"north", "north tint"}))
SOUTH = Place(2, ZoneInfo("America/Denver"), frozenset({"south"}))


def read(header: list[str], *cells: str, **given: Any) -> Told | Rejected:
    """The enquiry in one row of a file with this header."""
    maps = given.pop("maps", None)
    place = given.pop("place", NORTH)
    reading = Reading(map_columns(header, maps), (NORTH, SOUTH), place, "leads.csv", NOW, **given)
    return read_row(Row(2, cells), reading)


def told(header: list[str], *cells: str, **given: Any) -> Told:
    found = read(header, *cells, **given)
    assert isinstance(found, Told), found
    return found


def rejected(header: list[str], *cells: str, **given: Any) -> str:
    found = read(header, *cells, **given)
    assert isinstance(found, Rejected), found
    return found.reason


HEADERS = [
    (["Customer Name", "Phone Number", "E-mail", "Service Requested", "Date Submitted"],
     ["name", "phone", "email", "wish", "made_at"]),
    (["firstName", "lastName", "mobilePhone", "emailAddress", "ZIP"],
     ["first_name", "last_name", "phone", "email", "postal_code"]),
    (["Nombre", "Apellidos", "Teléfono móvil", "Correo electrónico", "Mensaje", "Fecha de creación"],
     ["first_name", "last_name", "phone", "email", "wish", "made_at"]),
    (["Nombre completo", "Celular", "Correo", "Vehículo", "Idioma", "Código postal", "Sucursal"],
     ["name", "phone", "email", "vehicle", "language", "postal_code", "location"]),
    (["Lead ID", "Cliente", "Número de teléfono", "Año", "Marca", "Modelo", "Color", "Servicio"],
     ["id", "name", "phone", "vehicle_year", "vehicle_make", "vehicle_model", "vehicle_color", "wish"]),
    (["Name", "Phone 1 - Value", "Phone 2 - Value", "E-mail 1 - Value"], ["name", "phone", "phone", "email"]),
    (["PHONE", "SMS Opt-In", "Consent Text", "Vehicle Year", "Vehicle Make", "Vehicle Model", "Body Style"],
     ["phone", "sms_consent", "sms_consent_text", "vehicle_year", "vehicle_make", "vehicle_model", "vehicle_style"]),
]  # fmt: skip


@pytest.mark.parametrize(("header", "fields"), HEADERS, ids=[header[0][0] for header in HEADERS])
def test_columns_are_told_by_their_names(header: list[str], fields: list[str]) -> None:
    columns = map_columns(header)
    assert [field for _, field in columns.named()] == fields
    assert columns.unused == ()


def test_what_nobody_should_hear_or_nobody_knows_is_not_used() -> None:
    columns = map_columns(["Phone", "Notes", "Status", "Estado", "Notas internas", ""])
    assert [field for _, field in columns.named()] == ["phone"]
    assert columns.unused == ("Notes", "Status", "Estado", "Notas internas")


def test_what_is_told_goes_before_what_is_guessed() -> None:
    header = ["Best number", "Phone", "Date", "Created at", "Notes"]
    columns = map_columns(
        header, {"best number": "phone", "Created at": "made_at", "Notes": "fact", "Phone": "ignore"}
    )
    assert dict(columns.fields) == {"phone": (0,), "made_at": (3,)}
    assert columns.facts == (4,)
    assert columns.unused == ("Date",)
    # Of several columns that may mean a moment the best one is taken.
    assert map_columns(header).fields["made_at"] == (2,)


@pytest.mark.parametrize(
    ("header", "maps", "why"),
    [
        (["Name", "City"], {}, "no column is a phone number"),
        (["Dana", "312-555-0150"], {}, "first row holds an address"),
        (["a@b.co"], {}, "first row holds an address"),
        (["Phone"], {"Fone": "phone"}, "no column is called 'Fone'"),
        (["Phone", "PHONE "], {"phone": "phone"}, "more than one column"),
        (["Phone"], {"Phone": "fone"}, "there is no field 'fone'"),
        (["Phone", "A", "B"], {"A": "name", "B": "name"}, "one column only"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(header: list[str], maps: dict[str, str], why: str) -> None:
    with pytest.raises(NotATable, match=why.replace("'", ".")):
        map_columns(header, maps)


def test_a_whole_row() -> None:
    header = [
        "ID",
        "Name",
        "Phone",
        "Email",
        "Service",
        "Message",
        "Date",
        "Vehicle",
        "Language",
        "ZIP",
        "State",
        "Ref by",
    ]
    row = told(
        header, "42.0", "Reyes, Dana", "(312) 555-0150", "Dana@Example.com", "Tint", "all windows", "11/20/2026 3:15 PM",
        "2019 Honda Civic EX", "Español", "6061", "il", "Uncle Bob", maps={"Ref by": "fact"},
    )  # fmt: skip
    data = row.found.data
    assert (data.first_name, data.last_name, data.phone, data.email) == (
        "Dana",
        "Reyes",
        "+13125550150",
        "dana@example.com",
    )
    assert (data.wish, data.language, data.source) == ("Tint; all windows", "es", "csv")
    assert data.vehicle is not None
    assert (data.vehicle.year, data.vehicle.make, data.vehicle.model) == (2019, "Honda", "Civic EX")
    assert row.found.made_at == datetime(2026, 11, 20, 21, 15, tzinfo=UTC)
    assert row.found.facts == {"file": "leads.csv", "line": 2, "facts": {"Ref by": "Uncle Bob"}}
    assert (row.state, row.postal_code, row.notes) == ("IL", "06061", ())
    assert row.request_id.startswith("1/id:42/")


def test_names_in_one_column() -> None:
    assert told(["Nombre", "Teléfono"], "Ana María Ruiz", "3125550150").found.data.last_name == "María Ruiz"
    both = told(["First name", "Last name", "Phone"], "Ana María", "Ruiz", "3125550150").found.data
    assert (both.first_name, both.last_name) == ("Ana María", "Ruiz")
    assert names_of("Ruiz , Ana María") == ("Ana María", "Ruiz")
    assert names_of("Dana") == ("Dana", None)
    assert names_of("  ") == (None, None)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("312.555.0150", "+13125550150"), ("13125550150.0", "+13125550150"), ("'+1 312 555 0150", "+13125550150"),
        ("312-555-0150 / 312-555-0151", "+13125550150"), ("call me; 3125550151", "+13125550151"),
        ("(312) 555-0150 ext. 4", "+13125550150"), ("１３１２５５５０１５０", "+13125550150"), ("n/a", None), ("555-2671", None),
    ],
)  # fmt: skip
def test_phone_numbers(cell: str, number: str | None) -> None:
    found = read(["Phone"], cell)
    assert (found.found.data.phone if isinstance(found, Told) else None) == number


def test_a_phone_number_the_spreadsheet_rounded_is_named_so() -> None:
    assert "rounded by the spreadsheet" in rejected(["Phone"], "1.31256E+10")
    assert phone_of(["", "3125550150"]) == ("+13125550150", None)
    assert phone_of([]) == (None, None)
    assert email_of(["nobody", "a@b.co, c@d.co"])[0] == "a@b.co"


def test_one_address_that_works_is_enough_and_the_other_is_told() -> None:
    row = told(["Phone", "Email"], "555-2671", "dana@example.com")
    assert (row.found.data.phone, row.found.data.email) == (None, "dana@example.com")
    assert "'555-2671' is no number that exists" in row.notes[0]
    assert "neither" in rejected(["Phone", "Email"], "", "")
    reason = rejected(["Phone", "Email"], "555-2671", "dana@")
    assert "555-2671" in reason
    assert "dana@" in reason


def test_consent_counts_only_with_its_words() -> None:
    header = ["Phone", "SMS consent", "Consent text"]
    (consent,) = told(header, "3125550150", "Yes", "Text me").found.consents
    assert (consent.channel, consent.address) == ("sms", "+13125550150")
    assert '"text": "Text me"' in consent.evidence
    assert '"file": "leads.csv"' in consent.evidence
    row = told(header, "3125550150", "yes", "")
    assert row.found.consents == ()
    assert "nothing says what they agreed to" in row.notes[0]
    assert told(header, "3125550150", "yes", "", sms_words="Form of 2024").found.consents
    for no in ("no", "", "0", "maybe", "FALSE"):
        assert told(header, "3125550150", no, "Text me", sms_words="x").found.consents == ()


def test_the_shop_of_a_row() -> None:
    header = ["Phone", "Location"]
    assert told(header, "3125550150", "").location_id == 1
    assert told(header, "3125550150", " North  TINT ").location_id == 1
    assert told(header, "3125550150", "South").location_id == 2
    assert "no shop 'East'" in rejected(header, "3125550150", "East")
    assert "names no shop" in rejected(header, "3125550150", "", place=None)


def test_a_row_that_does_not_fit_the_first_one() -> None:
    assert "3 cells and the first row 2" in rejected(["Phone", "Wish"], "3125550150", "tint", "and more")
    assert told(["Phone", "Wish"], "3125550150", "tint", " ", "").found.data.wish == "tint"
    assert told(["Phone", "Wish"], "3125550150").found.data.wish is None


def test_the_same_enquiry_has_the_same_number_however_it_is_exported() -> None:
    one = told(["Phone", "Service", "Date", "Name"], "312-555-0150", "Tint", "11/20/2026", "Dana").request_id
    other = told(
        ["When", "Fone", "Service"],
        "2026-11-20",
        "+1 312 555 0150",
        "Tint",
        maps={"Fone": "phone", "When": "made_at"},
    )
    assert other.request_id == one
    assert told(["Phone", "Service", "Date"], "312-555-0150", "Strip", "11/20/2026").request_id != one
    # Files that give everybody the same number, and shops that know the same person.
    ids = {
        told(["Phone", "ID", "Location"], phone, "1", place).request_id
        for phone in ("3125550150", "3125550151")
        for place in ("north", "south")
    }
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("text", "order", "local"),
    [
        ("11/20/2026", "mdy", "2026-11-20 00:00:00"), ("20/11/2026", "dmy", "2026-11-20 00:00:00"),
        ("20/11/2026", "mdy", None),
        ("1/2/26 9:05 am", "mdy", "2026-01-02 09:05:00"), ("1.2.2026 21:05", "dmy", "2026-02-01 21:05:00"),
        ("2026-11-20", "mdy", "2026-11-20 00:00:00"), ("2026-11-20T08:30:00", "dmy", "2026-11-20 08:30:00"),
        ("2026-11-20T14:30:00Z", "mdy", "2026-11-20 08:30:00"), ("2026/11/20 12:00 AM", "mdy", "2026-11-20 00:00:00"),
        ("Nov 20, 2026", "mdy", "2026-11-20 00:00:00"), ("Friday, November 20th, 2026 at 4:00 PM", "mdy", "2026-11-20 16:00:00"),
        ("20 de noviembre de 2026", "mdy", "2026-11-20 00:00:00"), ("20-ene-2026", "dmy", "2026-01-20 00:00:00"),
        ("46346.5", "mdy", "2026-11-20 12:00:00"), ("46346", "mdy", "2026-11-20 00:00:00"), ("13:00 PM 1/1/2026", "mdy", None),
        ("1/1/2026 13:00 PM", "mdy", None), ("2/30/2026", "mdy", None), ("yesterday", "mdy", None), ("12345", "mdy", None),
        ("20 xyz 2026", "mdy", None), ("1/1/2026" * 20, "mdy", None), ("99999", "mdy", None),
    ],
)  # fmt: skip
def test_dates(text: str, order: Order, local: str | None) -> None:
    moment = moment_of(text, CHICAGO, order)
    assert (moment.astimezone(CHICAGO).strftime("%Y-%m-%d %H:%M:%S") if moment else None) == local


def test_whether_the_month_comes_first_is_told_by_the_dates() -> None:
    assert order_of(["1/2/2026", "3/4/2026"]) == "mdy"
    assert order_of(["1/2/2026", "20/4/2026"]) == "dmy"
    assert order_of(["1/2/2026", "4/20/2026", "", "soon"]) == "mdy"


def test_a_date_that_is_none_or_has_not_come_yet() -> None:
    assert "no date" in rejected(["Phone", "Date"], "3125550150", "soon")
    assert "future" in rejected(["Phone", "Date"], "3125550150", "12/24/2026")
    assert told(["Phone", "Date"], "3125550150", "").found.made_at is None


def test_zip_codes_lose_their_zeros_in_spreadsheets() -> None:
    assert [postal_code_of(cell) for cell in ("2138", "60614", "60614-1234", "501.0", "SW1A", "6")] == [
        "02138", "60614", "60614-1234", "00501", None, None,
    ]  # fmt: skip


def test_the_fields_that_may_be_named_are_the_ones_that_are_read() -> None:
    assert {"phone", "email", "wish", "made_at", "fact", "ignore", "sms_consent_text"} <= set(field_names())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_cells_are_an_enquiry_or_have_a_reason(cells: list[str]) -> None:
    found = read(["Phone", "Email", "Name", "Date", "Service", "ID", "Language", "Vehicle"], *cells)
    assert isinstance(found, Told) or found.reason


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["mdy", "dmy"]))
def test_any_text_is_a_moment_or_none(text: str, order: Order) -> None:
    moment = moment_of(text, CHICAGO, order)
    assert moment is None or moment.tzinfo is UTC
