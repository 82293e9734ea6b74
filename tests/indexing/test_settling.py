"""When a change has come to rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.indexing.settling import Settling, Stamp


class Disk(dict[str, Stamp]):
    """What lies at paths, as a test says."""

    def look(self, path: str) -> Stamp:
        return self.get(path)


def test_a_path_is_due_when_nothing_was_heard_of_it_for_a_while() -> None:
    disk = Disk(a=(1, 1))
    settling = Settling(2, disk.look)
    settling.note("a", 0)
    assert settling.due(1.9) == []
    settling.note("a", 1.9)
    assert settling.due(3.8) == []
    assert settling.paths == {"a"}
    assert settling.due(3.9) == ["a"]
    assert (settling.due(9), len(settling)) == ([], 0)


def test_a_file_that_grows_in_silence_waits_anew() -> None:
    disk = Disk(a=(1, 1), b=(1, 1))
    settling = Settling(2, disk.look)
    settling.note("a", 0)
    settling.note("b", 0)
    disk["a"] = (2, 1)
    assert settling.due(2) == ["b"]
    assert settling.due(3.9) == []
    assert settling.due(4) == ["a"]


def test_what_is_gone_is_due_too() -> None:
    disk = Disk(a=(1, 1))
    settling = Settling(2, disk.look)
    settling.note("a", 0)
    del disk["a"]
    assert settling.due(2) == []
    assert settling.due(4) == ["a"]


EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 5), st.sampled_from([None, (1, 1), (2, 1)])),
    max_size=20,
)


@given(EVENTS)
def test_nothing_is_forgotten_and_nothing_is_early(
    events: list[tuple[str, float, Stamp]],
) -> None:
    disk = Disk()
    settling = Settling(1, disk.look)
    now_s, last, due = 0.0, dict[str, float](), set[str]()
    for path, wait_s, stamp in events:
        now_s += wait_s
        for found in settling.due(now_s):
            assert now_s - last[found] >= 1
            due.add(found)
        disk[path] = stamp
        settling.note(path, now_s)
        last[path] = now_s
        due.discard(path)
    assert due | settling.paths == set(last)
    settling.due(now_s + 1)
    waiting = sorted(settling.paths)
    assert settling.due(now_s + 2) == waiting
    assert len(settling) == 0
