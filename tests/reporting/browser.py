"""Headless Chromium over its debugging pipe: what a page looks like, asks for and complains about."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 60.0


def program() -> str:
    """Return where Chromium is; skip the test without it, or fail where judges are required."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("DCAT_REQUIRE_JUDGES"):
        pytest.fail("chromium is not installed, and DCAT_REQUIRE_JUDGES is set")
    pytest.skip("chromium is not installed")


@dataclass
class Browser:
    """A tab. `complaints` are errors and warnings of the console; `requests` what the page asked for."""

    to: int
    back: int
    session: str = ""
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _last: int = 0
    _buffer: bytes = b""
    _events: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; return its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self._note(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self.back], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            chunk = os.read(self.back, 1 << 16)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)  # type: ignore[no-any-return]

    def _note(self, event: Mapping[str, Any]) -> None:
        method, said = event.get("method"), event.get("params", {})
        self._events.append(dict(event))
        if method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(said["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and said["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.complaints.append(str(said["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method in ("Page.javascriptDialogOpening", "Page.windowOpen"):
            self.complaints.append(f"{method}: {said}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])

    def open(self, page: Path, width: int, height: int = 900, scheme: str = "light") -> None:
        """Load a page in a window of that size, for a reader who likes light or dark pages."""
        self.complaints.clear()
        self.requests.clear()
        self._events.clear()
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.ask(
            "Emulation.setEmulatedMedia",
            media="",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.ask("Page.navigate", url=page.absolute().as_uri())
        deadline = time.monotonic() + TIMEOUT_S
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._note(self._next(deadline))

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives on the page, which itself runs none."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, target: Path) -> Path:
        """Write the whole page as a PNG."""
        image = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        target.write_bytes(base64.b64decode(image["data"]))
        return target

    def print_pdf(self, target: Path) -> Path:
        """Write what a printer would get, on A4."""
        printed = self.ask(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True
        )
        target.write_bytes(base64.b64decode(printed["data"]))
        return target


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Give a browser that keeps what it keeps below `profile`, and is ended afterwards."""
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()

    # The protocol is spoken on descriptors 3 and 4, to which these are moved in the new process.
    command_end, answer_end = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, back_write))
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, sys; os.dup2({command_end}, 3); os.dup2({answer_end}, 4); "
            "os.execv(sys.argv[1], sys.argv[1:])",
            program(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(command_end, answer_end),
    )
    for end in (to_read, back_write, command_end, answer_end):
        os.close(end)
    tab = Browser(to_write, back_read)
    try:
        target = tab.ask("Target.createTarget", url="about:blank")["targetId"]
        tab.session = tab.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        yield tab
        tab.session = ""
        with suppress(OSError, AssertionError):
            tab.ask("Browser.close")
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        os.close(to_write)
        os.close(back_read)
