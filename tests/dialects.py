"""One table in every everyday dialect."""

import codecs
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with its mark": ("utf-8", codecs.BOM_UTF8),
    "UTF-16 of Excel": ("utf-16-le", codecs.BOM_UTF16_LE),
    "UTF-16 with the big end first": ("utf-16-be", codecs.BOM_UTF16_BE),
    "UTF-16 without its mark": ("utf-16-le", b""),
    "UTF-16 with the big end first, without its mark": ("utf-16-be", b""),
    "UTF-32": ("utf-32-le", codecs.BOM_UTF32_LE),
}
SEPARATORS = ",;\t| "
LINE_ENDS = ("\n", "\r\n", "\r")


class Dialect(NamedTuple):
    """How a table is written."""

    encoding: str
    separator: str
    line_end: str
    quoted: bool
    """Every cell is quoted, not only those that must be."""


def every_dialect() -> Iterator[Dialect]:
    """Yield all combinations."""
    yield from itertools.starmap(
        Dialect, itertools.product(ENCODINGS, SEPARATORS, LINE_ENDS, (False, True))
    )


def some_dialects() -> Iterator[Dialect]:
    """Yield every encoding with every separator; line ends and quotes in turn."""
    rest = itertools.cycle(itertools.product(LINE_ENDS, (False, True)))
    for encoding, separator in itertools.product(ENCODINGS, SEPARATORS):
        yield Dialect(encoding, separator, *next(rest))


def line(cells: Sequence[str], dialect: Dialect) -> str:
    """Return a row as text, without the end of its line."""

    def written(cell: str) -> str:
        must = not cell or set(cell) & {dialect.separator, '"', " ", "\n", "#"}
        return '"' + cell.replace('"', '""') + '"' if dialect.quoted or must else cell

    return dialect.separator.join(map(written, cells))


def encoded(lines: Sequence[str], dialect: Dialect) -> bytes:
    """Return the content of a file."""
    codec, mark = ENCODINGS[dialect.encoding]
    return mark + "".join(each + dialect.line_end for each in lines).encode(codec)


def content(rows: Sequence[Sequence[str]], dialect: Dialect) -> bytes:
    """Return the content of a file with these rows, the first of which is the header."""
    return encoded([line(row, dialect) for row in rows], dialect)
