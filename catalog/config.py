"""The configuration: a TOML file and the environment, read once, by `cli` alone.

database = "/srv/dcat/catalogue.db"   # or "postgresql://dcat@db.example.org/dcat"
lock_timeout_s = 60

[index]
jobs = 4
follow_links = false
attributes = ["PatientAge", "RequestAttributesSequence.RequestedProcedureID", "00191008"]

[audit]
folder = "/etc/dcat/audits"
source_id = "archive-1.radiology.example.org"

[import]
name = "{PatientID}/{StudyDate}_{StudyInstanceUID}/{SOPInstanceUID}.dcm"

[media]
institution = "General Hospital, Radiology"
contact = "1 Main Street, Springfield"
privacy_notice = "For the patient and the doctors who treat the patient."

[storage]
endpoint_url = "https://storage.example.org"
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from catalog.database.location import Location, located
from catalog.errors import ConfigError
from catalog.shapes import frozen

if TYPE_CHECKING:
    from catalog.attributes import Further

_KEYS: dict[str, type] = {
    "database": str,
    "lock_timeout_s": int,
    "index.jobs": int,
    "index.follow_links": bool,
    "index.attributes": list,
    "audit.folder": str,
    "audit.source_id": str,
    "import.name": str,
    "media.institution": str,
    "media.contact": str,
    "media.privacy_notice": str,
    "storage.endpoint_url": str,
}


@frozen
class Config:
    """What the user configured; `None` where nothing was said."""

    database: str | None = None
    jobs: int | None = None
    follow_links: bool | None = None
    attributes: tuple[str, ...] = ()
    """Attributes that are kept beside those of every catalogue, as the user writes them."""
    lock_timeout_s: int | None = None
    audit_folder: Path | None = None
    """Folder of the user's own audits; a relative one lies beside the configuration file."""
    institution: str = ""
    """Who hands media out, for the pages of `dcat export --pdi`."""
    contact: str = ""
    privacy_notice: str = ""
    audit_source_id: str = ""
    """Which system audit messages come from (Audit Source ID); empty for the machine's name."""
    import_name: str | None = None
    """Template of the names that `dcat import --copy-to` gives."""
    endpoint_url: str | None = None
    """Where storage that speaks S3 is, for roots that are s3:// URLs, if it is not Amazon's."""


@frozen
class Place:
    """Where the catalogue is, and who said so."""

    location: Location
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
        _beside(path, values.get("audit.folder")),
        values.get("media.institution", ""),
        values.get("media.contact", ""),
        values.get("media.privacy_notice", ""),
        values.get("audit.source_id", ""),
        values.get("import.name"),
        values.get("storage.endpoint_url"),
    )


def settle_storage(config: Config, environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell what reads s3:// URLs, in this process and in those that it starts, where the storage is.

    What the environment says goes before the configuration.
    """
    if config.endpoint_url:
        environment.setdefault("AWS_ENDPOINT_URL", config.endpoint_url)


def _beside(path: Path, folder: str | None) -> Path | None:
    """Return the folder that the configuration file at `path` names.

    Raises
    ------
    ConfigError
        If its name is empty.
    """
    if folder is None:
        return None
    if not folder.strip():
        raise ConfigError(f"In the configuration file {path}, audit.folder must name a folder.")
    return path.parent / Path(folder).expanduser()


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
        If a URL of a database is given that dcat cannot use.
    """
    if option:
        return Place(located(option), "--db")
    if environment.get("DCAT_DB"):
        return Place(located(environment["DCAT_DB"]), "DCAT_DB")
    if config.database:
        return Place(located(config.database), "the configuration file")
    return Place(
        platformdirs.user_data_path("dcat", appauthor=False) / "catalogue.db", "the default"
    )
