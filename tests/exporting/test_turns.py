"""Threads that work side by side write one after the other."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.exporting.turns import Turns


@pytest.mark.parametrize("seed", range(5))
def test_turns_are_taken_in_order_by_whoever_takes_them(seed: int) -> None:
    """Some numbers are done without having taken their turn, as those of files that fail."""
    turns, order, inside = Turns(), list[int](), threading.Lock()
    waits = random.Random(seed).choices([0, 0.001, 0.003], k=60)

    def work(number: int) -> None:
        try:
            time.sleep(waits[number])
            if number % 7 == 3:
                return
            with turns.turn(number):
                assert inside.acquire(blocking=False), "two at a time"
                order.append(number)
                inside.release()
                if number % 11 == 5:
                    raise ValueError(number)
        finally:
            turns.done(number)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(60)]
    failed = [n for n, future in enumerate(futures) if future.exception() is not None]
    assert failed == [n for n in range(60) if n % 11 == 5 and n % 7 != 3]
    assert order == [n for n in range(60) if n % 7 != 3]
