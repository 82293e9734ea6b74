"""Where audits are: dcat's own, and those in a folder of the user's."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path

from catalog.auditing.headers import Audit, parsed
from catalog.errors import ConfigError, PathError, SelectionError

MOST_BYTES = 1_000_000
"""No audit is larger; what is has got its ending by mistake."""


def audits(folder: Path | None = None) -> dict[str, Audit]:
    """Return all audits by name, sorted: dcat's own and those in `folder`.

    Raises
    ------
    PathError
        If the folder cannot be listed.
    ConfigError
        If a file in it cannot be read, has a header that is not understood, or the name of an
        audit that dcat has.
    """
    found = {}
    for entry in (files("catalog") / "audits").iterdir():
        if entry.name.endswith(".sql"):
            name = entry.name.removesuffix(".sql")
            found[name] = parsed(name, entry.read_text(encoding="utf-8"), name)
    for path in _listed(folder) if folder is not None else ():
        name = path.name.removesuffix(".sql")
        if name in found:
            raise ConfigError(
                f"The audit {path} has the name of one that dcat has. Rename the file."
            )
        found[name] = parsed(name, _content(path), str(path))
    return dict(sorted(found.items()))


def _listed(folder: Path) -> list[Path]:
    """Return the audits' files in `folder`; files whose names begin with a dot are none."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as exc:
        raise PathError(
            f"The folder of audits {folder} cannot be read: {exc.strerror}. Name a folder that holds .sql files."
        ) from exc
    return [path for path in entries if path.name.endswith(".sql") and path.name[0] != "."]


def _content(path: Path) -> str:
    try:
        if not path.is_file():
            raise ConfigError(f"The audit {path} is no file. Remove it from the folder.")
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(
                f"The audit {path} is too large to be one. Remove it from the folder."
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ConfigError(
            f"The audit {path} cannot be read: {exc.strerror}. Make it readable, or remove it from the folder."
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"The audit {path} is no UTF-8 text. Save it as UTF-8.") from exc


def audit_named(name: str, folder: Path | None = None) -> Audit:
    """Return the audit of that name.

    Raises
    ------
    SelectionError
        If there is none; the message names the nearest.
    PathError, ConfigError
        As `audits` does.
    """
    known = audits(folder)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else " `dcat audit` lists them."
        raise SelectionError(f"There is no audit {name!r}.{hint}", name)
    return known[name]
