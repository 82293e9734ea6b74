"""Claims and readings for tests that need no files, and a catalogue that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from catalog.attributes import Further
from catalog.database import attribute_sets, roots, runs
from catalog.database.catalogue import Catalogue
from catalog.database.location import Location, PostgresqlUrl, located
from catalog.database.upsert import RowWriter
from catalog.entities import Claims, Instance, Patient, Reading, Series, StoredFile, Study
from tests import behind, postgres

CT = "1.2.840.10008.5.1.4.1.1.2"


def stated(**values: Any) -> Claims:
    """Return claims of a CT instance of patient P1; `values` change fields of whatever level has them."""
    standard = {
        "patient_id": "P1",
        "patient_name": "Doe^Jane",
        "study_instance_uid": "1.2.3.1",
        "series_instance_uid": "1.2.3.1.1",
        "modality": "CT",
        "sop_instance_uid": "1.2.3.1.1.1",
        "sop_class_uid": CT,
    } | values
    kinds = (Patient, Study, Series, Instance)
    assert all(any(name in kind._fields for kind in kinds) for name in standard)
    return Claims(
        *(kind(**{name: value for name, value in standard.items() if name in kind._fields and name != "raw"}) for kind in kinds),
        directory_record_type="IMAGE",
    )  # fmt: skip


def reading(path: str, claims: Claims | None, size_bytes: int = 100, mtime_ns: int = 1) -> Reading:
    """Return the reading of a file at `path` that states `claims`."""
    return Reading(
        StoredFile(path, size_bytes, mtime_ns, transfer_syntax_uid="1.2.840.10008.1.2.1"), claims
    )


def store(
    catalogue: Catalogue,
    readings: Iterable[Reading],
    *,
    root: str = "/archive",
    batches: Sequence[int] = (),
    further: Sequence[Further] = (),
) -> None:
    """Store readings in one run, in batches of these sizes and the rest in one; `further` was asked for."""
    with runs.recorded(catalogue, "index", "test") as run:
        with catalogue.write() as connection:
            root_ref = roots.place_for(connection, root).root_ref
            asked = attribute_sets.set_ref(connection, further)
        writer = RowWriter(run.ref, asked)
        waiting = list(readings)
        for size in (*batches, len(waiting)):
            batch, waiting = waiting[:size], waiting[size:]
            if batch:
                with catalogue.write() as connection:
                    writer.store(connection, root_ref, batch)


def store_records(catalogue: Catalogue, claims: Sequence[Claims]) -> None:
    """Store what directory records state, in one run and one transaction."""
    with runs.recorded(catalogue, "import", "test") as run, catalogue.write() as connection:
        RowWriter(run.ref).store_records(connection, claims)


_taken: list[str] = []


def copied(template: Location, folder: str) -> Location:
    """Return a copy of the empty catalogue `template`: in `folder`, or one of the last six on the server."""
    if isinstance(template, PostgresqlUrl) or behind.is_on():
        if len(_taken) == 6:
            postgres.give_back(_taken.pop(0))
        _taken.append(postgres.take_catalogue())
        return located(_taken[-1])
    path = Path(folder) / "catalogue.db"
    path.write_bytes(template.read_bytes())
    return path
