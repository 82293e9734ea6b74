"""Errors that go from one process to another."""

from __future__ import annotations

import inspect
import pickle

import pytest

from catalog import errors
from catalog.errors import DcatError

ALL = [
    each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, DcatError)
]


def made(kind: type[DcatError]) -> DcatError:
    """Return such an error, with a text for each thing that it must be given."""
    if "__init__" not in vars(kind):
        return kind("text")
    wanted = list(inspect.signature(kind).parameters.values())
    texts = [f"text {n}" for n, each in enumerate(wanted) if each.default is each.empty]
    return kind(*texts)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_worker_that_raises_it_says_so(kind: type[DcatError]) -> None:
    """One that cannot be unpickled ends all workers instead."""
    error = made(kind)
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is kind
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))


def test_that_no_connection_could_be_made_is_still_known() -> None:
    error = errors.ConnectionLost("place", "reason", is_new=True)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
