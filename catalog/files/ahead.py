"""Asking ahead: storage behind a network answers many questions in the time of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def answers(
    pool: Executor, ask: Callable[[Asked], Answer], items: Iterable[Asked], most: int
) -> Iterator[Answer]:
    """Yield `ask(item)` of each item, in their order, with up to `most` of them under way in `pool`.

    What one of them raises is raised in its place; those behind it are not asked any more.
    """
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(ask, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
