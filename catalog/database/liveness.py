"""Whether a process that said in its run's row that it was at work still is."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from pathlib import Path

SLACK_S = 2.0
"""How much later than its run's row says a process may have begun: the row has whole seconds."""


def is_over(host: str, pid: int, started_at: str) -> bool | None:
    """Return whether the process has ended; `None` if that cannot be told from here.

    Parameters
    ----------
    host, pid:
        Where it ran, and its number there.
    started_at:
        When its run began, in ISO 8601. Another process that has its number now began later.
    """
    if host != socket.gethostname() or os.name == "nt":  # there, signal 0 is Ctrl-C
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OverflowError:
        return True
    except PermissionError:
        pass  # it is somebody else's, and alive
    began_s = _began_s(pid)
    if began_s is None:
        return False
    return began_s > datetime.fromisoformat(started_at).timestamp() + SLACK_S


def _began_s(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; `None` where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name stands in parentheses and may hold anything; the 20th field after it counts.
        ticks = int(status.rpartition(")")[2].split()[19])
        lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
        booted_s = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        return booted_s + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None
