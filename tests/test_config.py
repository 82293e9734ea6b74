"""Where settings come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.config import Config, asked, config_path, database_place, load
from catalog.errors import ConfigError


def written(folder: Path, text: str) -> dict[str, str]:
    """Write a configuration file and return an environment that names it."""
    path = folder / "dcat.toml"
    path.write_text(text, encoding="utf-8")
    return {"DCAT_CONFIG": str(path)}


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("", Config()),
        ('database = "/srv/a.db"', Config(database="/srv/a.db")),
        ("[index]\njobs = 4\nfollow_links = true", Config(jobs=4, follow_links=True)),
        ("[index]\nfollow_links = false", Config(follow_links=False)),
        ("index.jobs = 2", Config(jobs=2)),
        ("[index]\nattributes = []", Config()),
        ('[index]\nattributes = ["PatientAge", "x"]', Config(attributes=("PatientAge", "x"))),
        ('database = "ä.db"', Config(database="ä.db")),
        (
            '[media]\ninstitution = "Ä"\ncontact = "B"\nprivacy_notice = "C"',
            Config(institution="Ä", contact="B", privacy_notice="C"),
        ),
    ],
)
def test_what_a_file_says(tmp_path: Path, text: str, config: Config) -> None:
    assert load(written(tmp_path, text)) == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("databse = 'a'", "Did you mean database?"),
        ("[index]\njob = 4", "Did you mean index.jobs?"),
        ("[indexing]\nfollow_link = true", "index.follow_links"),
        ("colour = 1", "unknown key 'colour'"),
        ("jobs = 4", "unknown key 'jobs'"),
        ("database = 4", "database must be of type str"),
        ("[index]\njobs = '4'", "index.jobs must be of type int"),
        ("[index]\njobs = true", "index.jobs must be of type int"),
        ("[index]\njobs = 4.0", "index.jobs must be of type int"),
        ("[index]\nfollow_links = 1", "index.follow_links must be of type bool"),
        ("[index]\nattributes = 'PatientAge'", "index.attributes must be of type list"),
        ("[index]\nattributes = [1]", "index.attributes must be a list of names"),
        ("[index]\nattribute = ['PatientAge']", "Did you mean index.attributes?"),
        ("index = 3", "unknown key 'index'"),
        ("[media]\ncontact = 5", "media.contact must be of type str"),
        ("[media]\ninstituion = 'A'", "Did you mean media.institution?"),
        ("database = ", "cannot be read"),
        ("= = =", "cannot be read"),
    ],
)
def test_what_a_wrong_file_is_told(tmp_path: Path, text: str, said: str) -> None:
    environment = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(environment)
    assert said in str(caught.value)
    assert environment["DCAT_CONFIG"] in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'database = "\xe4"')
    with pytest.raises(ConfigError, match="cannot be read"):
        load({"DCAT_CONFIG": str(path)})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load({"DCAT_CONFIG": str(tmp_path)})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="named by DCAT_CONFIG does not exist"):
        load({"DCAT_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("environment", [{}, {"DCAT_CONFIG": ""}], ids=["unset", "empty"])
def test_without_a_file_nothing_is_configured(environment: dict[str, str]) -> None:
    assert load(environment) == Config()


def test_the_users_own_file_is_read() -> None:
    path = config_path({})
    assert path.name == "config.toml"
    assert str(path).startswith(str(Path.home()))
    path.parent.mkdir(parents=True)
    path.write_text("[index]\njobs = 3", encoding="utf-8")
    assert load({}) == Config(jobs=3)


OPTION, VARIABLE, FILE = "/option.db", "/variable.db", "/file.db"


@pytest.mark.parametrize(
    ("option", "environment", "config", "path", "said_by"),
    [
        (OPTION, {"DCAT_DB": VARIABLE}, Config(FILE), OPTION, "--db"),
        (None, {"DCAT_DB": VARIABLE}, Config(FILE), VARIABLE, "DCAT_DB"),
        (None, {"DCAT_DB": ""}, Config(FILE), FILE, "the configuration file"),
        (None, {}, Config(FILE), FILE, "the configuration file"),
        (OPTION, {}, Config(), OPTION, "--db"),
    ],
    ids=["option", "variable", "empty variable", "file", "option alone"],
)
def test_who_says_where_the_catalogue_is(
    option: str | None, environment: dict[str, str], config: Config, path: str, said_by: str
) -> None:
    place = database_place(option, config, environment)
    assert (place.location, place.said_by) == (Path(path), said_by)


def test_the_default_place_is_in_the_users_data_folder() -> None:
    place = database_place(None, Config(), {})
    assert place.location.name == "catalogue.db"
    assert str(place.location).startswith(str(Path.home()))
    assert place.said_by == "the default"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.db", "a.db"),
        ("/srv/a b.db", "/srv/a b.db"),
        ("sqlite:///a.db", "a.db"),
        ("sqlite:///sub/a.db", "sub/a.db"),
        ("sqlite:////srv/a.db", "/srv/a.db"),
    ],
)
def test_forms_of_a_place(text: str, path: str) -> None:
    assert database_place(text, Config(), {}).location == Path(path)


@pytest.mark.parametrize("text", ["~/a.db", "sqlite:///~/a.db"])
def test_the_tilde_is_the_home_folder(text: str) -> None:
    assert database_place(text, Config(), {}).location == Path.home() / "a.db"


@pytest.mark.parametrize("text", ["mysql://host/x", "http://host/a.db"])
@pytest.mark.parametrize("by", ["option", "variable", "file"])
def test_other_databases_are_refused(text: str, by: str) -> None:
    with pytest.raises(ConfigError, match="no database that this version of dcat can use"):
        database_place(
            text if by == "option" else None,
            Config(text if by == "file" else None),
            {"DCAT_DB": text} if by == "variable" else {},
        )


def test_the_attributes_that_are_asked_for(tmp_path: Path) -> None:
    environment = written(tmp_path, '[index]\nattributes = ["KVP", "00101010", "PatientAge"]')
    assert [a.column for a in asked(load(environment))] == ["KVP@instance", "PatientAge@study"]
    assert asked(Config()) == ()


def test_an_attribute_that_cannot_be_kept_is_told_with_its_file(tmp_path: Path) -> None:
    environment = written(tmp_path, '[index]\nattributes = ["PatientAgee"]')
    with pytest.raises(
        ConfigError, match=r"index\.attributes: 'PatientAgee'.*PatientAge\?"
    ) as caught:
        asked(load(environment), environment)
    assert environment["DCAT_CONFIG"] in str(caught.value)
