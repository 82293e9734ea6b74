"""Elements behind Pixel Data, which are read only when they are wanted."""

from __future__ import annotations

import pytest

from catalog.dicom.asking import asked
from catalog.dicom.claims import WANTED, claims, wanted
from tests.dicom.part10 import element, encode, item, part10, pixel_data, read, sequence


@pytest.mark.parametrize("encapsulated", [False, True])
def test_an_attribute_behind_pixel_data(encapsulated: bool) -> None:
    """Digital signatures follow the Pixel Data (PS3.3 C.12.1.1.3)."""
    (what,) = asked(["DigitalSignaturesSequence.DigitalSignatureUID"])
    fragments = item(), item(element(0x00080018, "UI", "1.2"))
    pixels = (
        sequence(0x7FE00010, *fragments, vr="OB", undefined=True) if encapsulated else pixel_data()
    )
    signature = sequence(0xFFFAFFFA, item(element(0x04000100, "UI", "1.2.3.9")))
    header = read(part10(encode() + pixels + signature), wanted((what,)).tags)
    assert not header.is_truncated
    stated = claims(header.elements, header.meta, wanted((what,))).claims
    assert stated is not None
    assert stated.instance.attributes == ((what.keyword, "1.2.3.9"),)


def test_pixel_data_that_are_cut_hide_what_would_follow() -> None:
    tags = WANTED | {0xFFFAFFFA}
    for pixels in (
        pixel_data(16, stated=4000),
        sequence(0x7FE00010, item(), vr="OB", undefined=True)[:-12],
    ):
        header = read(part10(encode() + pixels), tags)
        assert header.is_truncated
        assert header.findings == ()
