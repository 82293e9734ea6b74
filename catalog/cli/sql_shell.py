"""The shell of `dcat sql --shell`: statements and a few commands of its own, line by line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from catalog.cli.render import Format, write_rows
from catalog.cli.saying import counted, say
from catalog.cli.sql import ask
from catalog.errors import DcatError, SelectionError, StatementError

if TYPE_CHECKING:
    from catalog.database.catalogue import Catalogue
    from catalog.database.sql import Relations

LIMIT_ROWS = 1000
"""How many rows the shell writes for a statement, unless the user says."""

_PROMPT, _MORE = "dcat> ", "  ...> "
_MOST_CHARACTERS = 1_000_000

_ALIASES = {
    ".exit": ".quit", "\\q": ".quit", "\\?": ".help", "\\h": ".help", "\\d": ".schema", "\\dt": ".tables",
}  # fmt: skip


class Settings:
    """What the user may change in the shell.

    Attributes
    ----------
    form:
        How rows are written.
    limit_rows:
        How many rows of a statement are written; `None` for all.
    timeout_s:
        Seconds after which a statement is stopped.
    parameters:
        Values of `:name`s.
    """

    def __init__(
        self, form: Format, limit_rows: int | None, timeout_s: float, parameters: dict[str, str]
    ) -> None:
        self.form = form
        self.limit_rows = limit_rows
        self.timeout_s = timeout_s
        self.parameters = parameters


class Command(NamedTuple):
    """A command of the shell."""

    argument: str
    """What may follow it; `''` for nothing."""
    meaning: str
    run: Callable[[Shell, str], None]


def run(catalogue: Catalogue, settings: Settings) -> int:
    """Read and run statements until the input ends or the user says `.quit`; return the exit code.

    At a terminal an error is shown and the shell goes on. Without one, as in a pipe, the first error
    ends it, with that error's exit code.

    Raises
    ------
    DcatError
        The first error, if the input is no terminal.
    """
    from catalog.cli.sql_lines import lines_for
    from catalog.database.sql import relations

    shell = Shell(catalogue, settings, relations(catalogue), is_interactive=sys.stdin.isatty())
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="surrogateescape")  # what is no text is refused with its statement
    if shell.is_interactive:
        say(
            f"{catalogue.name} can be read here, not changed. End a statement with a semicolon; "
            ".help tells the rest, Ctrl-D ends."
        )
    with _termination(shell), lines_for(shell.known, tuple(COMMANDS), shell.earlier) as read:
        shell.loop(read)
    return 130 if shell.is_terminated else 0


@contextmanager
def _termination(shell: Shell) -> Iterator[None]:
    """Let SIGTERM end the shell; as an interrupt alone it would cancel a line."""

    def terminate(number: int, frame: object) -> None:
        shell.is_terminated = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Shell:
    """What has been typed so far, and what to do with it.

    Attributes
    ----------
    is_done:
        Whether the user said `.quit`.
    is_terminated:
        Whether somebody else wants the process to end.
    """

    def __init__(
        self, catalogue: Catalogue, settings: Settings, known: Relations, *, is_interactive: bool
    ) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.known = known
        self.is_interactive = is_interactive
        self.is_done = False
        self.is_terminated = False
        self._typed: list[str] = []
        self._length = 0

    def earlier(self) -> str:
        """Return the lines of the statement that is being typed, each with its newline."""
        return "".join(f"{line}\n" for line in self._typed)

    def loop(self, read: Callable[[str], str]) -> None:
        """Run what `read` gives, line by line, until it raises EOFError.

        Parameters
        ----------
        read:
            Gives the next line for a prompt; raises EOFError at the end of input, and
            KeyboardInterrupt where the user gives up the line.
        """
        while not (self.is_done or self.is_terminated):
            try:
                line = read(_MORE if self._typed else _PROMPT)
            except EOFError:
                if self.is_interactive:
                    say()
                self._finish()
                return
            except KeyboardInterrupt:
                self._give_up()
                continue
            self._guarded(line)

    def _guarded(self, line: str) -> None:
        try:
            self.take(line)
        except KeyboardInterrupt:
            if not self.is_interactive:
                raise
            say("\nStopped.")  # the terminal shows ^C
        except DcatError as exc:
            if not self.is_interactive:
                raise
            say(str(exc))
        sys.stdout.flush()

    def _give_up(self) -> None:
        if not self.is_interactive:
            raise KeyboardInterrupt
        self._forget()

    def _finish(self) -> None:
        """Run what was left without a semicolon by a pipe; at a terminal Ctrl-D gives it up."""
        rest = self._forget()
        if not self.is_interactive:
            self._run_all(rest)

    def take(self, line: str) -> None:
        """Take one line: a command, a statement, or a part of one.

        Raises
        ------
        DcatError
            If a command or statement is wrong, refused or stopped.
        """
        from catalog.database.sql import is_complete, is_empty

        words = line.strip()
        if not self._typed and words[:1] in (".", "\\"):
            self._command(words)
            return
        self._typed.append(line)
        self._length += len(line) + 1
        if self._length > _MOST_CHARACTERS:
            self._forget()
            raise StatementError(
                f"The statement is longer than {_MOST_CHARACTERS:,} characters. Is a semicolon missing?"
            )
        if len(self._typed) == 1 and is_empty(line) and "/*" not in line:
            self._forget()
        elif ";" in line and is_complete("\n".join(self._typed)):
            self._run_all(self._forget())

    def _forget(self) -> str:
        """Return what was typed so far, and begin anew."""
        text = "\n".join(self._typed)
        self._typed.clear()
        self._length = 0
        return text

    def _run_all(self, text: str) -> None:
        from catalog.database.sql import statements

        for statement in statements(text):
            ask(
                self.catalogue,
                statement,
                self.settings.parameters,
                self.settings.form,
                self.settings.limit_rows,
                self.settings.timeout_s,
                whose_limit=".limit",
            )

    def _command(self, words: str) -> None:
        name, _, argument = words.rstrip(";").partition(" ")
        name = _ALIASES.get(name, name)
        if name not in COMMANDS:
            raise SelectionError(_unknown(name), name)
        COMMANDS[name].run(self, argument.strip())


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"There is no command {name}.{hint} .help lists them."


def _help(shell: Shell, argument: str) -> None:
    rows = [
        (f"{name} {command.argument}".strip(), command.meaning)
        for name, command in COMMANDS.items()
    ]
    write_rows(("Command", "What it does"), rows, Format.TABLE)
    say(
        "Anything else is SQL and ends with a semicolon, on as many lines as you like. Tab completes; "
        "Ctrl-C gives up the line, or stops the query; Ctrl-D ends."
    )


def _tables(shell: Shell, argument: str) -> None:
    from catalog.database.sql_descriptions import described

    rows = [(name, each.text) for name, each in described(shell.known).items()]
    write_rows(("Name", "What it holds"), rows, shell.settings.form)


def _schema(shell: Shell, argument: str) -> None:
    from catalog.database.sql import nearest
    from catalog.database.sql_descriptions import described

    if not argument:
        _tables(shell, argument)
        return
    all_ = described(shell.known)
    name = next((name for name in all_ if name.lower() == argument.lower()), None)
    if name is None:
        near = nearest(argument, all_)
        hint = f"Did you mean {near}?" if near else ".tables lists them."
        raise SelectionError(f"There is no table or view {argument}. {hint}", argument)
    write_rows(("Column", "What it holds"), list(all_[name].columns.items()), shell.settings.form)


def _mode(shell: Shell, argument: str) -> None:
    names = [form.value for form in Format]
    if argument and argument not in names:
        raise SelectionError(f"There is no form {argument!r}. Say one of {', '.join(names)}.")
    if argument:
        shell.settings.form = Format(argument)
    else:
        say(f"Rows are written as {shell.settings.form.value}; there are {', '.join(names)}.")


def _limit(shell: Shell, argument: str) -> None:
    if argument == "off":
        shell.settings.limit_rows = None
    elif argument.isascii() and argument.isdigit() and len(argument) < 10:
        shell.settings.limit_rows = int(argument)
    elif argument:
        raise SelectionError(f"{argument!r} is no number of rows. Say a number, or off.")
    limit = shell.settings.limit_rows
    say(
        "All rows are written."
        if limit is None
        else f"At most {counted(limit, 'row')} of a statement."
    )


def _timeout(shell: Shell, argument: str) -> None:
    if argument:
        try:
            seconds = float(argument)
        except ValueError:
            seconds = 0.0
        if not 0.1 <= seconds < 1e9:
            raise SelectionError(f"{argument!r} is no time in seconds. Say 0.1 or more.")
        shell.settings.timeout_s = seconds
    say(f"A statement is stopped after {shell.settings.timeout_s:g} s.")


def _parameter(shell: Shell, argument: str) -> None:
    parameters = shell.settings.parameters
    if argument:
        name, equals, value = argument.partition("=")
        if not equals or not name.strip():
            raise SelectionError(f"{argument!r} is not of the form NAME=VALUE.")
        parameters[name.strip()] = value
    else:
        write_rows(("Name", "Value"), list(parameters.items()), Format.TABLE)
        if not parameters:
            say("No parameter has a value yet. .param NAME=VALUE gives :NAME one.")


def _quit(shell: Shell, argument: str) -> None:
    shell.is_done = True


COMMANDS = {
    ".help": Command("", "this list", _help),
    ".tables": Command("", "tables and views, and what they hold", _tables),
    ".schema": Command("[NAME]", "the columns of a table or view", _schema),
    ".mode": Command("[FORM]", "how rows are written: " + ", ".join(Format), _mode),
    ".limit": Command("[N|off]", "how many rows of a statement are written", _limit),
    ".timeout": Command("[SECONDS]", "after how long a statement is stopped", _timeout),
    ".param": Command("[NAME=VALUE]", "the value of :NAME", _parameter),
    ".quit": Command("", "end", _quit),
}
"""The commands of the shell; `_ALIASES` has other names for some."""
