"""Roots: the folders that paths of files are relative to. No root lies within another."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, literal, select, update

from catalog.database.models import file, root
from catalog.errors import CatalogueError


class Place(NamedTuple):
    """A place in the catalogue's name space: a root and a path below it, `''` for the root itself."""

    root_ref: int
    root_path: str
    below: str

    def is_within(self, other: Place) -> bool:
        """Return whether this place is `other` or lies below it."""
        if self.root_ref != other.root_ref:
            return False
        return other.below in ("", self.below) or self.below.startswith(other.below + "/")


def place_of(connection: Connection, path: str) -> Place | None:
    """Return where the absolute `path` lies in the roots that are known, or `None`."""
    for ref, root_path in connection.execute(select(root.c.id, root.c.path)):
        if path == root_path:
            return Place(ref, root_path, "")
        if path.startswith(root_path.rstrip("/") + "/"):
            return Place(ref, root_path, path[len(root_path.rstrip("/")) + 1 :])
    return None


def place_for(connection: Connection, folder: str) -> Place:
    """Return the place of the absolute `folder`, making a root of it if it lies in none.

    Roots that lie within a new root become part of it: their files keep their rows under the
    longer path, so indexing a folder before or after the folder above it gives the same rows.
    """
    found = place_of(connection, folder)
    if found is not None:
        return found
    ref = int(
        connection.execute(insert(root).values(path=folder).returning(root.c.id)).scalar_one()
    )
    start = folder.rstrip("/") + "/"
    for inner, inner_path in connection.execute(
        select(root.c.id, root.c.path).where(root.c.id != ref)
    ).all():
        if not inner_path.startswith(start):
            continue
        prefix = literal(inner_path[len(start) :] + "/")
        connection.execute(
            update(file)
            .where(file.c.root_ref == inner)
            .values(root_ref=ref, path=prefix.concat(file.c.path))
        )
        connection.execute(delete(root).where(root.c.id == inner))
    return Place(ref, folder, "")


def check(connection: Connection, root_ref: int) -> None:
    """Raise `CatalogueError` if a root has become part of another, as where the folder above it was indexed."""
    if connection.execute(select(root.c.id).where(root.c.id == root_ref)).first() is None:
        raise CatalogueError(
            "While the connection to the database was lost, another dcat indexed a folder above this one, which became part of another root. What was stored before is safe; run the command again."
        )


def all_places(connection: Connection) -> list[Place]:
    """Return every root as a place, sorted by path."""
    rows = connection.execute(select(root.c.id, root.c.path).order_by(root.c.path))
    return [Place(ref, path, "") for ref, path in rows]
