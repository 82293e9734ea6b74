"""The descriptor file of a File-set: a text that says what it is for (PS3.10 §8.1, PS3.3 F.3.2.1)."""

from __future__ import annotations

from pathlib import Path

from catalog.errors import FileIdError, FileSetError
from catalog.fileset.file_id import file_id
from catalog.shapes import frozen

CHARACTER_SETS = (
    "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127", "ISO_IR 126",
    "ISO_IR 138", "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192", "GB18030", "GBK",
)  # fmt: skip
"""Defined Terms of a Specific Character Set without code extensions (PS3.3 Tables C.12-2, C.12-5)."""

_PREFIX_AT = 128


@frozen
class Descriptor:
    """A descriptor file: the components of its File ID, and its character set, `None` if that is the default."""

    file_id: tuple[str, ...]
    character_set: str | None = None


def descriptor(folder: Path, name: str, character_set: str | None = None) -> Descriptor:
    """Return the descriptor file `name`, relative to `folder`.

    Raises
    ------
    FileSetError
        If its name is no File ID, it is not there, it is a DICOM file, or the character set is none.
    """
    try:
        components = file_id(name.replace("\\", "/").split("/")).components
    except FileIdError as exc:
        raise FileSetError(
            f"{name!r} cannot be the descriptor file: {str(exc).rstrip('.')}. Nothing was written."
        ) from exc
    path = folder.joinpath(*components)
    if path.is_symlink() or not path.is_file():
        raise FileSetError(f"There is no descriptor file {path}. Nothing was written.")
    with path.open("rb") as stream:
        if stream.read(_PREFIX_AT + 4)[_PREFIX_AT:] == b"DICM":
            raise FileSetError(
                f"{path} is a DICOM file; a descriptor file is a text (PS3.10 §8.1). Nothing was written."
            )
    if character_set is not None and character_set not in CHARACTER_SETS:
        raise FileSetError(
            f"{character_set!r} is no character set of a descriptor file: {', '.join(CHARACTER_SETS)}. Nothing was written."
        )
    return Descriptor(components, character_set)
