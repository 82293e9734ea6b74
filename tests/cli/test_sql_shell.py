"""dcat sql --shell: in a pipe, at a terminal with and without prompt_toolkit, and what Tab offers."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cli import sql_lines
from catalog.cli.render import Format
from catalog.cli.sql_completion import completions, word_before
from catalog.cli.sql_shell import COMMANDS, Settings, Shell
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.sql import Relations, relations

CHECKOUT = Path(__file__).parents[2]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;"
KNOWN: Relations = {
    "v_series": ("PatientID", "Modality", "SeriesInstanceUID"),
    "v_study": ("PatientID", "StudyDate"),
    "series": ("id", "modality"),
}


# -- in a pipe ------------------------------------------------------------------------------------


def piped(db: Path, text: str | bytes, *more: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "catalog", "sql", "--shell", "--db", str(db), *more],
        input=text if isinstance(text, bytes) else text.encode(),
        capture_output=True, check=False, timeout=60, cwd=CHECKOUT,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_pipe_is_run_to_its_end_without_prompts(db: Path) -> None:
    text = ".mode csv\nSELECT 1 AS a; SELECT\n  ';' AS b -- c ;\n;\n\n.limit 1\nSELECT 2 AS d"
    assert piped(db, text) == (0, "a\n1\nb\n;\nd\n2\n", "At most 1 row of a statement.\n")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("SELECT 1;\nSELECT nope;\nSELECT 3;\n", 2, "no column nope"),
        ("SELECT 1;\n.nonsense\nSELECT 3;\n", 2, "There is no command .nonsense"),
        ("SELECT 1;\nDELETE FROM file;\nSELECT 3;\n", 2, "DELETE is refused"),
        (b"SELECT 1;\nSELECT '\xff';\nSELECT 3;\n", 2, "bytes that are no text"),
        (b"SELECT 1;\nSELECT '\0';\nSELECT 3;\n", 2, "NUL character"),
        ("SELECT 1;\n.timeout 0.2\n" + ENDLESS + "\nSELECT 3;\n", 1, "stopped after 0.2 s"),
        ("SELECT 1;\nSELECT 'open;\nSELECT 3;\n", 2, "A quotation is not closed"),
        (
            "SELECT 1;\nSELECT '" + ("x" * 99 + "\n") * 12_000 + "';\n",
            2,
            "longer than 1,000,000 characters",
        ),
    ],
)
def test_a_pipe_ends_with_its_first_error(
    db: Path, text: str | bytes, code: int, said: str
) -> None:
    ended, out, err = piped(db, text, "-o", "csv")
    assert (ended, out) == (code, "1\n1\n")
    assert said in err
    assert "Traceback" not in err


def test_a_pipe_leaves_no_history(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert piped(db, "SELECT 1;")[0] == 0
    assert not (tmp_path / "state").exists()


# -- commands -------------------------------------------------------------------------------------


@pytest.fixture
def shell(db: Path) -> Iterator[Shell]:
    with open_catalogue(db) as catalogue:
        yield shell_on(catalogue)


def shell_on(catalogue: Catalogue) -> Shell:
    settings = Settings(Format.TABLE, 1000, 60.0, {})
    return Shell(catalogue, settings, relations(catalogue), is_interactive=True)


def typed(shell: Shell, *lines: str | type[BaseException]) -> None:
    """Give the shell lines, and an exception where a line is one; then the end of input."""
    rest = iter([*lines, EOFError])

    def read(prompt: str) -> str:
        line = next(rest)
        if isinstance(line, str):
            return line
        raise line

    shell.loop(read)


def test_commands_do_what_help_says(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    typed(shell, ".help", ".tables", ".schema v_study", "\\d PATIENT", "\\dt", ".schema")
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n{name}" in out
    assert "\nv_study " in out
    assert "Study Instance UID" in out
    assert "\npatient_name_folded " in out


def test_settings_hold(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    typed(shell, ".mode csv", ".param x=a=b", ".limit 1", ".timeout 7",
          "SELECT :x AS x UNION ALL SELECT 'c';", ".limit off", ".mode", ".param")  # fmt: skip
    said = capsys.readouterr()
    assert said.out.startswith("x\na=b\n")
    assert "Only the first 1 row is shown, as .limit says; there are more." in said.err
    assert "stopped after 7 s" in said.err
    assert "All rows are written." in said.err
    assert "Rows are written as csv" in said.err
    assert "a=b" in said.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (".table", "Did you mean .tables?"),
        ("\\x", "There is no command \\x."),
        (".mode xml", "Say one of table, json"),
        (".limit many", "Say a number, or off."),
        (".limit -1", "Say a number, or off."),
        (".timeout 0", "Say 0.1 or more."),
        (".timeout nan", "Say 0.1 or more."),
        (".param x", "not of the form NAME=VALUE"),
        (".schema v_studie", "Did you mean v_study?"),
        (".schema sqlite_master", "There is no table or view"),
        ("SELECT nope;", "There is no column nope"),
    ],
)
def test_at_a_terminal_an_error_is_said_and_the_shell_goes_on(
    shell: Shell, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    typed(shell, line, "SELECT 42 AS answer;")
    captured = capsys.readouterr()
    assert said in captured.err
    assert "42" in captured.out


def test_ctrl_c_gives_up_what_was_typed(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    typed(shell, "SELECT nonsense", KeyboardInterrupt, "SELECT 42 AS answer;")
    assert capsys.readouterr().out == "answer\n──────\n    42\n"


def test_ctrl_d_gives_up_what_was_typed(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    typed(shell, "SELECT 42")
    assert capsys.readouterr().out == ""


def test_quit_ends(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    typed(shell, ".quit", "SELECT 42;")
    typed(shell, "\\q;", "SELECT 42;")
    assert capsys.readouterr().out == ""


def test_a_comment_alone_asks_nothing(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    typed(shell, "-- hello", ";", "", "/* a", "; */ SELECT 1 AS a;")
    captured = capsys.readouterr()
    assert captured.out == "a\n─\n1\n"
    assert captured.err == "1 row.\n\n"


@given(st.lists(st.text(st.sampled_from("SELECT1;'\"-/* \\.modehlp")), max_size=5))
def test_no_line_breaks_the_shell(indexed_once: Path, lines: list[str]) -> None:
    with open_catalogue(indexed_once / "c.db") as catalogue:
        typed(shell_on(catalogue), *lines)


# -- at a terminal --------------------------------------------------------------------------------

WITHOUT_PROMPT_TOOLKIT = "import sys; sys.modules['prompt_toolkit'] = None; "


class Terminal:
    """A shell in a pseudo-terminal of 100 columns."""

    def __init__(self, db: Path, home: Path, before: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        code = (
            "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            + before
            + "from catalog.__main__ import run; run()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "sql", "--shell", "--db", str(db)],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=CHECKOUT, start_new_session=True,
            env=os.environ | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def waits_for(self, pattern: str, timeout_s: float = 60) -> str:
        """Return what is shown from now on until `pattern` is in it, without colours."""
        import select

        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if ready:
                try:
                    data = os.read(self._ours, 65536)
                except OSError:  # the other side is closed
                    data = b""
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", "replace"))
                if not data:
                    break
            found = re.search(pattern, self.shown)
            if found:
                seen, self.shown = self.shown[: found.end()], self.shown[found.end() :]
                return seen
        raise AssertionError(f"{pattern!r} was not shown, but {self.shown!r}")

    def interrupts(self, pattern: str) -> None:
        """Type Ctrl-C until the pattern is shown: readline may not see one that comes before it waits."""
        for _ in range(10):
            self.types("\x03")
            with suppress(AssertionError):
                self.waits_for(pattern, 4)
                return
        raise AssertionError(f"{pattern!r} was not shown, but {self.shown!r}")

    def ends(self) -> int:
        return self.process.wait(timeout=20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@pytest.fixture(params=["", WITHOUT_PROMPT_TOOLKIT], ids=["prompt_toolkit", "readline"])
def terminal(request: pytest.FixtureRequest, db: Path, tmp_path: Path) -> Iterator[Terminal]:
    if os.name == "nt":
        pytest.skip("Windows has no pseudo-terminals")
    if not request.param:
        pytest.importorskip("prompt_toolkit")
    opened = Terminal(db, tmp_path, request.param)
    yield opened
    opened.close()


def test_a_session_at_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    assert "can be read here, not changed" in " ".join(terminal.waits_for("dcat>").split())
    terminal.types("SELECT count(*) AS n\r")
    terminal.waits_for(r"\.\.\.>")
    terminal.types("FROM v_ser\t")
    terminal.waits_for("v_series")
    terminal.types(";\r")
    assert "8" in terminal.waits_for(r"1 row\.")
    terminal.types(ENDLESS + "\r")
    time.sleep(1)
    terminal.interrupts("Stopped")
    terminal.waits_for("dcat>")
    terminal.types("SELECT nonsense")
    terminal.interrupts("dcat>")
    terminal.types("SELECT 6 * 7 AS answer;\r")
    terminal.waits_for("42")
    terminal.waits_for("dcat>")
    terminal.types("\x04")
    assert terminal.ends() == 0
    history = tmp_path / "state" / "dcat" / "sql_history"
    assert "SELECT 6 * 7 AS answer;" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert stat.S_IMODE(history.parent.stat().st_mode) == 0o700


def test_sigterm_ends_the_shell(terminal: Terminal) -> None:
    terminal.waits_for("dcat>")
    # readline sees a signal that comes just before it begins to wait only when the next one comes.
    # One that comes while the shell ends already is not asked for, however slow the machine is.
    for _ in range(10):
        terminal.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            terminal.process.wait(timeout=4)
            break
    assert terminal.ends() == 130


# -- the history ----------------------------------------------------------------------------------


def test_the_history_becomes_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "dcat").mkdir()
    (tmp_path / "dcat/sql_history").write_text("SELECT 1;\n")
    (tmp_path / "dcat/sql_history").chmod(0o644)
    path = sql_lines.history_path()
    assert path == tmp_path / "dcat/sql_history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "SELECT 1;\n"


@pytest.mark.parametrize("obstacle", ["a file in the way", "a link"])
def test_without_a_place_for_history_there_is_none(
    obstacle: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    if obstacle == "a link":
        (tmp_path / "dcat").mkdir()
        (tmp_path / "elsewhere").write_text("")
        (tmp_path / "dcat/sql_history").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "dcat").write_text("")
    assert sql_lines.history_path() is None
    assert "No history is kept" in capsys.readouterr().err


# -- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("sel", "", ["select"]),
        ("SEL", "", ["SELECT"]),
        ("SELECT * FROM v_s", "", ["v_series", "v_study"]),
        ("SELECT * FROM V_ST", "", ["v_study"]),
        ("SELECT * FROM v_series s JOIN ser", "", ["series"]),
        ("SELECT * FROM v_series, ", "", list(KNOWN)),
        ("SELECT Mod", " FROM v_series", ["Modality"]),
        ("SELECT Mod", " FROM v_study", []),
        ("SELECT Mod", "", ["Modality"]),
        ("SELECT ", " FROM v_study", ["PatientID", "StudyDate"]),
        ("SELECT x.St", " FROM v_study x", ["x.StudyDate"]),
        ("SELECT v_study.P", " FROM v_study", ["v_study.PatientID"]),
        ("SELECT b.M", " FROM v_study a JOIN v_series AS b ON 1", ["b.Modality"]),
        ("SELECT q.M", " FROM v_study a", []),
        ("SELECT 'Mod", "", []),
        ("SELECT gro", "", ["group", "group_concat"]),
        (".sch", "", [".schema"]),
        ("SELECT .sch", "", []),
    ],
)
def test_tab_offers(before: str, after: str, found: list[str]) -> None:
    assert completions(before, after, KNOWN, tuple(COMMANDS)) == found


@given(st.text(st.sampled_from("SELECTFROMv_stuy ,.;'()\\\n")), st.text(max_size=20))
def test_what_tab_offers_continues_the_word(before: str, after: str) -> None:
    word = word_before(before)
    offered = completions(before, after, KNOWN, tuple(COMMANDS))
    assert all(each.lower().startswith(word.lower()) for each in offered)
    assert len(set(offered)) == len(offered)


def test_readline_gets_one_offer_at_a_time() -> None:
    class Line:
        def get_line_buffer(self) -> str:
            return "SELECT PatientID FROM v_s"

        def get_endidx(self) -> int:
            return 25

    complete: Callable[[str, int], Any] = sql_lines._completer(Line(), KNOWN, (), lambda: "")
    assert [complete("v_s", n) for n in range(3)] == ["v_series", "v_study", None]
