"""Archives for tests, made by the standard library or byte by byte, never by dcat's own code."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Sequence

Content = Sequence[tuple[str, bytes]]


def zip_bytes(content: Content, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive; names may repeat."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in content:
            info = zipfile.ZipInfo("x", (2024, 1, 31, 10, 0, 0))
            info.filename, info.compress_type = name, method
            archive.writestr(info, data)
            archive.NameToInfo.clear()  # no warning about names that repeat
    return stream.getvalue()


def tar_bytes(content: Content, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of plain files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form, errors="surrogateescape") as archive:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def tar_of(*infos: tarfile.TarInfo) -> bytes:
    """Return a tar archive of members without data."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info in infos:
            archive.addfile(info)
    return stream.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """Return the member of a tar archive for a link, folder or special file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def gz(data: bytes) -> bytes:
    """Return `data` compressed by gzip."""
    return gzip.compress(data, mtime=0)


COMPRESS = {".tar": bytes, ".tar.gz": gz, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}


def raw_zip(
    name: bytes,
    data: bytes,
    *,
    flags: int = 0,
    method: int = 0,
    crc: int | None = None,
    size: int | None = None,
    local_name: bytes | None = None,
    mode: int = 0,
    count: int = 1,
) -> bytes:
    """Return a ZIP archive of one member whose fields are as given; `count` entries lead to it."""
    crc = zlib.crc32(data) if crc is None else crc
    size = len(data) if size is None else size
    local = name if local_name is None else local_name
    fields = struct.pack("<HHHHLLL", flags, method, 0, 0x21, crc, len(data), size)
    head = b"PK\x03\x04\x14\0" + fields + struct.pack("<HH", len(local), 0) + local + data
    entry = b"PK\x01\x02\x14\x03\x14\0" + fields
    entry += struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, mode << 16, 0) + name
    directory = entry * count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(head), 0)
    return head + directory + end


def raw_deflate(data: bytes) -> bytes:
    """Return `data` as ZIP holds them by method 8."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
