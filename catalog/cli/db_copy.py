"""dcat db copy: a whole catalogue to another database."""

from __future__ import annotations

from typing import Annotated

from catalog.cli import declared, options
from catalog.cli.render import Format

DIGITS = 16
"""Digits of a digest that a table shows; other forms have all of them."""


def copy(
    source: Annotated[
        str, declared.Argument(metavar="FROM", help="The catalogue: a file or a URL, as for --db.")
    ],
    target: Annotated[
        str,
        declared.Argument(
            metavar="TO", help="A file that does not exist, or the URL of an empty database."
        ),
    ],
    output: options.Output = Format.TABLE,
) -> int:
    """Copy a whole catalogue to another database, SQLite or PostgreSQL, and prove that all of it arrived.

    The proof: the number of rows of each table, and the SHA-256 of their text, read back from both.
    Exit code 1 if one is not the same; there is no catalogue at TO then.
    """
    from catalog import config
    from catalog.cli.progress import shown
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say
    from catalog.database.location import located
    from catalog.database.moving import copy as run

    from_place, to_place = located(source), located(target)
    with shown() as listener:
        proofs = run(from_place, to_place, listener, options.patience(config.load()))
    is_table = output is Format.TABLE
    rows = [
        (
            proof.table,
            proof.rows_from,
            proof.rows_to,
            _digest(proof.sha256_from, is_table),
            _digest(proof.sha256_to, is_table),
            "yes" if proof.is_same else "NO",
        )
        for proof in proofs
    ]
    write_rows(("Table", "RowsFrom", "RowsTo", "SHA256From", "SHA256To", "Same"), rows, output)
    differing = sum(not proof.is_same for proof in proofs)
    if differing:
        say(
            f"{counted(differing, 'table')} of {to_place} differed from what {from_place} has when read back, so the copy was thrown away. {from_place} is as it was; please report this."
        )
        return 1
    say(
        f"{to_place} holds all of {from_place}: {counted(sum(proof.rows_to for proof in proofs), 'row')}, read back and compared."
    )
    return 0


def _digest(digest: str, is_short: bool) -> str:
    return f"{digest[:DIGITS]}…" if is_short else digest
