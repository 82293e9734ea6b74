"""Keys are not paths: none leads anywhere, and no two become one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue
from catalog.files.paths import from_text
from catalog.files.s3 import S3Store
from tests import builders
from tests.storage.conftest import Dcat
from tests.storage.server import BUCKET, Server
from tests.storage.steps import files, indexed

KEYS = [
    "a/../../../escaped.dcm",
    "a/..",
    "a/.",
    "a//",
    "a//double.dcm",
    "a///etc/passwd",
    "/leading.dcm",
    "//two.dcm",
    "a/back\\slash.dcm",
    "a/..\\..\\back.dcm",
    "a/C:\\windows.dcm",
    "a/end/",
    "a/nul\0.dcm",
    "a/control\x01\x1b[31m\x7f.dcm",
    "a/n\u0303.dcm",
    "a/\u00f1.dcm",
    "a/Case.dcm",
    "a/case.dcm",
    "a/ .dcm",
    "a/+.dcm",
    "a/%2e%2e%2f.dcm",
    "a/?versionId=1.dcm",
    "a/#.dcm",
    "a/study.zip!",
    "a/study.zip!/member.dcm",
    "a/\\x41.dcm",
    "a/A.dcm",
    "a/\u202egnp.dcm",
    "a/\U0001f600.dcm",
    "a/\uffff.dcm",
    "a/" + "k" * 1022,
    "a/" + "/".join("n" * 100 for _ in range(10)),
]


def instance(number: int) -> bytes:
    return builders.dicom_bytes(SOPInstanceUID=f"1.2.3.7.{number}", InstanceNumber=str(number))


def test_each_key_has_a_row_and_is_exported_into_the_folder_alone(
    s3: Server, dcat: Dcat, tmp_path: Path
) -> None:
    data = {key: instance(number) for number, key in enumerate(KEYS)}
    s3.put_all(data)
    assert dcat("index", f"s3://{BUCKET}", "-j", "1").code == 0
    assert dcat("index", f"s3://{BUCKET}", "-j", "1", "--json").out.count('"unchanged": 32') == 1
    listed = dcat("find", "files", "-o", "paths", "-0")
    shown = {f"s3://{BUCKET}/{key}" for key in KEYS if "\0" not in key}
    assert shown <= set(listed.out.split("\0"))
    outside = set(_below(tmp_path))
    out = tmp_path / "out" / "disc"
    said = dcat("export", str(out))
    assert said.code == 0, said.err
    copies = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.name not in ("DICOMDIR", "SHA256SUMS", "sha256sums.txt")
    }
    assert {hashlib.sha256(each).hexdigest() for each in data.values()} <= copies
    written = {path for path in set(_below(tmp_path)) - outside if not path.startswith("dcat.db")}
    assert all(path == "out" or path.startswith("out") for path in written)
    assert not any(".." in path for path in written)
    assert dcat("verify", "--digest").code == 0


def _below(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            yield os.path.relpath(Path(root) / name, folder)


def test_a_list_of_urls_selects_and_control_characters_steer_no_terminal(
    s3: Server, dcat: Dcat, tmp_path: Path
) -> None:
    s3.put_all({key: instance(number) for number, key in enumerate(KEYS)})
    dcat("index", f"s3://{BUCKET}/a", "-j", "1")
    wanted = [
        "a/../../../escaped.dcm",
        "a//double.dcm",
        "a/back\\slash.dcm",
        "a/control\x01\x1b[31m\x7f.dcm",
    ]
    (tmp_path / "list").write_bytes(
        b"\0".join(f"s3://{BUCKET}/{key}".encode() for key in wanted) + b"\0"
    )
    said = dcat("find", "files", "--from", tmp_path / "list", "-o", "paths", "-0")
    assert set(said.out.split("\0")) == {f"s3://{BUCKET}/{key}" for key in wanted} | {""}
    said = dcat("find", "files", "--columns", "Path")
    assert "\x1b" not in said.out + said.err
    said = dcat("sql", "SELECT Path FROM v_file", "-o", "csv")
    assert f"s3://{BUCKET}/a/../../../escaped.dcm" in said.out


def test_an_object_called_as_the_prefix_and_a_slash(s3: Server, catalogue: Catalogue) -> None:
    s3.put("a/", instance(1))  # not empty, so it stands for no folder
    s3.put("a/x.dcm", instance(2))
    assert indexed(catalogue).files == 2
    assert set(files(catalogue)) == {f"s3://{BUCKET}/a/", f"s3://{BUCKET}/a/x.dcm"}
    assert indexed(catalogue).done["unchanged"] == 2


NAMES = st.text(
    st.one_of(st.sampled_from("\0!/\\.az \u00f1"), st.characters(codec="utf-8")),
    min_size=1,
    max_size=12,
)


@given(
    st.sets(
        st.one_of(
            NAMES, NAMES.map(lambda name: f"{name}.zip!/x"), NAMES.map(lambda n: f"{n}.zip!")
        ),
        max_size=30,
    )
)
def test_a_listing_is_sorted_as_the_catalogue_sorts(keys: set[str]) -> None:
    store = object.__new__(S3Store)
    store.root, store._bucket, store._prefix = f"s3://{BUCKET}", BUCKET, ""
    described: list[dict[str, Any]] = [{"Key": key, "Size": 1} for key in sorted(keys)]

    def pages(prefix: str) -> Iterator[list[dict[str, Any]]]:
        yield from (described[i : i + 3] for i in range(0, len(described), 3))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_pages", pages, raising=False)
        paths = [entry.path for run in store._listed("") for entry in run]
    assert paths == sorted(paths)
    assert [from_text(path) for path in sorted(paths, key=from_text)] == sorted(keys)
