"""pydicom is loaded when it is first needed, and by one thread at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WAITING = """
import sys, threading
from catalog.dicom import dictionary, elements, loading, sop_classes
assert "pydicom" not in sys.modules
ways = {
    "VR": lambda: elements.dictionary_vr(0x00100010),
    "keyword": lambda: dictionary.keyword(0x00100010),
    "name": lambda: sop_classes.name("1.2.840.10008.9.9.9"),
}
done = []
threads = [threading.Thread(target=lambda n=n, w=w: (w(), done.append(n))) for n, w in ways.items()]
with loading._lock:  # as if another thread was loading it
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(0.2)
    print(sorted(done), "pydicom" in sys.modules)
for thread in threads:
    thread.join()
print(sorted(done) == sorted(ways))
"""


def test_threads_wait_for_the_one_that_loads_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[] False", "True"], done.stdout + done.stderr
