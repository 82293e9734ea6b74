"""Classes that are their fields: as dataclasses would have them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.shapes import field, frozen, mutable, particular, replace


@frozen
class Pair:
    """A pair."""

    kind: ClassVar[str] = "pair"
    left: int
    right: str = "r"
    note: str = field(default="", compare=False)

    @property
    def both(self) -> str:
        return f"{self.left}{self.right}"


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """What `Pair` should be like."""

    kind: ClassVar[str] = "pair"
    left: int
    right: str = "r"
    note: str = dataclasses.field(default="", compare=False)


@mutable
class Basket:
    items: list[int] = field(default_factory=list)
    size: int = 0


@particular
class Node:
    name: str


@frozen
class Checked:
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("negative")


@frozen
class Triple(Pair):
    """A pair and more."""

    more: tuple[int, ...] = ()


@frozen
class Nothing:
    pass


_values = st.tuples(st.integers(-2, 2), st.sampled_from(["r", "s"]), st.sampled_from(["", "n"]))


@given(_values, _values)
def test_frozen_is_equal_hashed_and_shown_as_a_dataclass(
    a: tuple[int, str, str], b: tuple[int, str, str]
) -> None:
    ours, model = Pair(*a), Model(*a)
    assert (ours == Pair(*b)) == (model == Model(*b))
    assert (ours != Pair(*b)) == (model != Model(*b))
    assert hash(ours) == hash(model)
    assert repr(ours) == repr(model).replace("Model", "Pair")
    assert ours != model
    assert replace(ours, left=9) == Pair(9, a[1], a[2])
    for copied in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert copied == ours
        assert copied.note == ours.note


def test_fields_of_a_frozen_class_cannot_be_set() -> None:
    pair = Pair(1)
    with pytest.raises(AttributeError, match="'left'"):
        pair.left = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del pair.right  # type: ignore[misc]
    with pytest.raises(AttributeError):
        pair.other = 2  # type: ignore[attr-defined]
    assert not hasattr(pair, "__dict__")


def test_a_frozen_class_is_matched_by_its_fields_and_has_a_signature() -> None:
    match Pair(1, "x"):
        case Pair(left, right):
            assert (left, right) == (1, "x")
    assert list(inspect.signature(Pair).parameters) == ["left", "right", "note"]
    assert Pair.__init__.__annotations__["left"] == "int"
    assert Pair(left=1, right="x").both == "1x"
    assert Pair.__doc__ == "A pair."
    with pytest.raises(TypeError):
        Pair()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no field 'middle'"):
        replace(Pair(1), middle=1)


def test_mutable_objects_have_their_own_defaults_and_no_hash() -> None:
    a, b = Basket(), Basket()
    a.items.append(1)
    assert b.items == []
    assert a != b
    b.items.append(1)
    assert a == b
    with pytest.raises(TypeError):
        hash(a)


def test_particular_objects_are_equal_to_themselves_alone() -> None:
    a, b = Node("n"), Node("n")
    assert a != b
    assert a == a  # noqa: PLR0124
    assert len({a, b}) == 2
    a.name = "m"
    assert repr(a) == "Node(name='m')"


def test_what_is_checked_after_making_is_checked_in_copies_that_differ() -> None:
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)
    with pytest.raises(ValueError, match="negative"):
        replace(Checked(1), value=-1)


def test_a_class_without_fields() -> None:
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(Nothing()) == "Nothing()"


def test_a_class_extends_another_and_its_fields_come_after() -> None:
    triple = Triple(1, "x", more=(2,))
    assert list(inspect.signature(Triple).parameters) == ["left", "right", "note", "more"]
    assert triple == pickle.loads(pickle.dumps(triple)) == replace(Triple(1, "x"), more=(2,))
    assert triple != Triple(1, "x")
    assert triple != Pair(1, "x")
    assert isinstance(triple, Pair)
    assert triple.both == "1x"
    assert not hasattr(triple, "__dict__")
