"""Words: their form, the columns that hold them, and the full-text indexes over these."""

from __future__ import annotations

import tempfile
import unicodedata
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from catalog.attributes import BY_KEYWORD, WORDS
from catalog.database import full_text, health, make
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.dialect import has_words
from catalog.database.location import Location
from catalog.database.matching import TABLES
from catalog.entities import Claims, Level
from catalog.errors import CatalogueError
from catalog.normal_forms import words
from catalog.query.words import text_words
from tests import tables
from tests.database.stating import copied, reading, stated, store, store_records

TEXTS = [
    pytest.param("Doe^Jane", ("doe", "jane"), id="components"),
    pytest.param("Doe^Jane=山田^太郎=やまだ^たろう", ("doe", "jane", "山田", "太郎", "やまた", "たろう"), id="groups"),
    pytest.param("MÜLLER Straße Øre", ("muller", "strasse", "ore"), id="accents"),
    pytest.param("O'NEIL-Smith_x", ("o", "neil", "smith", "x"), id="punctuation"),
    pytest.param("T1 tse/fs 3.5mm", ("t1", "tse", "fs", "3", "5mm"), id="protocol"),
    pytest.param("a\\b", ("a", "b"), id="values"),
    pytest.param("lung Lung LUNG chest", ("lung", "chest"), id="each once"),
    pytest.param("हिन्दी", ("हनद",), id="vowel signs part no word"),
    pytest.param("①②  Ⅷ ½", ("12", "viii", "1", "2"), id="numbers of other forms"),
    pytest.param("\x00\r\n\t", (), id="control characters"),
    pytest.param("^^^ = \u00a0", (), id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_words(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


@given(text=st.text())
def test_words_are_their_own_words_and_hold_letters_and_digits_alone(text: str) -> None:
    found = words(text)
    assert len(set(found)) == len(found)
    assert all(unicodedata.category(c)[0] in "LN" for word in found for c in word)
    assert words(" ".join(found)) == found
    assert words(text.upper()) == words(text.upper().casefold())
    assert set(words(f"{text} {text.casefold()}")) == set(found)


@given(texts=st.lists(st.text(st.characters(codec="ascii"))))
def test_ascii_takes_the_short_way_to_the_same_words(texts: list[str]) -> None:
    text = " ".join(texts)
    assert set(words(text + " é")) - {"e"} == set(words(text)) - {"e"}


def test_what_has_words_is_text_of_its_level() -> None:
    for level, keywords in WORDS.items():
        assert len(set(keywords)) == len(keywords)
        for keyword in keywords:
            assert BY_KEYWORD[keyword].level is level
            assert not BY_KEYWORD[keyword].is_number


def rows(catalogue: Catalogue, sql: str) -> list[Any]:
    with tables.connected(catalogue) as raw:
        return list(raw.execute(sql).fetchall())


def found(catalogue: Catalogue, table: str, asked: str) -> list[int]:
    """Return the ids of the rows of a table that have the words, as its index says."""
    columns = TABLES[Level(table)].c
    query = select(columns.id).where(has_words(columns, table, text_words(asked)))
    with catalogue.read() as connection:
        return list(connection.execute(query.order_by(columns.id)).scalars())


def test_every_column_that_has_words_is_found(catalogue: Catalogue) -> None:
    keywords = [keyword for each in WORDS.values() for keyword in each]
    values = {BY_KEYWORD[keyword].column: f"Wört{i}" for i, keyword in enumerate(keywords)}
    store(catalogue, [reading("a", stated(**values)), reading("b", stated(patient_id="P2"))])
    for level, of_level in WORDS.items():
        for keyword in of_level:
            asked = f"wort{keywords.index(keyword)}"
            assert len(found(catalogue, level.value, asked)) == 1, keyword
    assert len(found(catalogue, "patient", "wort*")) == 1
    assert health.problems(catalogue) == []


def test_a_row_without_words_has_none(catalogue: Catalogue) -> None:
    store(catalogue, [reading("a", stated(patient_id="", patient_name=None))])
    assert rows(catalogue, "SELECT words FROM patient") == [("",)]
    assert rows(catalogue, "SELECT words FROM series") == [("",)]


def test_words_follow_the_row_whoever_wins(catalogue: Catalogue) -> None:
    def of(path: str, description: str) -> Any:
        return reading(path, stated(sop_instance_uid=f"1.{path}", study_description=description))

    store(catalogue, [of("1", "Brain"), of("2", "Brain")])
    assert found(catalogue, "study", "brain") == [1]
    store(catalogue, [of("3", "Knee"), of("4", "Knee"), of("5", "Knee")])
    assert found(catalogue, "study", "brain") == []
    assert found(catalogue, "study", "knee") == [1]
    store(catalogue, [of(path, "Brain") for path in "345"])
    assert found(catalogue, "study", "brain") == [1]


def test_words_of_what_only_a_directory_record_states(catalogue: Catalogue) -> None:
    store_records(catalogue, [stated(patient_name="Roe^Richard")])
    assert found(catalogue, "patient", "rich*") == [1]
    store_records(catalogue, [stated(patient_name="Poe^Richard")])  # the smaller name stays
    assert found(catalogue, "patient", "poe") == [1]
    assert found(catalogue, "patient", "roe") == []


NAMES = st.sampled_from(
    ["Doe^Jane", "DOE^J", "Müller", "", None, "Roe-Doe", "山田", "X" * 64, "a b a"]
)


@st.composite
def files(draw: st.DrawFn) -> list[Claims]:
    number = st.integers(1, 3)
    return [
        stated(
            patient_id=f"P{draw(number)}", patient_name=draw(NAMES), study_instance_uid=f"1.{draw(number)}",
            series_instance_uid=f"1.9.{draw(number)}", sop_instance_uid=f"1.8.{i}",
            study_description=draw(NAMES), series_description=draw(NAMES), institution_name=draw(NAMES),
        )
        for i in range(draw(st.integers(1, 8)))
    ]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    first=files(),
    second=files(),
    asked=st.sampled_from(["doe", "jane", "mul*", "山*", "a b", "x*"]),
)
def test_the_index_finds_what_the_rows_say(
    empty_catalogue: Location, first: list[Claims], second: list[Claims], asked: str
) -> None:
    """Whatever is read, and read again with other contents."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        catalogue = opened.enter_context(open_catalogue(copied(empty_catalogue, folder)))
        for claims in (first, second):
            store(catalogue, [reading(f"{i}", each) for i, each in enumerate(claims)])
        assert health.problems(catalogue) == []
        for level, keywords in WORDS.items():
            columns = ", ".join(BY_KEYWORD[keyword].column for keyword in keywords)
            expected = []
            for ref, *values in rows(
                catalogue, f"SELECT id, {columns} FROM {level.value} ORDER BY id"
            ):
                of_row = words(" ".join(value for value in values if value))
                if all(
                    any(
                        w.startswith(part[:-1]) if part.endswith("*") else w == part for w in of_row
                    )
                    for part in asked.split()
                ):
                    expected.append(ref)
            assert found(catalogue, level.value, asked) == expected


DAMAGE = [
    pytest.param("INSERT INTO study_words (study_words, rowid, words) VALUES ('delete', 1, 'thorax')", "study_words", id="a row is not indexed"),
    pytest.param("INSERT INTO series_words (rowid, words) VALUES (77, 'x')", "series_words", id="a row that is not there"),
    pytest.param("DROP TRIGGER patient_words_update; UPDATE patient SET words = 'other'", "patient_words", id="other words"),
    pytest.param("UPDATE series_total SET number_of_files = 9", "totals of 1 series", id="other totals"),
    pytest.param("DELETE FROM series_total", "totals of 1 series", id="no totals"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "named"), DAMAGE)
def test_the_check_notices(catalogue: Catalogue, damage: str, named: str) -> None:
    store(catalogue, [reading("a", stated(study_description="Thorax"))])
    assert health.problems(catalogue) == []
    if "_words" in damage and catalogue.path is None:
        pytest.skip("on PostgreSQL it is the server's own index, and no table")
    with tables.connected(catalogue) as raw:
        for statement in damage.split("; "):
            raw.execute(statement)
    # Of an index whose own parts disagree a later SQLite's integrity check says so as well.
    assert any(named in problem for problem in health.problems(catalogue))


@pytest.mark.sqlite
def test_without_fts5_no_catalogue_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(table: str) -> list[str]:
        return [f"CREATE VIRTUAL TABLE {table}_words USING fts77(words)"]

    monkeypatch.setattr(full_text, "statements", lacking)
    with pytest.raises(CatalogueError, match="built without FTS5"):
        make.make(tmp_path / "x.db")
    assert [each.name for each in tmp_path.iterdir()] == ["x.db-lock"]


@pytest.mark.sqlite
def test_other_errors_of_the_index_are_not_taken_for_a_lack(catalogue: Catalogue) -> None:
    with catalogue.write() as connection, pytest.raises(OperationalError, match="already exists"):
        full_text.make(connection)


LONG = [
    "doe",
    "jane " + "x" * 300,
    "é" * 1500 + " jane",
    " ".join(f"w{i}" for i in range(900)),
    "山" * 700,
]


@pytest.mark.parametrize("said", LONG, ids=["short", "long", "longer", "many", "far"])
def test_words_of_any_length_and_number_are_found(catalogue: Catalogue, said: str) -> None:
    """An index may bound a word, and all words of a row together."""
    store(catalogue, [reading("a", stated(institution_address=said)), reading("b", stated(study_instance_uid="1.5", series_instance_uid="1.5.1", sop_instance_uid="1.5.1.1"))])  # fmt: skip
    known = words(said)
    for word in (known[0], known[-1]):
        assert found(catalogue, "series", word) == [1], word[:9]
        assert found(catalogue, "series", f"{word[: len(word) // 2 + 1]}*") == [1]
        assert found(catalogue, "series", f"{word}x") == []
        assert found(catalogue, "series", f"{word}x*") == []
        assert len(found(catalogue, "series", f"{word} {known[0]} none")) == 0
    assert health.problems(catalogue) == []
