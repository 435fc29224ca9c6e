"""Text tables: every dialect gives the same cells, and what is no table is refused in one line."""

import dialects
import pytest
from dialects import line

from facegen_jax.table import TableError, read_table
from facegen_jax.text import decode

HEADER = ["filename", "Smiling", "5 o' Clock Shadow"]
ROWS = [["Zoë/a b.jpg", "1", "-1"], ['the "x", or; y.png', "", "0.5"], ["c.jpg", "0", "no"]]
ABOVE_AND_BELOW = {
    "plain": lambda lines, sep: lines,
    "comment": lambda lines, sep: ["# made by hand, in May", "#", *lines],
    "sep=": lambda lines, sep: [f"sep={sep}", *lines],
    "count": lambda lines, sep: ["3", *lines],
    "count of a spreadsheet": lambda lines, sep: [f"3{sep}{sep}", *lines],
    "empty lines": lambda lines, sep: ["", *(part for each in lines for part in (each, "", "  "))],
    "empty rows": lambda lines, sep: [*lines, sep * 2, sep * 2],
    "separators at the end": lambda lines, sep: [each + sep for each in lines],
    "spaces at the end": lambda lines, sep: [f"{each}  " for each in lines],
    "spaces behind separators": lambda lines, sep: [each.replace(sep, f"{sep} ") for each in lines],
}


@pytest.mark.parametrize("way", ABOVE_AND_BELOW)
def test_every_dialect_gives_the_same_cells(way, tmp_path):
    path = tmp_path / "table"
    rows = [HEADER, *ROWS]
    if way == "spaces behind separators":  # which would also change cells that hold one
        rows = [[cell.replace(",", "").replace(";", "") for cell in row] for row in rows]
    each = dialects.every_dialect() if way == "plain" else dialects.some_dialects()
    for dialect in each:
        lines = [line(row, dialect) for row in rows]
        changed = ABOVE_AND_BELOW[way](lines, dialect.separator)
        path.write_bytes(dialects.encoded(changed, dialect))
        table = read_table(path)
        assert [table.header, *(row.cells for row in table.rows)] == rows, dialect
        assert table.encoding == dialect.encoding.split()[0]
        assert table.separator == dialect.separator
        assert table.announced == (3 if way.startswith("count") else None)
        first = next(index for index, each in enumerate(changed) if "Zo" in each)
        assert table.rows[0].line == first + 1


@pytest.mark.parametrize(
    ("text", "header", "first"),
    [
        ("2\nA B \na.jpg  1 -1\nb.jpg -1  1\n", ["", "A", "B"], ["a.jpg", "1", "-1"]),
        ('"A" "B"\n"a.jpg" 1 0\n', ["", "A", "B"], ["a.jpg", "1", "0"]),
        ("A\tB\na.jpg\t1\t0\n", ["", "A", "B"], ["a.jpg", "1", "0"]),
        ("# LFW\n#\tperson\tA\nAnn\t1\n", ["person", "A"], ["Ann", "1"]),
        ("#,file\n1,a.jpg\n", ["file"], ["a.jpg"]),
        ("# file,A\na.jpg,1\n", ["file", "A"], ["a.jpg", "1"]),
        ("# written by Ann\nfile A B\na.jpg 1 0\n", ["file", "A", "B"], ["a.jpg", "1", "0"]),
        ("# made in 2020\n2\nfile,A\na.jpg,1\n", ["file", "A"], ["a.jpg", "1"]),
        (",file\n0,a.jpg\n1,b.jpg\n", ["file"], ["a.jpg"]),
        ("Unnamed: 0;file\n7;a.jpg\n9;b.jpg\n", ["file"], ["a.jpg"]),
        (",file\nx,a.jpg\n", ["", "file"], ["x", "a.jpg"]),
        ("file\na b.jpg\n", ["file"], ["a b.jpg"]),
        ('a,"b\nc",d\n1,"2\n2",3\n', ["a", "b\nc", "d"], ["1", "2\n2", "3"]),
        ('sep=\t\na,b\t"c,d,e"\n1\t2\n', ["a,b", "c,d,e"], ["1", "2"]),
    ],
)
def test_headers(text, header, first, tmp_path):
    (tmp_path / "table").write_text(text, newline="")
    table = read_table(tmp_path / "table")
    assert (table.header, table.rows[0].cells) == (header, first)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\nc,d\nRenée,1\n".encode("cp1252"), "line 3 is not UTF-8 but perhaps cp1252 .*iconv"),
        (b"PK\x03\x04", "Excel workbook or another zip archive; save it as text"),
        (b"\xd0\xcf\x11\xe0\xa1", "Excel workbook of the old kind"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
        (b"\xff\xfea\x00,\x00b", "damaged UTF-16 text"),
        (b"a,b\n\x00,1\n", "zero bytes"),
        (b'a,b\n"1,2\n', "not a readable table: a quoted cell does not end"),
        (b"a,b\n1,2\n\n1,2,3\n", r"line 4: expected 2 cells, as in the header, not 3 .*by commas"),
        (b"a;b\n1\n", r"line 2: expected 2 cells, as in the header, not 1 .*by semicolons"),
        (b'a\tb\n1\t2\n"1"x\t2\n', r"text follows its end \(line 3\)"),
        (b"a,b\n" + b"1" * 200_000 + b",2\n", r"more than 131072 characters \(line 2\)"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content, message, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}")
    assert "\n" not in str(error.value)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(TableError, match=r"not a readable table: Is a directory"):
        read_table(tmp_path)


def test_an_empty_table_has_no_header(tmp_path):
    (tmp_path / "table").write_bytes(b"")
    assert read_table(tmp_path / "table")[2:] == ([], [], None)


def test_text_is_decoded_whole():
    assert decode("\ufeffpräzise\n".encode()) == ("präzise\n", "UTF-8")
