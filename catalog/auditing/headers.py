"""The header of an audit: the comment lines at the beginning of its file.

-- Title: Studies without a date
-- Group: Dates
-- Columns: StudyInstanceUID: the study; Instances: how many it has
-- Options: modality=CT: of which modality
-- Tags: problem, note
-- Description: What one row means. A long text goes on
--   in lines that begin with three spaces.
-- Action: What to do about it.
SELECT …
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from catalog.errors import ConfigError

SEVERITIES = ("error", "warning", "note")
"""Severities of problems, the worst first."""

OWN_GROUP = "Your own"
"""The group of audits that name none."""

_KINDS = ("problem", "figures")
_FIELDS = ("Title", "Group", "Columns", "Args", "Options", "Tags", "Description", "Action")
_NEEDED = ("Title", "Columns", "Tags", "Description")
_FIELD = re.compile(r"-- ([A-Z][A-Za-z]*): *(.*)")
_MORE = re.compile(r"--   +(.*)")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TEXTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Audit:
    """One named question.

    Attributes
    ----------
    name:
        The file's name without `.sql`.
    title:
        What is asked, in a few words.
    columns:
        What each column means, as one text.
    arguments:
        Parameters that must be given, by name, with what they mean.
    is_problem:
        Whether a row is something to look into, rather than a figure.
    severity:
        error, warning or note for problems; `''` for figures.
    description:
        What a row means.
    sql:
        The whole file.
    action:
        What to do about a row; `''` for figures.
    group:
        Heading under which it is listed.
    options:
        Parameters that may be given, by name, with what they mean.
    defaults:
        Their values where they are not given.
    knows_since:
        Whether it can tell only what is new since a run: its SQL names `:since`.
    """

    name: str
    title: str
    columns: str
    arguments: Mapping[str, str]
    is_problem: bool
    severity: str
    description: str
    sql: str
    action: str
    group: str
    options: Mapping[str, str]
    defaults: Mapping[str, str]
    knows_since: bool

    @property
    def kind(self) -> str:
        """Return its severity, or `figures`."""
        return self.severity or "figures"


def parsed(name: str, text: str, place: str) -> Audit:
    """Return the audit that a file's text describes; `place` is what messages call the file.

    Raises
    ------
    ConfigError
        If the name or the header is not as it must be; the message says what to write.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"The audit {place} needs another name: lower-case letters, digits and single hyphens, ended by .sql."
        )
    fields = _fields(text, place)
    for field in _NEEDED:
        if not fields.get(field):
            raise ConfigError(
                f"The audit {place} has no {field}; add a line `-- {field}: …` to the comments at its beginning."
            )
    severity = _severity(fields["Tags"], place)
    arguments = _pairs(fields.get("Args", ""), "Args", place)
    given = _pairs(fields.get("Options", ""), "Options", place)
    options = {key.partition("=")[0]: meaning for key, meaning in given.items()}
    defaults = {key.partition("=")[0]: key.partition("=")[2].strip() for key in given}
    _check_parameters(text, arguments, options, place)
    if severity and arguments:
        raise ConfigError(
            f"The audit {place} is a problem, which `dcat audit --all` asks without parameters; give {next(iter(arguments))} a default, under Options."
        )
    if severity and not fields.get("Action"):
        raise ConfigError(
            f"The audit {place} has no Action; add a line `-- Action: …` that says what to do about a row."
        )
    return Audit(
        name=name,
        title=fields["Title"].rstrip("."),
        columns=fields["Columns"],
        arguments=arguments,
        is_problem=bool(severity),
        severity=severity,
        description=fields["Description"],
        sql=text,
        action=fields.get("Action", ""),
        group=fields.get("Group") or OWN_GROUP,
        options=options,
        defaults=defaults,
        knows_since="since" in parameters_of(text),
    )


def parameters_of(sql: str) -> frozenset[str]:
    """Return the names of the parameters (`:name`) of a statement; texts and comments have none."""
    return frozenset(_PARAMETER.findall(_TEXTS.sub(" ", sql)))


def _fields(text: str, place: str) -> dict[str, str]:
    """Return the header's fields by name."""
    fields: dict[str, str] = {}
    field = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if found := _FIELD.fullmatch(line.rstrip()):
            field = found[1]
            if field not in _FIELDS:
                near = difflib.get_close_matches(field, _FIELDS, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(_FIELDS)}."
                raise ConfigError(f"The audit {place} has an unknown field {field!r}. {hint}")
            if field in fields:
                raise ConfigError(f"The audit {place} says {field} twice; keep one of them.")
            fields[field] = found[2].strip()
        elif field and (more := _MORE.fullmatch(line.rstrip())):
            fields[field] = f"{fields[field]} {more[1].strip()}".strip()
    return fields


def _severity(text: str, place: str) -> str:
    """Return the severity that the tags say, `''` for figures."""
    tags = [tag.strip() for tag in text.split(",") if tag.strip()]
    for tag in tags:
        if tag not in (*_KINDS, *SEVERITIES):
            near = difflib.get_close_matches(tag, (*_KINDS, *SEVERITIES), n=1)
            hint = f"Did you mean {near[0]}?" if near else "Known are problem, figures, " + ", ".join(SEVERITIES) + "."  # fmt: skip
            raise ConfigError(f"The audit {place} has an unknown tag {tag!r}. {hint}")
    severities = [tag for tag in tags if tag in SEVERITIES]
    if tags == ["figures"]:
        return ""
    if sorted(tags) == sorted(["problem", *severities]) and len(severities) == 1:
        return severities[0]
    raise ConfigError(
        f"The audit {place} has the Tags {text!r}; write `figures`, or `problem` and one of {', '.join(SEVERITIES)}."
    )


def _pairs(text: str, field: str, place: str) -> dict[str, str]:
    """Return the parameters that `name: meaning; name: meaning` describes."""
    pairs: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, colon, meaning = part.partition(":")
        bare, equals, _ = name.partition("=")
        if not colon or not _WORD.fullmatch(bare.strip()) or bool(equals) != (field == "Options"):
            form = "name=default: meaning" if field == "Options" else "name: meaning"
            raise ConfigError(
                f"The audit {place} has {field} that cannot be understood at {part!r}; write `{form}; …`."
            )
        pairs[name.strip()] = meaning.strip()
    return pairs


def _check_parameters(
    text: str, arguments: Mapping[str, str], options: Mapping[str, str], place: str
) -> None:
    """Refuse parameters that are described and not used, or used and not described."""
    described = {*arguments, *options}
    used = parameters_of(text) - {"since"}
    if "since" in described:
        raise ConfigError(
            f"The audit {place} describes since, which is dcat's own; leave it out of the header."
        )
    for name in sorted(used - described):
        raise ConfigError(
            f"The audit {place} uses :{name}; describe it in a line `-- Args: {name}: …` or `-- Options: {name}=default: …`."
        )
    for name in sorted(described - used):
        raise ConfigError(
            f"The audit {place} describes {name} and does not use :{name}; remove one or add the other."
        )
    if both := sorted(set(arguments) & set(options)):
        raise ConfigError(f"The audit {place} has {both[0]} under both Args and Options.")
