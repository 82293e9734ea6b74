"""The command `dcat`: its subcommands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from catalog import __version__
from catalog.cli import declared, plain_lines, stopping, typed_line
from catalog.cli.saying import path_text, sentence
from catalog.errors import DcatError, SelectionError

if TYPE_CHECKING:
    import typer

EPILOG = (
    "Exit codes: 0 done; 1 error; 2 wrong usage; 3 done, but some files failed or were left out; "
    "4 an audit or verification found something; 130 interrupted."
)

_COMMANDS = {
    "index": ("index", "index"),
    "find": ("find", "find"),
    "export": ("export", "export"),
    "import": ("import_", "import_"),
    "verify": ("verify", "verify"),
    "ledger": ("ledger", "app"),
    "patient": ("patient", "app"),
    "selection": ("selection", "app"),
    "audit": ("audit", "audit"),
    "report": ("report", "report"),
    "sql": ("sql", "sql"),
    "demo": ("demo", "demo"),
    "dicomdir": ("dicomdir", "app"),
    "db": ("db", "app"),
}
"""By command: module and name of its function, or of a group of commands; in the order of `--help`."""

INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        import typer

        print(f"dcat {__version__}")  # noqa: T201 - what was asked for
        raise typer.Exit


def _options(
    debug: Annotated[
        bool, declared.Option("--debug", help="Show tracebacks and debug messages.")
    ] = False,
    version: Annotated[
        bool,
        declared.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Warnings of libraries reach standard error by themselves; loading `logging` takes a while.
    if debug:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s", stream=sys.stderr)


def _loaded(name: str) -> Any:
    """Return the function or group `name`; its module is imported for that."""
    module, attribute = _COMMANDS[name]
    return getattr(import_module(f"catalog.cli.{module}"), attribute)


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command `dcat`, with that subcommand alone which `arguments` ask for.

    With all of them if `arguments` begin with none.
    """
    import typer

    app = typer.Typer(
        help="A catalogue of DICOM files: index archives, find anything, export and import File-sets, audit in SQL.",
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(declared.for_typer(_options))
    first = next((each for each in arguments if each != "--debug"), "")
    for name in [first] if first in _COMMANDS else _COMMANDS:
        command = _loaded(name)
        if isinstance(command, declared.Group):
            command = declared.group_for_typer(command)
        if isinstance(command, typer.Typer):
            for each in command.registered_commands:
                each.help = each.help or _flowing(each.callback)
            app.add_typer(command, name=name)
        else:
            app.command(name, help=_flowing(command))(declared.for_typer(command))
    return app


def _flowing(command: Callable[..., Any] | None) -> str | None:
    """Return the docstring with each paragraph in one line, so that `--help` breaks it to the width at hand."""
    import inspect
    import re

    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(command) or "") or None


def _run(arguments: Sequence[str]) -> object:
    """Run the subcommand that `arguments` ask for; return what it returns."""
    if len(arguments) > 1 and arguments[0] in _COMMANDS:
        command, rest = _loaded(arguments[0]), arguments[1:]
        if isinstance(command, declared.Group):
            command, rest = command.command(rest[0]), rest[1:]
        plain = callable(command) and plain_lines.values(command, rest)
        if isinstance(plain, dict):
            _options()
            return command(**plain)
    return application(arguments)(list(arguments), standalone_mode=False, prog_name="dcat")


def main(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    typed_line.remember(arguments)
    try:
        if "" in arguments:
            # `--patient "$ID"` with ID unset must not mean everybody.
            raise SelectionError("One of the arguments is empty. Is a variable not set?")
        result = _run(arguments)
    except DcatError as exc:
        if "--debug" in arguments:
            import logging

            logging.getLogger("catalog").exception("the error in full")
        _complain(f"dcat: {sentence(exc)}")
        return exc.exit_code
    except KeyboardInterrupt:
        result = INTERRUPTED
    except BrokenPipeError:
        return _reader_has_gone()
    except SystemExit as exc:
        # Typer ends the process itself where a pipe is closed.
        if isinstance(exc.__context__, OSError) and exc.__context__.errno == errno.EPIPE:
            return _reader_has_gone()
        raise
    except OSError as exc:
        if "--debug" in arguments:
            raise
        named = isinstance(exc.filename, str | bytes) and exc.filename
        where = f" ({path_text(os.fsdecode(named))})" if named else ""
        _complain(f"dcat: {sentence(exc.strerror or exc)}{where}.")
        return 1
    except Exception as exc:
        if _is_abort(exc):
            return _interrupted()
        show = getattr(exc, "show", None)  # usage errors; Typer carries its own copy of their class
        if show is None:
            raise
        show()
        return int(getattr(exc, "exit_code", 2))
    if result == INTERRUPTED:
        return _interrupted()
    return result if isinstance(result, int) else 0


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - the one place where errors become text


def _interrupted() -> int:
    _complain("dcat: interrupted; what was done before is kept.")
    return INTERRUPTED


def _is_abort(exc: Exception) -> bool:
    """Return whether Typer's prompts were interrupted; without Typer nothing was."""
    loaded = sys.modules.get("typer")
    return loaded is not None and isinstance(exc, loaded.Abort)


def _reader_has_gone() -> int:
    """End quietly: the reader of our output has seen enough, as in `dcat find | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _interrupt(number: int, frame: object) -> None:
    """End as Ctrl-C does: the batch is kept, and the run's row says how it ended."""
    raise KeyboardInterrupt


def _fill_closed_streams() -> None:
    """Open nothing in the place of standard streams that are closed.

    The next file that is opened would get their number, and a message would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            filler = os.open(os.devnull, os.O_RDWR)
            if filler != number:
                os.dup2(filler, number)
                os.close(filler)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def run() -> None:
    """Run the command line of this process and end it."""
    signal.signal(signal.SIGTERM, _interrupt)
    stopping.say_again_what_was_swallowed()
    _fill_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(
                errors="backslashreplace"
            )  # a terminal that lacks a letter must not end the run
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _reader_has_gone()
    # All is done and said; that Python takes a moment to end is nothing to interrupt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
