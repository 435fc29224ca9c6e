"""Zip archives in memory: members by name, as views where they are stored plainly."""

import io
import zipfile

from .content import GROWTH, SMALL, Cursor, SourceError, inflate

MAX_MEMBERS = 10_000


class Zip:
    """An archive whose members are read within bounds; together they may unpack to no more than `GROWTH` times its size."""

    def __init__(self, data: memoryview):
        self.data, self.room = data, max(SMALL, GROWTH * len(data))
        try:
            with zipfile.ZipFile(io.BufferedReader(_File(data))) as archive:  # pyright: ignore[reportArgumentType]
                self.names = {info.filename: info for info in archive.infolist()}
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, OverflowError, KeyError) as error:
            raise SourceError(f"not a readable zip container ({error}): the file is damaged or cut short") from None
        if len(self.names) > MAX_MEMBERS:
            raise SourceError(f"a zip container of {len(self.names)} files, expected fewer than {MAX_MEMBERS}")

    def size(self, name: str) -> int:
        """Bytes of a member, unpacked."""
        return self._info(name).file_size

    def read(self, name: str) -> memoryview:
        """The content of a member."""
        info = self._info(name)
        cursor = Cursor(self.data).at(info.header_offset, name)
        head = cursor.unpack("<4s22sHH", name)
        if head[0] != b"PK\3\4":
            raise SourceError(f"{name}: no header at {info.header_offset}: the file is damaged")
        cursor.take(head[2] + head[3], name)
        content = cursor.take(info.compress_size, name)
        if info.compress_type == zipfile.ZIP_STORED:
            return content
        if info.compress_type != zipfile.ZIP_DEFLATED:
            raise SourceError(f"{name} is compressed in a way that neither NumPy nor PyTorch uses")
        self.room -= info.file_size
        if self.room < 0:
            raise SourceError(f"unpacks to more than {GROWTH} times its size, which no network of float weights does")
        return inflate(content, info.file_size, name, headless=True)

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self.names:
            raise SourceError(f"no {name} in the zip container, which holds {', '.join(list(self.names)[:5])}")
        return self.names[name]


class _File(io.RawIOBase):
    """A file interface to bytes in memory, which `io.BytesIO` would copy."""

    def __init__(self, data: memoryview):
        self.data, self.position = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = max(0, offset + (0, self.position, len(self.data))[whence])
        return self.position

    def readinto(self, buffer) -> int:
        block = self.data[self.position : self.position + len(buffer)]
        buffer[: len(block)] = block
        self.position += len(block)
        return len(block)
