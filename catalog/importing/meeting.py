"""What a medium holds: its records walked, its files read and held against them."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.entities import Status
from catalog.events import Finished, Listener, Progress, Started
from catalog.files.paths import is_archive_name
from catalog.files.walk import Entry, Kind
from catalog.findings import Finding, Severity
from catalog.importing import comparing, manifest
from catalog.importing.namings import Namings
from catalog.importing.opening import Opened, further_dicomdir
from catalog.importing.outcome import Check, Imported, Order
from catalog.importing.reading import FileRead, Files, HeaderReader
from catalog.importing.records import Step, Steps

STAGE = "Importing"
READING = "Reading headers"
BATCH_RECORDS = 1000
BATCH_FILES = 500


def _left_alone(entry: Entry) -> Finding:
    """Return the finding on an entry of the medium that was not looked into."""
    is_lost = entry.kind is not Kind.NOT_FOLLOWED
    return Finding(
        "file-unreadable" if is_lost else "not-followed",
        Severity.ERROR if is_lost else Severity.WARNING,
        f"It was not looked into: {entry.reason}.",
        entry.path,
    )


class Met:
    """Walks the records of a medium and reads its files; counts and findings go into `imported`."""

    def __init__(
        self, opened: Opened, order: Order, imported: Imported, listener: Listener
    ) -> None:
        self.medium = opened.medium
        self.order = order
        self.imported = imported
        self.listener = listener
        self.comparison = comparing.Comparison()
        self._stated: manifest.Stated | None = None
        directory, said = opened.take_directory()
        self.named = Namings(directory)
        imported.has_directory = directory is not None
        imported.findings += opened.findings
        unlisted = (e for e in opened.medium.others if e.kind is Kind.UNLISTED)
        imported.findings += map(_left_alone, unlisted)
        self._steps: Steps | None = None
        if directory is None:
            if not any(f.code == "directory-unreadable" for f in opened.findings):
                message = "There is no DICOMDIR that says what is on the medium; every DICOM file found was taken."
                imported.findings.append(
                    Finding("no-dicomdir", Severity.WARNING, message, "", "PS3.10 §8.6")
                )
        else:
            imported.file_set_id = directory.fileset.file_set_id
            imported.file_set_uid = directory.fileset.file_set_uid
            imported.findings += said
            self._steps = Steps(opened.medium, directory, imported)

    def steps(self) -> Iterable[Step]:
        """Yield every record; this can be asked for once."""
        if self._steps is None:
            return
        offsets: list[int] = []
        total = len(self._steps)
        self.listener(Started(STAGE, total, "records"))
        for step in self._steps:
            if self.order.reads_files:
                del offsets[len(step.chain) - 1 :]
                offsets.append(step.offset_bytes)
                if step.path is not None:
                    self.named.add(step.path, step, offsets)
            yield step
            if step.position % BATCH_RECORDS == BATCH_RECORDS - 1:
                self.listener(Progress(STAGE, step.position + 1, total))
        self.listener(Finished(STAGE, total))

    def read(self, reader: HeaderReader) -> Iterable[FileRead]:
        """Yield every file of the medium, read: those that records name, then, unless left alone, all others."""
        files = Files(self.medium, reader, self.imported, with_digest=self.order.check is Check.DIGEST)  # fmt: skip
        if self.order.check is Check.DIGEST:
            self._stated = manifest.Stated(self.medium)
            self.imported.findings += self._stated.findings
        others = [] if self.order.named_only else list(files.unnamed(self.named))
        if not self.order.named_only:
            # What a record names was told with the record, and what is unlisted at the beginning.
            told = self._steps.shut if self._steps else ()
            self.imported.findings += (
                _left_alone(entry)
                for entry in self.medium.others
                if entry.kind is not Kind.UNLISTED and entry.path not in told
            )
        total = len(self.named) + len(others)
        self.listener(Started(READING, total, "files"))
        done = 0
        for path in sorted(self.named):
            namings = self.named.of(path)
            tags = frozenset().union(*(comparing.compared_tags(each.chain) for each in namings))
            read = files.read(path, tags)
            if read.header is not None:
                for each in namings:
                    self.comparison.of_file(
                        path, read.header, each.chain, each.offsets, is_alone=not each.has_lower
                    )
            self._judge(read, namings[0].offsets[-1])
            yield read
            done += 1
            if done % BATCH_FILES == 0:
                self.listener(Progress(READING, done, total))
        for path in others:
            read = files.read(path)
            self._judge_unnamed(read)
            yield read
            done += 1
            if done % BATCH_FILES == 0:
                self.listener(Progress(READING, done, total))
        self.listener(Finished(READING, done))

    def finish(self) -> None:
        """Turn what was compared into differences and findings, after all files were read."""
        self.imported.differences = list(self.comparison.differences())
        self.imported.findings += comparing.findings(self.imported.differences)

    def _judge(self, read: FileRead, offset: int) -> None:
        """Note what is wrong with a file that a record names."""
        file, claims, _ = read.reading
        self._compare_digest(read)
        if claims is None or file.status is Status.TRUNCATED:
            code = "file-unreadable" if claims is None else "file-truncated"
            message = f"A record names it, and it is no whole instance: {file.error or file.status.value}."
            finding = Finding(code, Severity.ERROR, message, read.path, "PS3.10 §7", offset)
            self.imported.findings.append(finding)

    def _judge_unnamed(self, read: FileRead) -> None:
        file, claims, _ = read.reading
        self._compare_digest(read)
        if file.status is Status.NOT_DICOM:
            self.imported.beside += 1
            if is_archive_name(read.path):
                message = (
                    "It is an archive, and was not looked into; import it by itself, or index it."
                )
                self.imported.findings.append(Finding("archive-passed-over", Severity.WARNING, message, read.path))  # fmt: skip
            return
        if file.status is Status.DICOMDIR:
            if not any(f.code == "further-dicomdir" and f.place == read.path for f in self.imported.findings):  # fmt: skip
                self.imported.findings.append(further_dicomdir(read.path))
            return
        if file.status is Status.UNREADABLE:
            message = f"It may be an instance that is lost: {file.error or file.status.value}."
            self.imported.findings.append(Finding("file-unreadable", Severity.ERROR, message, read.path, "PS3.10 §7"))  # fmt: skip
            return
        if claims is None:
            message = f"No record names it, and it is no instance that can be taken: {file.error or file.status.value}."
            self.imported.findings.append(Finding("file-passed-over", Severity.WARNING, message, read.path, "PS3.10 §7"))  # fmt: skip
            return
        self.imported.unnamed.append(read.path)
        if file.status is Status.TRUNCATED:
            message = f"It is no whole instance: {file.error or file.status.value}."
            self.imported.findings.append(Finding("file-truncated", Severity.ERROR, message, read.path, "PS3.10 §7"))  # fmt: skip
        if self.imported.has_directory:
            message = "It is a DICOM file that no record names."
            self.imported.findings.append(Finding("file-unnamed", Severity.WARNING, message, read.path, "PS3.3 F.2.1"))  # fmt: skip

    def _compare_digest(self, read: FileRead) -> None:
        if self._stated is not None:
            finding = self._stated.compared(read.path, read.reading.file.digest)
            if finding is not None:
                self.imported.findings.append(finding)
