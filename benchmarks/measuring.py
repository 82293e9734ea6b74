"""What a command and all processes that it starts take: wall time, CPU time, memory. For Linux."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import IO

SAMPLING_S = 0.02
PATIENCE_S = 60
"""What takes longer is run once."""

_PR_SET_CHILD_SUBREAPER = 36
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took; `peak_mib` is NaN where it ended before it could be looked at.

    Attributes
    ----------
    cpu_s:
        User and system time of all processes that the command started.
    peak_mib:
        Largest proportional set size (PSS) of all those processes together.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float = float("nan")


Said = Callable[[Cost, str], Cost]
OnLog = Callable[[float, float], object]
"""Called now and then with the seconds since the start and the MiB in use."""


@dataclass(frozen=True, slots=True)
class Task:
    """A command to measure.

    Attributes
    ----------
    prepare:
        Comes before each run and does not count.
    cost:
        Makes the figures of the measured cost and of what the command wrote to its output;
        `None` if the whole command counts, and its output goes nowhere.
    accepts:
        Exit codes that are no failure.
    is_rival:
        A failure leaves the row out, with a note, instead of ending the benchmark.
    on_log:
        Told how it goes while the command runs.
    """

    job: str
    program: str
    command: Sequence[str]
    prepare: Callable[[], object] = lambda: None
    cost: Said | None = None
    accepts: tuple[int, ...] = (0,)
    is_rival: bool = False
    environment: Mapping[str, str] | None = None
    on_log: OnLog | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return what its figures are filed under."""
        return self.job, self.program


class TaskFailed(Exception):
    """A command ended with an exit code that says so."""


class Moments:
    """The memory of all processes below this one, sampled by a thread while something runs.

    Residence (RSS) is cheap to ask for but counts shared pages once a process. So it is sampled,
    and each time that it is 1 % above all before, the proportional sizes (PSS), which share such
    pages out, are summed.

    Attributes
    ----------
    peak_bytes:
        The largest sum of proportional sizes; 0 if nothing was seen.
    """

    def __init__(self, on_log: OnLog | None, log_s: float) -> None:
        self.peak_bytes = 0
        self._on_log, self._log_s = on_log, log_s
        self._record_bytes = 0
        self._is_below: dict[str, bool] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Moments:
        """Begin to look."""
        self._pids()  # those that were there before are not looked at again
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        begin_s = last_s = time.monotonic()
        while not self._end.wait(SAMPLING_S):
            pids = self._pids()
            if (resident := sum(map(_resident_bytes, pids))) > 1.01 * self._record_bytes:
                self._record_bytes = resident
                self.peak_bytes = max(self.peak_bytes, sum(map(_proportional_bytes, pids)))
            now_s = time.monotonic()
            if self._on_log and now_s - last_s >= self._log_s:
                last_s = now_s
                self._on_log(now_s - begin_s, sum(map(_proportional_bytes, pids)) / 2**20)

    def _pids(self) -> list[str]:
        """Return the processes below this one; only such as are new are asked who started them."""
        there = [name for name in os.listdir("/proc") if name.isdecimal()]
        known, own = self._is_below, str(os.getpid())
        self._is_below = {pid: known[pid] for pid in there if pid in known}
        for pid in there:
            if pid not in known:
                parent = _parent(pid)
                self._is_below[pid] = parent == own or self._is_below.get(parent, False)
        return [pid for pid, is_below in self._is_below.items() if is_below]


def _parent(pid: str) -> str:
    text = _read(f"/proc/{pid}/stat")
    return text.rpartition(")")[2].split()[1] if text else ""


def _resident_bytes(pid: str) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE_BYTES if fields else 0


def _proportional_bytes(pid: str) -> int:
    _, _, rest = _read(f"/proc/{pid}/smaps_rollup").partition("\nPss:")
    return int(rest.split(maxsplit=1)[0]) * 1024 if rest else 0


def _read(path: str) -> str:
    """Return the text of a file in /proc; nothing if its process has ended."""
    try:
        with open(path) as stream:  # noqa: PTH123
            return stream.read()
    except OSError:
        return ""


def adopt_orphans() -> None:
    """Have processes whose parent ends become this one's, so that none's CPU time is lost.

    Python's fork server, for one, is left behind by the process that started it.
    """
    if sys.platform != "linux":
        sys.exit("This benchmark reads /proc and adopts orphans: it needs Linux.")
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit(f"Orphans cannot be adopted: {os.strerror(ctypes.get_errno())}.")


def once(task: Task, log_s: float = 10.0) -> Cost:
    """Run `task` and return its cost; `adopt_orphans` must have been called.

    Its `on_log` is called each `log_s` seconds.

    Raises
    ------
    TaskFailed
        If it ends with a code that it does not accept.
    """
    task.prepare()
    os.sync()  # what was written before must not be written now
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        before_s = _children_cpu_s()
        with Moments(task.on_log, log_s) as memory:
            start = time.monotonic()
            output: IO[str] | int = said if task.cost else subprocess.DEVNULL
            process = subprocess.Popen(
                task.command, stdout=output, stderr=errors, env=task.environment
            )
            code = process.wait()
            wall_s = time.monotonic() - start
        _await_orphans(task)
        if code not in task.accepts:
            errors.seek(0)
            raise TaskFailed(f"{task.program} ended with {code}:\n{errors.read()[-2000:]}")
        peak_mib = memory.peak_bytes / 2**20 or float("nan")
        cost = Cost(wall_s, _children_cpu_s() - before_s, peak_mib)
        if task.cost is None:
            return cost
        said.seek(0)
        return task.cost(cost, said.read())


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _await_orphans(task: Task) -> None:
    patience_s = time.monotonic() + 10
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            if time.monotonic() > patience_s:
                sys.exit(f"{task.program} left a process behind that does not end.")
            time.sleep(0.001)


def inner(cost: Cost, said: str) -> Cost:
    """Return the cost of the loop that `loops.py` measured, without Python's start."""
    told = json.loads(said)
    return replace(cost, wall_s=told["wall_s"], cpu_s=told["cpu_s"])


def scaled(factor: float) -> Said:
    """Return what makes the cost of the whole of a loop that was measured on a part."""

    def cost_of_all(cost: Cost, said: str) -> Cost:
        told = json.loads(said)
        return replace(
            cost,
            wall_s=cost.wall_s + told["wall_s"] * (factor - 1),
            cpu_s=cost.cpu_s + told["cpu_s"] * (factor - 1),
        )

    return cost_of_all


Costs = dict[tuple[str, str], Cost]


def measured(tasks: Sequence[Task], runs: int, notes: list[str], log_s: float = 10.0) -> Costs:
    """Return the cost of each of `tasks`: medians of times, the largest peak.

    They are run in turns, so that a busy machine is unfair to all alike. Rivals that fail are
    left out and told in `notes`.
    """
    found: dict[tuple[str, str], list[Cost]] = {task.key: [] for task in tasks}
    failed = set()
    for _ in range(runs):
        for task in tasks:
            costs = found[task.key]
            if task.key in failed or (costs and costs[0].wall_s > PATIENCE_S):
                continue
            try:
                costs.append(once(task, log_s))
            except TaskFailed as exc:
                if not task.is_rival:
                    sys.exit(str(exc))
                failed.add(task.key)
                lines = str(exc).splitlines()
                notes.append(f"{task.program} is left out, as it failed: {lines[0]} {lines[-1]}")
    return {key: _median(costs) for key, costs in found.items() if costs and key not in failed}


def _median(costs: Sequence[Cost]) -> Cost:
    seen = [cost.peak_mib for cost in costs if cost.peak_mib == cost.peak_mib]
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        max(seen, default=float("nan")),
    )


def versions() -> list[str]:
    """Return the names and versions of the programs that are measured and are there."""
    found = [f"dcat {metadata.version('dicom-dcat')}", f"pydicom {metadata.version('pydicom')}"]
    for program in ("dicomtocsv", "dcmmkdir", "find"):
        if shutil.which(program):
            said = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=False
            )
            first = next((line for line in said.stdout.splitlines() if line.strip()), program)
            found.append(first.strip("$ "))
    return found


def storage(folder: Path) -> str:
    """Return the type of the file system that `folder` is on."""
    best = ("", "unknown file system")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split(" ")
        if folder.resolve().is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]
