"""dcat patient: foreign patients that are one of this place"""

from __future__ import annotations

from typing import Annotated

from catalog.cli import declared, options
from catalog.cli.render import Format


def link(
    links: Annotated[
        list[str],
        declared.Argument(
            metavar="FOREIGN=LOCAL...",
            help="Each as ID or ID^ISSUER; \\= and \\^ stand for the characters themselves.",
        ),
    ],
    reason: Annotated[
        str | None, declared.Option("--reason", help="Why: kept with the link.")
    ] = None,
    db: options.Db = None,
) -> int:
    """State that foreign patients are patients of this place.

    A link changes no file and no row of a patient. The views have it as LinkedPatientID and
    LinkedIssuerOfPatientID. Neither patient need be in the catalogue yet.
    """
    from catalog.cli.saying import counted, say
    from catalog.database import patient_links, runs

    asked = [patient_links.parsed(text, reason) for text in links]
    with options.opened(db) as catalogue, catalogue.writer_lock(), catalogue.write() as connection:
        changed = patient_links.add(connection, asked, None, runs.now_text())
    stood = len(asked) - changed
    already = f"; {stood:,} stood already" if stood else ""
    say(f"{counted(changed, 'link')} made{already}.")
    return 0


def unlink(
    foreign: Annotated[
        list[str],
        declared.Argument(metavar="FOREIGN...", help="Linked patients, each as ID or ID^ISSUER."),
    ],
    db: options.Db = None,
) -> int:
    """Take back links of foreign patients."""
    from catalog.cli.saying import counted, say
    from catalog.database import patient_links
    from catalog.errors import SelectionError

    asked = [patient_links.parsed_id(text) for text in foreign]
    with options.opened(db) as catalogue, catalogue.writer_lock(), catalogue.write() as connection:
        for each in asked:
            if not patient_links.remove(connection, each):
                raise SelectionError(
                    f"{each} is not linked; nothing was changed. `dcat patient links` lists the links."
                )
    say(f"{counted(len(asked), 'link')} taken back.")
    return 0


def links(
    output: Annotated[Format, declared.Option("--output", "-o")] = Format.TABLE,
    db: options.Db = None,
) -> int:
    """List the links, with how many studies of the foreign patient the catalogue has."""
    from catalog.cli.render import write_rows
    from catalog.cli.saying import say
    from catalog.database import patient_links

    with options.opened(db) as catalogue, catalogue.read() as connection:
        known = patient_links.stored(connection)
    columns = ("PatientID", "IssuerOfPatientID", "LinkedPatientID", "LinkedIssuerOfPatientID", "Studies", "Said", "By", "Reason")  # fmt: skip
    rows = [
        (*each.link.foreign, *each.link.local, each.studies, each.said_at, each.said_by, each.link.reason)
        for each in known
    ]  # fmt: skip
    if rows or output is not Format.TABLE:
        write_rows(columns, rows, output)
    if not known:
        say("No patient is linked. `dcat patient link FOREIGN=LOCAL` links one.")
    return 0


app = declared.Group(
    "Foreign patients that are one of this place.",
    {"link": link, "unlink": unlink, "links": links},
)
