"""Volumes: everything on one, nothing torn apart that fits, the same whatever the order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ExportError
from catalog.exporting import Item, make_plan
from catalog.exporting.volumes import Packed, Volume, capacity, one_volume, packed
from tests.exporting.test_plan import candidate, source

MIB = 1 << 20


def items_of(sizes: list[tuple[int, int, int, int]]) -> tuple[Item, ...]:
    """Instances by (patient, study, series, MiB)."""
    found = []
    for ref, (p, t, s, mib) in enumerate(sizes):
        file = source(ref, f"{ref}.dcm", size_bytes=mib * MIB)
        found.append(
            candidate(
                ref, f"P{p}", f"1.{p}.{t}", f"1.{p}.{t}.{s}", f"1.{p}.{t}.{s}.{ref}", files=(file,)
            )
        )
    return make_plan(found, {}).items


level = st.integers(0, 2)
many = st.lists(st.tuples(level, level, level, st.integers(0, 12)), max_size=30).map(items_of)
limits = st.integers(4, 40).map(lambda mib: mib * MIB)


def on(volume: Volume) -> set[int]:
    return {item.candidate.instance_ref for item in volume.items}


@given(many, limits)
def test_every_instance_is_on_one_volume_and_none_overflows(
    items: tuple[Item, ...], limit: int
) -> None:
    found = packed(items, limit)
    placed = [item for volume in found.volumes for item in volume.items]
    assert sorted([*placed, *found.too_large], key=items.index) == list(items)
    for number, volume in enumerate(found.volumes, 1):
        assert volume.number == number
        assert volume.items
        real = sum(item.source.size_bytes or 0 for item in volume.items)
        assert real < volume.size_bytes <= limit == volume.capacity_bytes
        assert volume.waste_bytes == limit - volume.size_bytes
        assert list(volume.items) == sorted(volume.items, key=items.index)
    for item in found.too_large:
        assert not packed([item], limit).volumes


@given(many, limits, st.randoms())
def test_the_order_does_not_matter(items: tuple[Item, ...], limit: int, random: object) -> None:
    assert packed(items, limit) == packed(tuple(items), limit)
    first = [on(volume) for volume in packed(items, limit).volumes]
    assert first == [
        on(volume)
        for volume in packed(
            make_plan([i.candidate for i in reversed(items)], {}).items, limit
        ).volumes
    ]


def _patient(item: Item) -> Hashable:
    return item.candidate.patient_identity


def _study(item: Item) -> Hashable:
    assert item.candidate.claims.study is not None
    return item.candidate.claims.study.study_instance_uid


def _series(item: Item) -> Hashable:
    assert item.candidate.claims.series is not None
    return item.candidate.claims.series.series_instance_uid


@pytest.mark.parametrize("key", [_patient, _study, _series])
@given(items=many, limit=limits)
def test_what_fits_on_a_volume_is_on_one(
    key: Callable[[Item], Hashable], items: tuple[Item, ...], limit: int
) -> None:
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    volumes = packed(items, limit).volumes
    for group in groups.values():
        alone = packed(group, limit)
        if len(alone.volumes) == 1 and not alone.too_large:
            refs = {item.candidate.instance_ref for item in group}
            assert sum(bool(refs & on(volume)) for volume in volumes) == 1


@given(many, limits)
def test_no_two_volumes_could_be_one(items: tuple[Item, ...], limit: int) -> None:
    volumes = packed(items, limit).volumes
    for a in volumes:
        for b in volumes:
            if a is not b:
                assert len(packed([*a.items, *b.items], limit).volumes) != 1


def test_nothing_is_on_no_volume() -> None:
    assert packed((), 700 * MIB) == Packed((), ())
    assert one_volume(()) == Packed((), ())


def test_one_volume_of_no_limit() -> None:
    items = items_of([(0, 0, 0, 5), (1, 0, 0, 7)])
    (volume,) = one_volume(items).volumes
    assert volume.items == items
    assert volume.size_bytes > 12 * MIB
    assert (volume.capacity_bytes, volume.waste_bytes) == (None, 0)


@pytest.mark.parametrize(
    ("text", "size"),
    [("cd", 700_000_000), ("DVD", 4_700_000_000), ("dvd-dl", 8_500_000_000), ("bd", 25_000_000_000), ("bd-dl", 50_000_000_000), ("650 MiB", 650 << 20), ("4.7GB", 4_700_000_000), ("700000000", 700_000_000), ("20m", 20_000_000)],
)  # fmt: skip
def test_capacity(text: str, size: int) -> None:
    assert capacity(text) == size


@pytest.mark.parametrize("text", ["", "floppy", "-1GB", "1e9", "4,7GB", "\u0661GB", "GB"])
def test_no_capacity(text: str) -> None:
    with pytest.raises(ExportError, match="no medium: cd, dvd"):
        capacity(text)


@pytest.mark.parametrize("text", ["0", "1MB", "2 MiB"])
def test_too_small_for_anything(text: str) -> None:
    with pytest.raises(ExportError, match="too small"):
        capacity(text)
