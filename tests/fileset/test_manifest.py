"""The manifest: `sha256sum` judges what is written, and hostile lines are never followed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.fileset import manifest

A, B = "a" * 64, "b" * 64

names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name.strip(". ") and "\ufeff" not in name)


def read(data: bytes) -> manifest.Listed:
    listed = manifest.Listed({}, [])
    manifest.read(data, "M", listed)
    return listed


@given(
    st.dictionaries(st.lists(names, min_size=1, max_size=4).map("/".join), st.binary(max_size=9))
)
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    listed = read(manifest.text(digests.items()).encode())
    kept = {name: digest for name, digest in digests.items() if manifest._refusal(name) is None}
    assert listed.digests == kept
    assert len(listed.findings) == len(digests) - len(kept)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
@given(
    st.dictionaries(
        # sha256sum takes the name - for its standard input.
        names.filter(lambda n: len(n.encode()) < 200 and n != "-"),
        st.binary(max_size=9),
        max_size=6,
    )
)
def test_sha256sum_agrees(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("medium")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    lines = manifest.text((n, hashlib.sha256(d).hexdigest()) for n, d in files.items())
    (folder.parent / f"{folder.name}.list").write_bytes(lines.encode())
    if files:
        checked = subprocess.run(
            ["sha256sum", "-c", "--strict", f"../{folder.name}.list"],
            cwd=folder, capture_output=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked
        assert checked.stdout.count(b": OK") >= len(files)


def test_lines_are_sorted_and_end_in_lf() -> None:
    text = manifest.text([("DICOM/B", B), ("DICOM/A", A)])
    assert text == f"{A}  DICOM/A\n{B}  DICOM/B\n"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (f"{A}  X/Y", "X/Y"),
        (f"{A} *X", "X"),
        (f"{A.upper()}  X", "X"),
        (f"{A}  ./X", "X"),
        (f"{A}  X\r", "X"),
        (f"\ufeff{A}  X", "X"),
        (f"SHA256 (X (1)) = {A}", "X (1)"),
        (f"\\{A}  X\\nY\\\\Z", "X\nY\\Z"),
        (f"{A}  X\\nY", "X\\nY"),
        (f"{A}   X", " X"),
        (f"{A}  ..X", "..X"),
        (f"{A}  X:Y", "X:Y"),
    ],
)
def test_what_sha256sum_reads_is_read(line: str, path: str) -> None:
    listed = read(line.encode() + b"\n")
    assert listed.digests == {path: A}
    assert listed.findings == []


@pytest.mark.parametrize("line", ["", "   ", "# made by another program"])
def test_empty_lines_and_comments_are_passed_over(line: str) -> None:
    assert read(line.encode()) == manifest.Listed({}, [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{A}  ../X", "manifest-path"),
        (f"{A}  X/../../Y", "manifest-path"),
        (f"{A}  /etc/passwd", "manifest-path"),
        (f"{A}  X//Y", "manifest-path"),
        (f"{A}  .", "manifest-path"),
        (f"{A}  X/\0", "manifest-path"),
        (f"{A}  X\x1b[31m", "manifest-path"),
        (f"\\{A}  ..\\\\..", None),
        (f"{A[1:]}  X", "manifest-line"),
        (f"{A}0  X", "manifest-line"),
        (f"{A}\tX", "manifest-line"),
        (f"{A}  ", "manifest-line"),
        (f"{'g' * 64}  X", "manifest-line"),
        ("hello", "manifest-line"),
        (f"MD5 (X) = {A[:32]}", "manifest-line"),
        (f"{A[:32]}  X", "manifest-line"),
    ],
)
def test_hostile_lines(line: str, code: str | None) -> None:
    listed = read(line.encode())
    assert [f.code for f in listed.findings] == ([code] if code else [])
    assert all(f.place == "M line 1" for f in listed.findings)
    assert bool(listed.digests) == (code is None)


def test_a_name_that_is_no_utf8_is_that_of_a_file() -> None:
    listed = read(A.encode() + b"  caf\xe9")
    assert listed.digests == {"caf\udce9": A}
    assert listed.findings == []


def test_twice_with_one_digest_is_once_and_with_two_is_told() -> None:
    assert read(f"{A}  X\n{A}  X\n".encode()).findings == []
    listed = read(f"{A}  X\n{B}  X\n".encode())
    assert [f.code for f in listed.findings] == ["manifest-twice"]
    assert listed.digests == {"X": A}


def test_a_million_bad_lines_are_counted() -> None:
    listed = read(b"bad\n" * 100_000)
    assert len(listed.findings) == manifest.MOST_FINDINGS + 1
    assert "99,950" in listed.findings[-1].message


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    assert all(manifest._refusal(path) is None for path in read(data).digests)


@pytest.mark.parametrize(
    ("name", "is_manifest", "is_own"),
    [
        ("MANIFEST.SHA256", True, True),
        ("MANIFEST.SHA", True, True),
        ("manifest.sha;1", True, True),
        ("SHA256SUMS", True, False),
        ("sha256sum.txt", True, False),
        ("checksums.sha256", True, False),
        ("disc-SHA256SUMS.txt", True, False),
        ("DICOM/MANIFEST.SHA256", False, False),
        ("DICOMDIR", False, False),
        ("MD5SUMS", False, False),
        ("SHA512SUMS", False, False),
        ("README.TXT", False, False),
    ],
)
def test_which_files_are_manifests(name: str, is_manifest: bool, is_own: bool) -> None:
    assert manifest.manifests_among([name]) == ([name] if is_manifest else [], is_own)


@pytest.mark.parametrize("name", ["MD5SUMS", "md5sum.txt", "checksums.md5", "SHA512SUMS", "x.sha1"])
def test_lists_of_other_digests(name: str) -> None:
    assert manifest.other_digests_among([name, "DICOMDIR", "a/MD5SUMS"]) == [name]
