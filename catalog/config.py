"""The configuration: a TOML file and the environment, read once, by `cli` alone.

database = "/srv/dcat/catalogue.db"
lock_timeout_s = 60

[index]
jobs = 4
follow_links = false
attributes = ["PatientAge", "RequestAttributesSequence.RequestedProcedureID", "00191008"]
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from catalog.errors import ConfigError

if TYPE_CHECKING:
    from catalog.attributes import Further

_KEYS: dict[str, type] = {
    "database": str,
    "lock_timeout_s": int,
    "index.jobs": int,
    "index.follow_links": bool,
    "index.attributes": list,
}


@dataclass(frozen=True, slots=True)
class Config:
    """What the user configured; `None` where nothing was said."""

    database: str | None = None
    jobs: int | None = None
    follow_links: bool | None = None
    attributes: tuple[str, ...] = ()
    """Attributes that are kept beside those of every catalogue, as the user writes them."""
    lock_timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the catalogue is, and who said so."""

    path: Path
    said_by: str


def config_path(environment: Mapping[str, str]) -> Path:
    """Return the configuration file in use; it may not exist."""
    named = environment.get("DCAT_CONFIG")
    return (
        Path(named)
        if named
        else platformdirs.user_config_path("dcat", appauthor=False) / "config.toml"
    )


def load(environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or holds an unknown key or a wrong type.
    """
    path = config_path(environment)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if environment.get("DCAT_CONFIG"):
            raise ConfigError(
                f"The configuration file {path} named by DCAT_CONFIG does not exist."
            ) from None
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"The configuration file {path} cannot be read: {exc}.") from exc
    values = dict(_flat(data))
    for key, value in values.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(f"The configuration file {path} has an unknown key {key!r}.{hint}")
        if type(value) is not _KEYS[key]:
            raise ConfigError(
                f"In the configuration file {path}, {key} must be of type {_KEYS[key].__name__}."
            )
    if values.get("index.jobs", 1) < 1:
        raise ConfigError(f"In the configuration file {path}, index.jobs must be 1 or more.")
    attributes = values.get("index.attributes", [])
    if not all(isinstance(name, str) for name in attributes):
        raise ConfigError(
            f'In the configuration file {path}, index.attributes must be a list of names, such as ["PatientAge"].'
        )
    if values.get("lock_timeout_s", 0) < 0:
        raise ConfigError(f"In the configuration file {path}, lock_timeout_s must be 0 or more.")
    return Config(
        values.get("database"),
        values.get("index.jobs"),
        values.get("index.follow_links"),
        tuple(attributes),
        values.get("lock_timeout_s"),
    )


def asked(config: Config, environment: Mapping[str, str] = os.environ) -> tuple[Further, ...]:
    """Return the attributes that the configuration adds, sorted by name.

    Raises
    ------
    ConfigError
        If one of them is none that a catalogue can keep.
    """
    if not config.attributes:
        return ()  # so that nobody who adds none waits for the dictionary
    from catalog.dicom import asking

    try:
        return asking.asked(config.attributes)
    except ConfigError as exc:
        raise ConfigError(
            f"In the configuration file {config_path(environment)}, index.attributes: {exc}"
        ) from exc


def _flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in data.items():
        pairs += (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
        )
    return pairs


def database_place(
    option: str | None, config: Config, environment: Mapping[str, str] = os.environ
) -> Place:
    """Return where the catalogue is: the option, else `DCAT_DB`, else the configuration, else the user's data folder.

    Raises
    ------
    ConfigError
        If a URL of another database than SQLite is given.
    """
    if option:
        return Place(_sqlite_path(option), "--db")
    if environment.get("DCAT_DB"):
        return Place(_sqlite_path(environment["DCAT_DB"]), "DCAT_DB")
    if config.database:
        return Place(_sqlite_path(config.database), "the configuration file")
    return Place(
        platformdirs.user_data_path("dcat", appauthor=False) / "catalogue.db", "the default"
    )


def _sqlite_path(text: str) -> Path:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text).expanduser()
    if scheme == "sqlite":
        # SQLAlchemy's form: three slashes before a relative path, four before an absolute one.
        path = rest.removeprefix("/")
        if not path:
            raise ConfigError(
                "sqlite:/// names no file; write sqlite:///catalogue.db, or just the path."
            )
        return Path(path).expanduser()
    raise ConfigError(
        f"{scheme}:// is no database that this version of dcat can use; give a file, or sqlite:///file."
    )
