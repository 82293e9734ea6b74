"""What goes wrong with storage: told in a sentence, nothing lost, no secret shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from moto.s3.models import get_canned_acl

from catalog.database.catalogue import Catalogue
from catalog.errors import StorageError
from catalog.files import remote
from catalog.files import s3_client as s3_module
from catalog.files.store import remote_store
from tests import builders
from tests.storage.conftest import Dcat
from tests.storage.server import BUCKET, Server
from tests.storage.steps import ROOT, files, findings, indexed, objects, statuses

SECRET = "a-secret-that-nobody-may-see"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and few times."""
    monkeypatch.setattr(s3_module, "PAUSE_S", 0.001)
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forget clients, so that the next is made from the environment as it is then."""
    import s3fs

    def forget() -> None:
        remote_store.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()

    forget()
    yield forget
    monkeypatch.undo()
    forget()


def test_a_listing_that_breaks_off_marks_nothing_missing(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all(objects(count=25))
    indexed(catalogue)
    first, *_, last = sorted(objects(count=25))
    s3.delete(first)
    s3.delete(last)
    s3.put("a/s0/new.dcm", builders.dicom_bytes(SOPInstanceUID="1.77"))
    s3.faults.page_keys, s3.faults.broken_lists = 10, 3
    s3.forget()
    with pytest.raises(StorageError, match=r"broke off after a/s0.*Nothing that it did not list"):
        indexed(catalogue)
    assert set(statuses(catalogue).values()) == {"ok"}
    s3.faults.broken_lists = None
    assert indexed(catalogue).done["missing"] == 2


def test_the_command_says_so_and_goes_on_next_time(s3: Server, dcat: Dcat) -> None:
    s3.put_all(objects(count=25))
    assert dcat("index", ROOT, "-j", "1").code == 0
    s3.faults.page_keys, s3.faults.broken_lists = 10, 4
    s3.forget()
    said = dcat("index", ROOT, "-j", "1")
    assert said.code == 1
    assert "broke off" in said.err
    assert "Traceback" not in said.err
    said = dcat("verify")
    assert said.code == 4
    assert "unknown" in said.out
    assert "missing" not in said.err


@pytest.mark.parametrize("from_page", [1, 2, 4])
def test_an_answer_that_is_no_listing_marks_nothing_missing(
    s3: Server, dcat: Dcat, from_page: int
) -> None:
    """A console, a proxy or a sign-in page may stand at the endpoint, and answer 200 to anything."""
    s3.put_all(objects(count=25))
    assert dcat("index", ROOT, "-j", "1").code == 0
    page = b"<html><body>Please sign in.</body></html>"
    pages = count(1)
    s3.faults.page_keys = 10
    s3.faults.listing = lambda body: page.ljust(len(body)) if next(pages) >= from_page else body
    said = dcat("index", ROOT, "-j", "1", "--prune", "--yes")
    assert said.code == 1
    assert "what came is no listing of S3" in said.err
    said = dcat("find", "files", "-o", "json")
    assert said.out.count('"Status": "ok"') == 25


def test_a_connection_that_is_lost_makes_no_unreadable_files(
    s3: Server, catalogue: Catalogue
) -> None:
    s3.put_all(objects(count=12))
    indexed(catalogue)
    for key in objects(count=12):
        s3.put(key, builders.dicom_bytes(SOPInstanceUID="1.2.3.9.0", PatientName="Roe^Jane"))
    s3.faults.broken_bodies = 1000
    with pytest.raises(StorageError, match="connection to s3://"):
        indexed(catalogue)
    assert set(statuses(catalogue).values()) == {"ok"}
    s3.faults.broken_bodies = 0
    assert indexed(catalogue).done["changed"] == 12


def test_a_part_of_unknown_size_is_not_taken_for_the_whole(
    s3: Server, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway may say `bytes 0-99/*` (RFC 9110 14.4)."""
    from catalog.files.s3_client import Client

    s3.put_all({"a/1.dcm": builders.dicom_bytes(PixelData=bytes(100_000))})
    call = Client._call

    async def gateway(self: Client, name: str, arguments: Any) -> Any:
        answer = await call(self, name, arguments)
        if "ContentRange" in answer:
            answer["ContentRange"] = answer["ContentRange"].partition("/")[0] + "/*"
        return answer

    monkeypatch.setattr(Client, "_call", gateway)
    indexed(catalogue)
    assert set(statuses(catalogue).values()) == {"unreadable"}


def test_what_breaks_off_now_and_then_and_a_busy_server_are_asked_again(
    s3: Server, catalogue: Catalogue
) -> None:
    s3.put_all(objects(count=6))
    s3.faults.broken_bodies, s3.faults.busy = 3, 1
    counts = indexed(catalogue)
    assert (counts.files, set(statuses(catalogue).values())) == (6, {"ok"})


def test_a_server_that_stays_busy_ends_the_run(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all(objects(count=2))
    s3.faults.busy = 1000
    with pytest.raises(StorageError, match="busy"):
        indexed(catalogue)


def test_a_denied_object_is_one_unreadable_file(s3: Server, dcat: Dcat, tmp_path: Path) -> None:
    s3.put_all(objects(count=4))
    denied, *others = objects(count=4)
    s3.faults.denied = {denied}
    said = dcat("index", ROOT, "-j", "1", "--json")
    assert said.code == 3
    assert '"status unreadable": 1' in said.out
    assert '"status ok": 3' in said.out
    said = dcat("sql", "SELECT Path, Error FROM v_file WHERE Status = 'unreadable'", "-o", "csv")
    assert "access was denied" in said.out
    s3.faults.denied = set()
    said = dcat("index", ROOT, "-j", "1", "--json")
    assert said.code == 0
    assert '"changed": 1' in said.out
    # One that is denied when it is exported is a failure of its own.
    s3.faults.denied = {others[0]}
    said = dcat("export", tmp_path / "out")
    assert said.code == 1
    assert "access was denied" in said.err
    said = dcat("export", tmp_path / "out", "--as-found")
    assert said.code == 3, said.err
    assert "access was denied" in said.err
    assert dcat("verify", "--media", tmp_path / "out").code == 0


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(
    s3: Server, catalogue: Catalogue
) -> None:
    long = {"TextValue": "x" * 100_000}  # so that the header takes two requests
    key = "a/one.dcm"
    s3.put(key, builders.dicom_bytes(PatientName="Doe^Jane", **long))

    def replace(asked: str) -> None:
        if s3.counts["get"] == 2:
            s3.put(key, builders.dicom_bytes(PatientName="Roe^John", **long))

    s3.faults.on_get = replace
    indexed(catalogue)
    assert statuses(catalogue) == {f"{ROOT}/one.dcm": "ok"}
    with catalogue.read() as connection:
        from sqlalchemy import select

        from catalog.database import models as m

        assert connection.execute(select(m.patient.c.patient_name)).scalars().all() == ["Roe^John"]
    s3.faults.on_get = lambda asked: s3.put(
        key, builders.dicom_bytes(PatientName=f"No^{s3.counts['get']:04d}", **long)
    )
    indexed(catalogue, full=True)  # replaced at every turn
    assert statuses(catalogue) == {f"{ROOT}/one.dcm": "unreadable"}
    assert files(catalogue, "mtime_ns") == {f"{ROOT}/one.dcm": (None,)}
    s3.faults.on_get = None
    assert indexed(catalogue).done["changed"] == 1
    assert statuses(catalogue) == {f"{ROOT}/one.dcm": "ok"}
    assert findings(catalogue) == {}


def test_an_object_that_goes_between_listing_and_reading(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all(objects(count=2))
    first, second = objects(count=2)
    s3.faults.on_get = lambda asked: s3.delete(first) if asked == first else None
    indexed(catalogue)
    assert statuses(catalogue)[f"s3://{BUCKET}/{first}"] == "unreadable"
    assert statuses(catalogue)[f"s3://{BUCKET}/{second}"] == "ok"
    s3.faults.on_get = None
    indexed(catalogue)
    assert statuses(catalogue)[f"s3://{BUCKET}/{first}"] == "missing"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://no-such-bucket/a", "There is no bucket no-such-bucket at http"),
        (f"s3://{BUCKET}/nothing", "There is no object at or below"),
        ("nosuch://x/a", "fsspec knows"),
        ("adl://x/a", "cannot be used: "),
    ],
)
def test_what_is_not_there_is_refused_before_anything_changes(
    s3: Server, dcat: Dcat, tmp_path: Path, url: str, words: str
) -> None:
    said = dcat("index", url, "-j", "1")
    assert said.code == 1
    assert words in said.err
    assert not (tmp_path / "dcat.db").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "does not take the credentials"),
        ("ExpiredToken", "does not take the credentials"),
        ("AccessDenied", "cannot be listed: access was denied"),
        ("SlowDown", "busy or faulty"),
        ("PermanentRedirect", "AWS_DEFAULT_REGION"),
        ("SomethingElse", "cannot be listed: the storage said: as the test has it"),
    ],
)
def test_what_the_storage_says_is_told(s3: Server, dcat: Dcat, code: str, words: str) -> None:
    s3.faults.code = code
    said = dcat("index", f"s3://{BUCKET}", "-j", "1")
    assert said.code == 1
    assert words in said.err
    assert SECRET not in said.err + said.out


def test_without_credentials(
    s3: Server, dcat: Dcat, anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    anew()
    said = dcat("index", f"s3://{BUCKET}", "-j", "1")
    assert said.code == 1
    assert "There are no credentials" in said.err
    assert "AWS_PROFILE" in said.err


def test_where_nobody_answers(
    s3: Server, dcat: Dcat, anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@127.0.0.1:1")
    anew()
    said = dcat("index", f"s3://{BUCKET}", "-j", "1")
    assert said.code == 1
    assert "AWS_ENDPOINT_URL" in said.err
    assert SECRET not in said.err


def test_an_endpoint_that_is_none(
    s3: Server, dcat: Dcat, anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no-url")
    anew()
    said = dcat("index", f"s3://{BUCKET}", "-j", "1")
    assert said.code == 1
    assert "cannot be used: Invalid endpoint: no-url" in said.err


def test_a_listing_that_is_not_in_order_is_refused(s3: Server, catalogue: Catalogue) -> None:
    s3.put_all({f"a/{i}": b"not DICOM" for i in range(4)})
    indexed(catalogue)
    s3.delete("a/3")
    s3.faults.listing = lambda body: body.replace(b"<Key>a/0</Key>", b"<Key>a/9</Key>")
    with pytest.raises(StorageError, match="not listed in the order of its keys"):
        indexed(catalogue)
    assert "missing" not in statuses(catalogue).values()


def test_the_endpoint_may_stand_in_the_configuration(
    s3: Server,
    dcat: Dcat,
    anew: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    s3.put_all(objects(count=1))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    configuration = tmp_path / "config.toml"
    configuration.write_text(f'[storage]\nendpoint_url = "{s3.url}"\n', encoding="utf-8")
    monkeypatch.setenv("DCAT_CONFIG", str(configuration))
    anew()
    said = dcat("index", ROOT, "-j", "1")
    assert said.code == 0, dcat("find", "files", "--columns", "Path,Error").out


def test_no_secret_is_stored_or_logged(s3: Server, dcat: Dcat, tmp_path: Path) -> None:
    s3.put_all(objects(count=2))
    said = dcat("--debug", "index", ROOT, "-j", "1")
    assert said.code == 0
    said_more = dcat("index", f"s3://AKIATESTTESTTESTTEST:{SECRET}@{BUCKET}/a", "-j", "1")
    assert said_more.code == 1
    assert "Credentials do not belong" in said_more.err
    for text in (said.out, said.err, said_more.out, said_more.err):
        assert SECRET not in text
        assert "AKIATEST" not in text
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("dcat.db*"))
    assert b"AKIATEST" not in stored
    assert SECRET.encode() not in stored


def test_without_the_extra(
    s3: Server, dcat: Dcat, anew: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in ("s3fs",) or name in (
            "catalog.files.s3",
            "catalog.files.s3_client",
        ):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("catalog.files.s3", raising=False)
    monkeypatch.delattr("catalog.files.s3_client", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    remote_store.cache_clear()
    said = dcat("index", f"s3://{BUCKET}", "-j", "1")
    assert said.code == 1
    assert "pip install 'dicom-dcat[s3]'" in said.err
    assert remote.store_of  # the rest is there


def test_a_watch_is_refused(s3: Server, dcat: Dcat) -> None:
    said = dcat("index", f"s3://{BUCKET}", "--watch")
    assert said.code == 2
    assert "--watch is for folders" in said.err


def test_a_public_bucket_needs_no_credentials(s3: Server, tmp_path: Path) -> None:
    s3.put_all(objects(count=2))
    for key in objects(count=2):
        s3.backend.get_object(BUCKET, key).acl = get_canned_acl("public-read")
    said = subprocess.run(
        [sys.executable, "-m", "catalog", "index", ROOT, "-j", "1", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={
            "HOME": str(tmp_path),
            "DCAT_DB": str(tmp_path / "dcat.db"),
            "AWS_ENDPOINT_URL": s3.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "FSSPEC_S3_ANON": "true",
        },
        cwd=Path(__file__).parents[2],
    )
    assert said.returncode == 0, said.stderr
    assert '"status ok": 2' in said.stdout
