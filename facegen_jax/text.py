"""Text from files: everyday encodings (UTF-8, the UTF-16 of spreadsheets), names in messages."""

import codecs

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # begins as the mark of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
"""Byte order marks, with the codec and the name of what follows."""
FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or another zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the old kind",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "a Parquet file",
}
"""First bytes of files that are given for tables, with what they are."""


class TextError(ValueError):
    """Bytes that are no text, or text whose encoding cannot be told; says what to do."""


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file's content, and the name of its encoding.

    Raises:
        TextError: it is no text, or its encoding cannot be told from others.
    """
    for start, what in FOREIGN.items():
        if content.startswith(start):
            raise TextError(f"it is {what}; save it as text (in Excel: CSV UTF-8)")
    codec, name = _encoding(content)
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        if codec != "utf-8":
            raise TextError(f"it is damaged {name} text ({error.reason})") from None
        line = content.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"line {line} is not UTF-8 but perhaps cp1252 (Windows) or Latin-1; save it as UTF-8 "
            "(in Excel: CSV UTF-8; elsewhere: iconv -f cp1252 -t utf-8)"
        ) from None
    if "\0" in text:
        raise TextError("it has zero bytes, so it is no text")
    return text, name


def _encoding(content: bytes) -> tuple[str, str]:
    """Return the codec and the encoding's name.

    Where most bytes at even or at odd places are zero, it is UTF-16 without its mark.
    """
    for mark, codec, name in MARKS:
        if content.startswith(mark):
            return codec, name
    sample = content[:2000]
    even, odd = (4 * sample[first::2].count(0) > len(sample) for first in (0, 1))
    if even != odd:
        return ("utf-16-be" if even else "utf-16-le"), "UTF-16"
    return "utf-8", "UTF-8"


def printable(text: str) -> str:
    """Replace what would break a line or move the cursor: names in messages may come from files."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
