"""Headers of audits, and folders with audits of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.auditing import asked, audit_named, audits, problems
from catalog.auditing.headers import parameters_of, parsed
from catalog.database.catalogue import Catalogue
from catalog.errors import ConfigError, PathError, QueryError, SelectionError
from tests.auditing.cases import whole
from tests.database.stating import reading, store

HEADER = {
    "Title": "Series without description",
    "Group": "Ours",
    "Columns": "UID: the series",
    "Tags": "problem, note",
    "Description": "It has none.",
    "Action": "Write one.",
}
SELECT = "SELECT series_instance_uid AS UID FROM series WHERE series_description IS NULL"


def text(sql: str = SELECT, **fields: str | None) -> str:
    given = HEADER | fields
    return "".join(f"-- {name}: {value}\n" for name, value in given.items() if value is not None) + sql + "\n"  # fmt: skip


def test_a_header_is_understood() -> None:
    found = parsed("mine", text(), "mine.sql")
    assert (found.title, found.group, found.severity, found.kind) == (HEADER["Title"], "Ours", "note", "note")  # fmt: skip
    assert (found.is_problem, found.knows_since, found.arguments) == (True, False, {})


def test_a_field_goes_on_in_lines_that_begin_with_spaces() -> None:
    found = parsed("mine", text(Description="It has\n--   none\n--   at all."), "mine.sql")
    assert found.description == "It has none at all."


def test_a_header_without_group_is_the_users_own() -> None:
    assert parsed("mine", text(Group=None), "mine.sql").group == "Your own"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no Title; add a line `-- Title: …`"),
        (SELECT, "has no Title"),
        (text(Title=None), "has no Title"),
        (text(Title=""), "has no Title"),
        (text(Columns=None), "has no Columns"),
        (text(Description=None), "has no Description"),
        (text(Tags=None), "has no Tags"),
        (text(Tags=""), "has no Tags"),
        (text(Tags="problem, eror"), "unknown tag 'eror'. Did you mean error?"),
        (text(Tags="volume"), "unknown tag 'volume'. Known are problem, figures,"),
        (text(Tags="problem"), "write `figures`, or `problem` and one of error, warning, note"),
        (text(Tags="problem, error, note"), "write `figures`, or `problem` and one of"),
        (text(Tags="figures, note"), "write `figures`, or `problem` and one of"),
        (text(Tags="problem, figures, note"), "write `figures`, or `problem` and one of"),
        (text(Action=None), "has no Action"),
        (text(Titel="x"), "unknown field 'Titel'. Did you mean Title?"),
        (text(Wardrobe="x"), "unknown field 'Wardrobe'. Known are Title,"),
        (text(Title="a\n-- Title: b"), "says Title twice"),
        (text(SELECT + " AND modality = :m"), "uses :m; describe it in a line `-- Args: m: …`"),
        (text(Options="m=CT: modality"), "describes m and does not use :m"),
        (text(SELECT + " AND modality = :m", Args="m: modality"), "give m a default, under Options"),
        (text(SELECT + " AND modality = :m", Tags="figures", Args="m modality"), "Args that cannot be understood at 'm modality'; write `name: meaning"),
        (text(SELECT + " AND modality = :m", Options="m: modality"), "Options that cannot be understood at 'm: modality'; write `name=default: meaning"),
        (text(SELECT + " AND modality = :m", Tags="figures", Args="m=CT: modality"), "Args that cannot be understood"),
        (text(SELECT + " AND modality = :m", Tags="figures", Args="m: modality", Options="m=CT: modality"), "m under both Args and Options"),
        (text(SELECT + " AND id > :since", Options="since=0: run"), "describes since, which is dcat's own"),
    ],
)  # fmt: skip
def test_a_bad_header_is_refused(content: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed("mine", content, "mine.sql")
    assert str(refused.value).startswith("The audit mine.sql ")
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["", "Mine", "my audit", "mine_2", "-mine", "mine-", "m--e", "é"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="needs another name"):
        parsed(name, text(), f"{name}.sql")


def test_parameters_are_told_from_texts_and_comments() -> None:
    assert parameters_of("SELECT ':a', x::int, \":b\", 1 -- :c\n FROM t /* :d */ WHERE y=:e AND z = :f_1") == {"e", "f_1"}  # fmt: skip


# -- a folder -----------------------------------------------------------------------------------


def test_audits_of_a_folder_are_listed_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(text(), encoding="utf-8-sig")
    (tmp_path / "README.txt").write_text("no audit")
    (tmp_path / ".hidden.sql").write_text("no audit")
    known = audits(tmp_path)
    assert list(known) == sorted({*audits(), "mine"})
    assert audit_named("mine", tmp_path).title == HEADER["Title"]
    with pytest.raises(SelectionError, match=r"Did you mean mine\?"):
        audit_named("mines", tmp_path)


def test_an_audit_of_a_folder_is_asked(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(text())
    store(catalogue, [reading("1", whole())])
    answers = problems(catalogue, audits(tmp_path).values(), since=1, first=1)
    mine = next(answer for answer in answers if answer.audit.name == "mine")
    assert (mine.count, mine.rows, mine.is_whole) == (1, (("1.2.3.1.1",),), True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"none cannot be read: No such file .* Name a folder"):
        audits(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PathError, match="file cannot be read: Not a directory"):
        audits(tmp_path / "file")


def test_a_name_that_dcat_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "volumes.sql").write_text(text())
    with pytest.raises(ConfigError, match=r"volumes\.sql has the name of one that dcat has"):
        audits(tmp_path)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.sql"
    path.write_bytes(b"-- Title: \xff\n")
    with pytest.raises(ConfigError, match=r"mine\.sql is no UTF-8 text\. Save it as UTF-8\."):
        audits(tmp_path)
    path.write_bytes(b"-" * 1_000_001)
    with pytest.raises(ConfigError, match="too large"):
        audits(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="is no file"):
        audits(tmp_path)
    path.rmdir()
    os.mkfifo(path)  # nobody writes to it: reading would never end
    with pytest.raises(ConfigError, match="is no file"):
        audits(tmp_path)


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is no file"):
        audits(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM file",
        "INSERT INTO run DEFAULT VALUES",
        "ATTACH 'x.db' AS x",
        "PRAGMA query_only = OFF",
        "SELECT 1; DELETE FROM file",
        "DROP TABLE file",
        "SELECT * FROM nowhere",
        "",
    ],
)
def test_sql_that_does_not_read_is_refused(catalogue: Catalogue, tmp_path: Path, sql: str) -> None:
    (tmp_path / "mine.sql").write_text(text(sql))
    store(catalogue, [reading("1", whole())])
    mine = audit_named("mine", tmp_path)
    with pytest.raises(QueryError, match=r"The audit mine cannot be answered\. "), asked(catalogue, mine, {}) as (_, rows):  # fmt: skip
        list(rows)
    with catalogue.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM file").scalar() == 1


def test_one_audit_that_fails_keeps_no_other_from_being_asked(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "aaa.sql").write_text(text("SELECT * FROM nowhere", Tags="problem, error"))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) AS UID FROM n"
    (tmp_path / "aab.sql").write_text(text(endless, Tags="problem, error"))
    answers = {a.audit.name: a for a in problems(catalogue, audits(tmp_path).values(), limit_s=0.3)}
    assert len(answers) == sum(a.is_problem for a in audits(tmp_path).values())
    assert "nowhere" in answers["aaa"].error
    assert "stopped" in answers["aab"].error
    assert answers["missing-files"].error == ""


# -- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "since", "said"),
    [
        ("disclosures", {}, 0, "needs -p patient=…: patient (the Patient ID)."),
        ("volumes", {"x": "1"}, 0, "takes no parameter 'x'. It takes none."),
        ("similar-names", {"likenes": "1"}, 0, "takes no parameter 'likenes'. It takes likeness."),
        ("similar-names", {"since": "1"}, 0, "takes no parameter 'since'. Write --since RUN."),
        ("similar-names", {"likeness": "much"}, 0, "likeness=much is no whole number; write likeness=92."),
        ("similar-names", {"likeness": "-1"}, 0, "is no whole number"),
        ("future-dates", {"today": "tomorrow"}, 0, "today=tomorrow is no date; write today=2024-01-31"),
        ("future-dates", {"today": "2024-02-30"}, 0, "is no date"),
        ("unverified-files", {"before": "999999 days ago"}, 0, "is no date"),
        ("volumes", {}, 3, "The audit volumes cannot tell what is new since a run"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(
    catalogue: Catalogue, name: str, given: dict[str, str], since: int, said: str
) -> None:
    with pytest.raises(SelectionError) as refused, asked(catalogue, audit_named(name), given, since=since):  # fmt: skip
        pass
    assert said in str(refused.value)


@pytest.mark.parametrize("today", ["2024-06-15", "20240615", "today"])
def test_dates_are_given_in_several_forms(catalogue: Catalogue, today: str) -> None:
    from datetime import date

    store(catalogue, [reading("1", whole(content_date="2024-06-16"))])
    audit = audit_named("future-dates")
    with asked(catalogue, audit, {"today": today}, today=date(2024, 6, 15)) as (_, rows):
        assert len(list(rows)) == 1
    with asked(catalogue, audit, {"today": "0 days ago"}, today=date(2024, 6, 16)) as (_, rows):
        assert list(rows) == []


def test_a_patient_id_of_digits_is_text(catalogue: Catalogue) -> None:
    with asked(catalogue, audit_named("disclosures"), {"patient": "12345"}) as (_, rows):
        assert list(rows) == []
