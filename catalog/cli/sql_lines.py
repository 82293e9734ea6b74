"""Where the SQL shell gets its lines: prompt_toolkit, readline, or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.cli.saying import say

if TYPE_CHECKING:
    from catalog.database.sql import Relations

Read = Callable[[str], str]

HISTORY_LINES = 1000
"""How many lines of history are kept by readline; prompt_toolkit keeps all."""

_DELIMITERS = " \t\n,;()=<>+-*/%|'\""


@contextmanager
def lines_for(
    known: Relations, commands: Sequence[str], earlier: Callable[[], str]
) -> Iterator[Read]:
    """Give a function that reads the next line for a prompt; `earlier` tells the lines before it.

    At a terminal with completion and history: by prompt_toolkit if that is installed, else by
    readline, else without either. From a pipe plainly, and without a prompt.
    """
    if not sys.stdin.isatty():
        yield _from_pipe
        return
    if sys.stdout.isatty():
        rich = _prompt_toolkit(known, commands, earlier)
        if rich is not None:
            yield rich
            return
        with _readline(known, commands, earlier):
            yield _typed
        return
    yield _asking_beside


def _typed(prompt: str) -> str:
    try:
        return input(prompt)
    except KeyboardInterrupt:
        say()  # the cursor stands behind what is given up
        raise


def _from_pipe(prompt: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _asking_beside(prompt: str) -> str:
    """Read a line from a terminal while standard output goes elsewhere, where no prompt belongs."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return _from_pipe(prompt)


def history_path() -> Path | None:
    """Return the file of what was asked before, made if needed, for its owner's eyes alone.

    It lies in the user's folder for state. `None`, said once, if it cannot be made or written.
    Questions can hold names of patients, hence the permissions, which are set each time.
    """
    import platformdirs

    path = platformdirs.user_state_path("dcat", appauthor=False) / "sql_history"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
    except OSError as exc:
        say(f"No history is kept: {path} cannot be written ({exc.strerror}).")
        return None
    return path


def _prompt_toolkit(
    known: Relations, commands: Sequence[str], earlier: Callable[[], str]
) -> Read | None:
    """Return a reader with completion in a menu, `None` if prompt_toolkit is not installed."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import CompleteEvent, Completer, Completion
        from prompt_toolkit.document import Document
        from prompt_toolkit.history import FileHistory, InMemoryHistory
    except ImportError:
        return None
    from catalog.cli.sql_completion import completions, word_before

    class SqlCompleter(Completer):
        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterator[Completion]:
            before, after = document.text_before_cursor, document.text_after_cursor
            start = -len(word_before(before))
            for text in completions(earlier() + before, after, known, commands):
                yield Completion(text, start_position=start)

    path = history_path()
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(path)) if path else InMemoryHistory(),
        completer=SqlCompleter(),
        complete_while_typing=False,
        enable_open_in_editor=False,
    )
    return session.prompt


@contextmanager
def _readline(
    known: Relations, commands: Sequence[str], earlier: Callable[[], str]
) -> Iterator[None]:
    """Let `input` complete and remember, if this Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    readline.set_completer(_completer(readline, known, commands, earlier))
    readline.set_completer_delims(_DELIMITERS)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    readline.clear_history()
    readline.set_history_length(HISTORY_LINES)
    path = history_path()
    if path:
        with suppress(OSError):  # a file that is empty is none to libedit
            readline.read_history_file(path)
    try:
        yield
    finally:
        readline.set_completer(None)
        if path:
            try:
                readline.write_history_file(path)
            except OSError as exc:
                say(f"The history could not be written to {path}: {exc.strerror}.")


def _completer(
    readline: Any, known: Relations, commands: Sequence[str], earlier: Callable[[], str]
) -> Callable[[str, int], str | None]:
    from catalog.cli.sql_completion import completions

    found: list[str] = []

    def complete(word: str, number: int) -> str | None:
        if number == 0:
            line, end = readline.get_line_buffer(), readline.get_endidx()
            found[:] = completions(earlier() + line[:end], line[end:], known, commands)
        return found[number] if number < len(found) else None

    return complete
