"""The command `dcat`: its subcommands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from catalog import __version__
from catalog.cli import (
    audit,
    db,
    demo,
    dicomdir,
    export,
    find,
    import_,
    index,
    options,
    sql,
    verify,
)
from catalog.errors import DcatError, SelectionError

EPILOG = (
    "Exit codes: 0 done; 1 error; 2 wrong usage; 3 done, but some files failed or were left out; "
    "4 an audit or verification found something; 130 interrupted."
)

app = typer.Typer(
    help="A catalogue of DICOM files: index archives, find anything, export and import File-sets, audit in SQL.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("index")(index.index)
app.command("find")(find.find)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("verify")(verify.verify)
app.command("audit")(audit.audit)
app.command("sql")(sql.sql)
app.command("demo")(demo.demo)
app.add_typer(dicomdir.app, name="dicomdir")
app.add_typer(db.app, name="db")

INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dcat {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and debug messages.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(name)s: %(message)s",
        stream=sys.stderr,
    )


def main(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    options.remember(arguments)
    try:
        if "" in arguments:
            # `--patient "$ID"` with ID unset must not mean everybody.
            raise SelectionError("One of the arguments is empty. Is a variable not set?")
        result = app(list(arguments), standalone_mode=False, prog_name="dcat")
    except DcatError as exc:
        if "--debug" in arguments:
            logging.getLogger("catalog").exception("the error in full")
        typer.echo(f"dcat: {exc}", err=True)
        return exc.exit_code
    except (KeyboardInterrupt, typer.Abort):
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
        where = f" ({exc.filename})" if exc.filename else ""
        typer.echo(f"dcat: {exc.strerror or exc}{where}.", err=True)
        return 1
    except Exception as exc:
        show = getattr(exc, "show", None)  # usage errors; Typer carries its own copy of their class
        if show is None:
            raise
        show()
        return int(getattr(exc, "exit_code", 2))
    if result == INTERRUPTED:
        typer.echo("dcat: interrupted; what was done before is kept.", err=True)
    return result if isinstance(result, int) else 0


def _reader_has_gone() -> int:
    """End quietly: the reader of our output has seen enough, as in `dcat find | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _interrupt(number: int, frame: object) -> None:
    """End as Ctrl-C does: the batch is kept, and the run's row says how it ended."""
    raise KeyboardInterrupt


def run() -> None:
    """Run the command line of this process and end it."""
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(
                errors="backslashreplace"
            )  # a terminal that lacks a letter must not end the run
    sys.exit(main(sys.argv[1:]))
