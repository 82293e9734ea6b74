"""Many rows at once are stored as each of them would be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Integer, MetaData, Table, Text, create_engine, select

from catalog.database.insertion import insert_rows

TABLE = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("number", Integer),
    Column("is_odd", Boolean),
)
ROWS = st.lists(
    st.tuples(
        st.none() | st.text("ab", max_size=2),
        st.none() | st.integers(-3, 3),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=6,
).map(lambda rows: [(number, *row) for number, row in enumerate(rows, start=1)])


@given(ROWS)
def test_rows_come_out_as_they_went_in(
    rows: list[tuple[int, str | None, int | None, bool | None]],
) -> None:
    with create_engine("sqlite://").begin() as connection:
        TABLE.create(connection)
        columns = tuple(TABLE.c.keys())
        assert insert_rows(connection, TABLE, columns, list(rows)) == len(rows)
        stored = connection.execute(select(TABLE).order_by(TABLE.c.id)).all()
        assert [tuple(row) for row in stored] == rows
        assert insert_rows(connection, TABLE, columns, list(rows), ("id",)) == 0


def test_no_rows_are_none() -> None:
    with create_engine("sqlite://").begin() as connection:
        TABLE.create(connection)
        assert insert_rows(connection, TABLE, tuple(TABLE.c.keys()), []) == 0
