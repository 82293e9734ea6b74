"""Headers of files that are alike: read by comparing them with one that was read before.

The files of a series are written by one program: the same elements in the same order, and all but
a few values equal to the byte. So the header of one file, cut into pieces at the elements that
vary, tells that of the next by as many comparisons of memory as there are pieces. Where any byte
outside a varying value differs, the file is read as any other; the result is the same either
way, and tests hold the two together.
"""

from __future__ import annotations

from catalog.dicom.elements import PIXEL_DATA
from catalog.dicom.header import Header, read_header
from catalog.dicom.pieces import CONSTANT, parts_of
from catalog.dicom.remembered import SERIES_INSTANCE_UID, File, Remembered, pread, stream_of
from catalog.dicom.sop_classes import DEFLATED, EXPLICIT_VR_BIG_ENDIAN
from catalog.dicom.source import FIRST_WINDOW, Source
from catalog.errors import HeaderError

_VARYING = frozenset({0x00020000, 0x00020003, 0x00080018, 0x00200013})
"""What varies from file to file of any series: the instance's UID and number."""

_A_SERIES = 4
"""So many files of one series in a row make it worth remembering by itself."""

_REMEMBERED = 8
"""Headers kept. Files of several series may lie mixed in one folder."""

_PATIENCE = 16
"""So many files in a row that are like no other, and only every so-manieth is remembered."""


class HeaderReader:
    """Reads the headers of many files, those that are alike many times faster.

    Files are best given in the order in which they lie in their folders. One reader serves one
    thread.

    Parameters
    ----------
    wanted:
        As for `read_header`.

    Attributes
    ----------
    alike, resembling, anew:
        How many files were read by comparison, how many had the same elements with other values,
        and how many were read by `read_header`.
    """

    def __init__(self, wanted: frozenset[int]) -> None:
        self.wanted = wanted
        self.alike = 0
        self.resembling = 0
        self.anew = 0
        self._remembered: list[Remembered] = []
        self._in_vain = 0
        # By shape: what is known to vary between files of one series.
        self._within: dict[object, frozenset[int]] = {}
        self._last_series: bytes | None = None
        self._in_series = 0

    def read(self, fd: File, size_bytes: int) -> Header:
        """Return the header of the file open as `fd`: what `read_header` returns, and raises.

        `fd` may also be the whole content of a file, `size_bytes` long.
        `Header.base` is the header that it was found to be like, `None` if there is none.
        """
        window = self._remembered[0].window if self._remembered else FIRST_WINDOW
        data = fd if isinstance(fd, bytes) else pread(fd, min(window, size_bytes), 0)
        has_prefix = data[128:132] == b"DICM"
        if has_prefix:
            for index, remembered in enumerate(self._remembered):
                header = remembered.like(fd, data, size_bytes)
                if header is not None:
                    if index:
                        self._remembered.insert(0, self._remembered.pop(index))
                    self.alike += 1
                    self._in_vain = 0
                    if remembered.is_wide:
                        self._narrow(remembered, header, fd, data, size_bytes)
                    return header
            header = self._resembling(fd, data, size_bytes)
            if header is not None:
                self.resembling += 1
                return header
        self.anew += 1
        with stream_of(fd) as stream:
            header = read_header(stream, size_bytes, self.wanted)
            self._in_vain += 1
            # Where no two files are alike, remembering them is work for nothing.
            if has_prefix and (self._in_vain < _PATIENCE or self._in_vain % _PATIENCE == 0):
                self._remember(header, Source(stream, size_bytes))
        return header

    def _resembling(self, fd: File, data: bytes, size_bytes: int) -> Header | None:
        """Return the header if a remembered one has the same elements, and remember it as well."""
        tried = set()
        for index, remembered in enumerate(self._remembered):
            if remembered.shape in tried:
                continue
            tried.add(remembered.shape)
            found = remembered.resembled_by(fd, data, size_bytes)
            if found is None:
                continue
            within = self._within.get(remembered.shape, _VARYING)
            if SERIES_INSTANCE_UID not in found.differing:
                within = self._within[remembered.shape] = within | found.differing - CONSTANT
                varying = within
                del self._remembered[index]
            elif remembered.has_matched and not remembered.is_wide:
                varying = within  # the next series
            else:
                # Series of one file each: what differs between them will differ again.
                varying = remembered.varying | found.differing - CONSTANT
                del self._remembered[index]
            self._keep(remembered.with_values_of(found, varying))
            return found.header
        return None

    def _narrow(
        self, remembered: Remembered, header: Header, fd: File, data: bytes, size_bytes: int
    ) -> None:
        """Remember a header for its series alone, once some files of that have followed each other.

        What varies between series need then not be looked at in each file.
        """
        element = header.elements.get(SERIES_INSTANCE_UID)
        series = element.data if element is not None else None
        if series != self._last_series:
            self._last_series, self._in_series = series, 0
        self._in_series += 1
        if self._in_series == _A_SERIES:
            found = remembered.resembled_by(fd, data, size_bytes)
            if found is not None:
                within = self._within.get(remembered.shape, _VARYING)
                self._keep(remembered.with_values_of(found, within))

    def _remember(self, header: Header, source: Source) -> None:
        if (
            header.findings
            or header.is_dicomdir
            or header.is_truncated
            or header.transfer_syntax_uid is None
            or header.transfer_syntax_uid in DEFLATED
            or header.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
            or max(self.wanted, default=0) > PIXEL_DATA
        ):
            return
        try:
            found = parts_of(source, header)
        except HeaderError:
            return
        if found is not None:
            parts, encoding = found
            self._keep(Remembered(header, encoding, parts, _VARYING, object()))

    def _keep(self, remembered: Remembered) -> None:
        self._remembered.insert(0, remembered)
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[_REMEMBERED:]
            shapes = {each.shape for each in self._remembered}
            self._within = {s: tags for s, tags in self._within.items() if s in shapes}
