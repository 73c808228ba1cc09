"""Files as spreadsheets and people save them: encodings, delimiters, quotation marks that never close. No row is lost
behind a broken one, and nothing takes more memory than a row."""

from __future__ import annotations

import codecs
import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.connectors.csv_file.encodings import NotATable, encoding_of
from crm.connectors.csv_file.reader import LONGEST_ROW, MOST_LINES, Row, open_table, read_rows
from crm.connectors.csv_file.report import Report
from crm.connectors.csv_file.values import guarded, unguarded

TEXT = "Nombre;Teléfono;Mensaje\r\nJosé Muñoz;312-555-0150;¿Cuánto?\r\n"


def table_of(folder: Path, raw: bytes | str, encoding: str = "utf-8") -> list[Row]:
    """The header and the rows of a file with this in it."""
    path = folder / "file.csv"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode(encoding))
    table = open_table(path)
    return [Row(table.header_line, table.header), *(row for row, _ in table.rows())]


def cells(folder: Path, raw: bytes | str) -> list[tuple[str, ...]]:
    """Only what stands in them."""
    return [row.cells for row in table_of(folder, raw)]


def rows_of(text: str, delimiter: str = ",") -> list[Row]:
    return list(read_rows(io.StringIO(text, newline=""), delimiter))


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("cp1252", b""), ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-16-le", b""), ("utf-16-be", b""),
    ],
)  # fmt: skip
def test_every_encoding_spreadsheets_write_is_found_out(tmp_path: Path, encoding: str, mark: bytes) -> None:
    assert cells(tmp_path, mark + TEXT.encode(encoding)) == [
        ("Nombre", "Teléfono", "Mensaje"), ("José Muñoz", "312-555-0150", "¿Cuánto?"),
    ]  # fmt: skip


def test_one_strange_byte_far_down_decides_the_encoding(tmp_path: Path) -> None:
    raw = b"name,phone\n" + b"Pat,3125550150\n" * 100_000 + b"Jos\xe9,3125550151\n"
    path = tmp_path / "file.csv"
    path.write_bytes(raw)
    assert encoding_of(path) == "cp1252"
    path.write_bytes(raw.replace(b"\xe9", "é".encode()))
    assert encoding_of(path) == "utf-8-sig"


@pytest.mark.parametrize(
    "raw", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest", b"%PDF-1.7", b"\0\1\2\3" * 50, b"", b"\n\n ,\n"]
)
def test_what_is_no_table_is_said_so(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(NotATable):
        table_of(tmp_path, raw)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    lines = [
        ["name", "phone", "wish"],
        ["Reyes, Dana", "312 555 0150", "tint; strip | hood"],
        ["Pat", "", "1,5"],
    ]
    sheet = io.StringIO(newline="")
    csv.writer(sheet, delimiter=delimiter).writerows(lines)
    assert cells(tmp_path, sheet.getvalue()) == [tuple(line) for line in lines]


def test_excels_own_first_line_tells_the_delimiter(tmp_path: Path) -> None:
    for told, line in (("sep=;", "a;b,c"), ('"sep=;"', "a;b,c"), ("SEP=|", "a|b;c")):
        rows = table_of(tmp_path, f"{told}\r\n{line}\r\n1{line[1]}2\r\n")
        assert [row.cells for row in rows] == [tuple(line.split(line[1])), ("1", "2")]
        assert [row.line for row in rows] == [2, 3]
    assert cells(tmp_path, "sep=\t\na\tb\n1\t2\n") == [("a", "b"), ("1", "2")]


def test_line_ends_inside_quotation_marks_and_of_every_kind(tmp_path: Path) -> None:
    raw = 'phone,wish\r\n1,"two\r\nlines"\n2,"say ""hi"""\r3,end'
    rows = table_of(tmp_path, raw)
    assert [row.cells[1] for row in rows] == ["wish", "two\r\nlines", 'say "hi"', "end"]
    assert [row.line for row in rows] == [1, 2, 4, 5]


def test_an_inch_sign_in_the_middle_of_a_cell_is_a_sign(tmp_path: Path) -> None:
    assert cells(tmp_path, 'phone,wish\n1,20" strip\n2,next\n') == [
        ("phone", "wish"),
        ("1", '20" strip'),
        ("2", "next"),
    ]


def test_empty_rows_are_none_and_columns_have_one_name_each(tmp_path: Path) -> None:
    assert cells(tmp_path, "\n,,\nPhone,Phone,, Name \n\n , \n1,2,3,4\n") == [
        ("Phone", "Phone (2)", "", "Name"), ("1", "2", "3", "4"),
    ]  # fmt: skip


def test_behind_a_quotation_mark_that_never_closes_every_row_is_read() -> None:
    good = [f"{number},good\n" for number in range(2000)]
    text = "".join(good[:500]) + '500,"open\n' + "".join(good[501:])
    rows = rows_of(text)
    assert [row.line for row in rows if row.problem] == [501]
    assert "never closed" in str(rows[500].problem) or "not closed" in str(rows[500].problem)
    assert [row.cells[0] for row in rows if not row.problem] == [str(n) for n in range(2000) if n != 500]


def test_a_quotation_mark_that_is_open_at_the_end() -> None:
    rows = rows_of('1,good\n2,"open\n3,good\n4,good')
    assert [(row.line, bool(row.problem)) for row in rows] == [(1, False), (2, True), (3, False), (4, False)]
    assert rows_of('1,"open') == [Row(1, ('1,"open',), "a quotation mark is opened and never closed")]


def test_a_row_that_is_too_long_is_given_up_and_nothing_else() -> None:
    long = "x" * (3 * LONGEST_ROW)
    rows = rows_of(f'1,a\n2,{long}\n3,b\n4,"{long}\n5,c\n6,d"\n7,e\n')
    assert [(row.line, row.problem is None) for row in rows] == [
        (1, True), (2, False), (3, True), (4, False), (5, True), (6, True), (7, True),
    ]  # fmt: skip
    assert max(len(cell) for row in rows for cell in row.cells) <= 500


def test_a_long_row_behind_an_open_mark_costs_no_row_behind_it() -> None:
    rows = rows_of('1,"open\n2,' + "x" * (3 * LONGEST_ROW) + "\n3,good\n4,good\n")
    assert [(row.line, row.problem is None) for row in rows] == [(1, False), (2, False), (3, True), (4, True)]


def test_many_marks_take_no_long_time() -> None:
    began = time.process_time()
    rows = rows_of('a,"\n' + "b\n" * (MOST_LINES - 2) + ('x,"y\n' * 5001))
    assert len(rows) > 2500
    # Generous: taken up again and again it would be hundreds of times as much.
    assert time.process_time() - began < 20


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=20)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(PLAIN, min_size=2, max_size=4), min_size=1, max_size=6),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\r\n", "\n"]),
)
def test_what_a_spreadsheet_writes_is_read_back(sheet: list[list[str]], delimiter: str, end: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(sheet)
    assert [list(row.cells) for row in rows_of(written.getvalue(), delimiter)] == sheet


@settings(max_examples=300, deadline=None)
@given(st.text('a,;"\n\r\t ', max_size=300))
def test_whatever_stands_in_a_file_lines_only_grow_and_reading_ends(text: str) -> None:
    rows = rows_of(text)
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert all(1 <= line <= len(io.StringIO(text, newline="").readlines()) for line in lines)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_none(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        rows = table_of(folder, raw)
    except NotATable:
        return
    assert rows[0].cells


@pytest.mark.parametrize("cell", ["=1+1", "+1 312", "-5", "@x", "\tx", "=cmd|' /C calc'!A0"])
def test_a_formula_is_none_in_the_report_and_is_itself_again_when_imported(tmp_path: Path, cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    (tmp_path / "in.csv").write_text("phone,wish\n1,2\n", encoding="utf-8")
    report = Report(tmp_path / "report.csv", open_table(tmp_path / "in.csv"))
    report.row(Row(7, ("1", cell)), "rejected", "=why")
    report.close()
    (row,) = [row for row, _ in open_table(tmp_path / "report.csv").rows()]
    assert row.cells == ("7", "rejected", "'=why", "1", f"'{cell}" if cell[0] != "\t" else "x")
    assert unguarded(row.cells[4]) == cell.strip()
    assert (tmp_path / "report.csv").stat().st_mode & 0o077 == 0
