"""Which records name a file is known of all files, though no record is held."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from catalog.dicom.elements import Element
from catalog.fileset.outline import outlined
from catalog.fileset.tree import FileSet, Record, count
from catalog.fileset.writer import Writing, write
from catalog.importing.namings import Naming, Namings
from catalog.importing.records import Step


def record(name: str, below: list[Record]) -> Record:
    keys = (Element(0x00041432, "UI", b"1.2"), Element(0x00041500, "CS", name.encode()))
    return Record("PRIVATE", keys, tuple(below))


TREES = st.lists(
    st.recursive(
        st.builds(record, st.sampled_from(["AA", "BB", "CC"]), st.just([])),
        lambda lower: st.builds(
            record, st.sampled_from(["AA", "BB", "DD"]), st.lists(lower, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=4,
)


@given(TREES, st.sets(st.integers(0, 20)))
def test_each_file_has_the_records_that_name_it(records: list[Record], absent: set[int]) -> None:
    out = io.BytesIO()
    write(out, FileSet("X", "1.2.3", tuple(records)), Writing("1.2.3", "X"))
    directory = outlined(out.getvalue(), [])
    assert len(directory) == count(records)
    namings = Namings(directory)
    expected: dict[str, list[Naming]] = {}
    offsets: list[int] = []
    for place, chain in enumerate(directory.chains()):
        del offsets[len(chain) - 1 :]
        offsets.append(directory.offset(place))
        if place in absent:
            continue
        (path,) = chain[-1].file_components or ()
        step = Step(place, offsets[-1], chain, directory.has_lower(place), None, path, path, None)
        namings.add(path, step, offsets)
        naming = Naming(chain, tuple(offsets), directory.has_lower(place))
        expected.setdefault(path, []).append(naming)
    assert list(namings) == list(expected)
    assert len(namings) == len(expected)
    assert "EE" not in namings
    for path, named in expected.items():
        assert path in namings
        assert namings.of(path) == named
