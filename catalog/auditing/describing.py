"""The audits described for people: `docs/audits.md`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from catalog.auditing.headers import OWN_GROUP, Audit

GROUPS = (
    "Volumes and growth",
    "People",
    "Identity of instances",
    "Series",
    "Dates and attributes",
    "Files",
    "Export and File-sets",
)
"""Headings under which audits are listed, in this order; others follow by name."""

_INTRODUCTION = """# Audits

Made from the headers of `catalog/audits/*.sql`; do not edit.

An audit is a question that archives should be asked, as one SQL file. `dcat audit` lists them,
`dcat audit NAME` asks one, `dcat audit --all` asks all that look for problems and prints one line for
each. Exit code 4 says that something was found, so cron can watch an archive:

```console
$ dcat audit --all --severity warning --since 17
```

* **Figures** count; nothing in them is wrong. **Problems** have a severity: an *error* breaks a rule or
  loses data, a *warning* should be looked into, a *note* is good to know.
* `--severity` leaves out what is less severe; `--fail-on` changes only what makes exit code 4.
* `--since RUN` leaves out rows about what that run, or one before it, saw as it is now (`dcat db
  runs` lists runs). A row is shown if one of the files that it is about was first seen, read again or
  found missing or back after that run; a row about a File-set, an export or a verification, if that
  was imported, exported or verified after it. So a problem that was there before and has grown is shown again,
  whole; and one that came about only because rows were deleted (`dcat index --prune`) or days went by is
  not. Figures cannot be asked so.
* On SQLite and on PostgreSQL they are the same files, and give the same rows. Write your own so, too:
  [sql.md](sql.md#on-postgresql) says what differs.
* Parameters are given with `-p NAME=VALUE`. Where a date is asked for, `today` and `90 days ago` are
  dates.
* Your own audits: SQL files in a folder that the configuration names, or `--folder DIR`.

  ```toml
  [audit]
  folder = "/etc/dcat/audits"
  ```

  Their first lines are comments like these; they are read-only by construction and limited in time, as
  dcat's own are. `Args` must be given, `Options` have a default (`Options: modality=CT: of which
  modality`). A problem that names `:since` in its SQL (a run's number, 0 for all) can be asked with
  `--since`.

  ```sql
  -- Title: Studies without a description
  -- Group: Ours
  -- Columns: StudyInstanceUID: the study; StudyDate: its date
  -- Tags: problem, note
  -- Description: The study has no description.
  -- Action: Tell the modality's operator.
  SELECT StudyInstanceUID, StudyDate FROM v_study WHERE coalesce(StudyDescription, '') = ''
  ```
"""


def grouped(known: Iterable[Audit]) -> list[tuple[str, list[Audit]]]:
    """Return the audits by group, in the order of the groups; within one by name."""
    groups: dict[str, list[Audit]] = {}
    for audit in sorted(known, key=lambda a: (_rank(a.group), a.group, a.name)):
        groups.setdefault(audit.group, []).append(audit)
    return list(groups.items())


def _rank(group: str) -> int:
    if group in GROUPS:
        return GROUPS.index(group)
    return len(GROUPS) + (group == OWN_GROUP)


def markdown(known: Iterable[Audit]) -> str:
    """Return the description of audits, as Markdown."""
    groups = grouped(known)
    parts = [_INTRODUCTION]
    for group, audits in groups:
        parts.append(f"\n## {group}\n\n| audit | kind | question |\n|---|---|---|\n")
        parts += [f"| [{a.name}](#{a.name}) | {a.kind} | {_cell(a.title)} |\n" for a in audits]
        for audit in audits:
            parts.append(_section(audit))
    return "".join(parts)


def _section(audit: Audit) -> str:
    lines = [f"\n### {audit.name}\n", f"{audit.title} ({audit.kind}).\n", f"{audit.description}\n"]
    if audit.action:
        lines.append(f"What to do: {audit.action}\n")
    lines += ["| column | meaning |\n|---|---|"]
    text = "\n".join(lines) + "\n"
    for names, meaning in column_meanings(audit.columns):
        text += f"| {', '.join(f'`{name}`' for name in names)} | {_cell(meaning)} |\n"
    parameters = [(f"-p {n}=…", m, "must be given") for n, m in audit.arguments.items()]
    parameters += [
        (f"-p {n}=…", m, f"default: {audit.defaults[n]}") for n, m in audit.options.items()
    ]
    if parameters:
        text += "\n| parameter | meaning | |\n|---|---|---|\n"
        text += "".join(f"| `{name}` | {_cell(m)} | {how} |\n" for name, m, how in parameters)
    return text


def column_meanings(columns: str) -> list[tuple[list[str], str]]:
    """Return names and meaning of the columns that a header describes: `A: …; B, C: …`."""
    found = []
    for part in re.split(r";\s*", columns):
        names, _, meaning = part.partition(": ")
        found.append(([name.strip() for name in names.split(",")], meaning.strip()))
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
