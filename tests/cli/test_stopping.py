"""Ctrl-C at moments at which Python itself would drop it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

WHILE_TIDYING = """
import signal, time, weakref
from catalog.cli import stopping

class Thing:
    pass

def tidy(reference):
    signal.raise_signal(signal.SIGINT)
    time.sleep(0)

stopping.say_again_what_was_swallowed()
"""


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WHILE_TIDYING + text],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_swallowed_ctrl_c_is_raised_again() -> None:
    done = run(
        "thing = Thing(); seen = weakref.ref(thing, tidy)\n"
        "try:\n"
        "    del thing\n"
        "    time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    print('heard')\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("heard\n", "", 0)


def test_what_is_stoppable_hears_it_too() -> None:
    done = run(
        "thing = Thing(); seen = weakref.ref(thing, tidy)\n"
        "with stopping.stoppable() as stop:\n"
        "    try:\n"
        "        with stop.opened():\n"
        "            del thing\n"
        "            time.sleep(30)\n"
        "    except KeyboardInterrupt:\n"
        "        print('heard', stop.wanted)\n"
    )
    assert done.stdout == "heard True\n"
    assert done.stderr == "\nStopping when the batch under way is stored; again to end at once.\n"


def test_other_things_that_python_drops_are_told_as_ever() -> None:
    done = run(
        "def fail(reference):\n"
        "    raise ValueError('as ever')\n"
        "thing = Thing(); seen = weakref.ref(thing, fail)\n"
        "del thing\n"
    )
    assert "Exception ignored in" in done.stderr
    assert done.stderr.endswith("ValueError: as ever\n")


def test_nothing_is_raised_again_once_all_is_said() -> None:
    done = run(
        "thing = Thing(); seen = weakref.ref(thing, tidy)\n"
        "del thing\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "time.sleep(0.1)\n"
        "print('done')\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)
