"""dcat selection: selections that have a name"""

from __future__ import annotations

from typing import Annotated

from catalog.cli import declared, options
from catalog.cli.render import Format

Name = Annotated[
    str, declared.Argument(metavar="NAME", help="What it is called; it is used as @NAME.")
]


def save(
    name: Name,
    others: Annotated[
        list[str] | None,
        declared.Argument(metavar="@NAME", help="Saved selections of which it is a part."),
    ] = None,
    replace: Annotated[
        bool, declared.Option("--replace", help="Replace the selection that has this name.")
    ] = False,
    db: options.Db = None,
    patient: options.PatientIds = None,
    study: options.StudyUids = None,
    series: options.SeriesUids = None,
    instance: options.InstanceUids = None,
    modality: options.Modalities = None,
    date: options.Dates = None,
    accession: options.Accessions = None,
    key: options.Keys = None,
    words: options.Words = None,
    exact: options.Exact = False,
    no_links: options.NoLinks = False,
    where: options.Where = None,
    sql: options.Sql = None,
    listed: options.From = None,
) -> int:
    """Give a selection a name: `dcat find @NAME`, `dcat export @NAME DEST`, `dcat verify @NAME`.

    Saved is what you type, and it is understood anew each time: a relative date stays relative. Of
    a list (--from) the lines are saved, not the name of the file.
    """
    from catalog.cli import saved
    from catalog.cli.saying import counted, say
    from catalog.database import fetch, saved_selections
    from catalog.entities import Level

    saved_selections.checked_name(name.removeprefix("@"))
    given = {
        "patient": patient,
        "study": study,
        "series": series,
        "instance": instance,
        "modality": modality,
        "date": date,
        "accession": accession,
        "key": key,
        "words": words,
        "exact": exact,
        "no_links": no_links,
        "where": where,
        "sql": sql,
    }
    lines = None if listed is None else options.lines_of(listed)
    name = name.removeprefix("@")
    definition = saved.definition(given, lines, others or ())
    with options.opened(db) as catalogue:
        with catalogue.read() as connection:
            known = saved_selections.all_saved(connection)
            chosen = saved.meaning(known, definition, db, (name,))
            instances = fetch.count_of(connection, Level.INSTANCE, chosen)
        text = saved.as_typed(definition)
        saved_selections.save(catalogue, name, definition, text, replace=replace)
    say(f"@{name} is saved; {counted(instances, 'instance fits', 'instances fit')} now.")
    return 0


def list_(
    output: options.Output = Format.TABLE,
    db: options.Db = None,
) -> int:
    """List the saved selections."""
    from catalog.cli.render import write_rows
    from catalog.cli.saying import counted, say
    from catalog.database import saved_selections

    with options.opened(db) as catalogue, catalogue.read() as connection:
        known = saved_selections.all_saved(connection)
    rows = [(each.name, each.text, each.created_at) for each in known]
    write_rows(("Name", "Selection", "Saved"), rows, output)
    if not known:
        say("No selection is saved. `dcat selection save NAME …` saves one.")
    elif output is Format.TABLE:
        say(f"{counted(len(known), 'selection')}.")
    return 0


def show(name: Name, db: options.Db = None) -> int:
    """Show what a saved selection means, with those that it refers to, and how many instances fit now."""
    from catalog.cli import saved
    from catalog.cli.saying import counted, plain, say
    from catalog.database import fetch, saved_selections
    from catalog.entities import Level

    name = name.removeprefix("@")
    with options.opened(db) as catalogue, catalogue.read() as connection:
        known = saved_selections.all_saved(connection)
        found = saved_selections.named(known, name)
        texts: dict[str, str] = {}
        chosen = saved.meaning(known, found.definition, db, (name,), texts)
        instances = fetch.count_of(connection, Level.INSTANCE, chosen)
    for each, text in {name: found.text, **texts}.items():
        print(f"@{plain(each)}  {plain(text)}")  # noqa: T201 - the answer
    say(f"Saved {found.created_at}; {counted(instances, 'instance fits', 'instances fit')} now.")
    return 0


def remove(name: Name, db: options.Db = None) -> int:
    """Forget a saved selection; what it selects stays as it is."""
    from catalog.cli.saying import say
    from catalog.database import saved_selections

    with options.opened(db) as catalogue:
        found = saved_selections.remove(catalogue, name.removeprefix("@"))
    say(f"@{found.name} is forgotten; it was {found.text}")
    return 0


app = declared.Group(
    "Selections that have a name, for use as @NAME.",
    {"save": save, "list": list_, "show": show, "remove": remove},
)
