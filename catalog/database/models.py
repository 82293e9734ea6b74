"""The tables, as SQLAlchemy Core. `docs/schema.md` is made from this module.

Every table has a surrogate key `id`; a column that ends in `_ref` points at one. (`_id` endings are
the standard's own: `patient_id` is Patient ID, `study_id` is Study ID.)
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as PlainText

from catalog.attributes import WORDS, Attribute, at
from catalog.entities import Level

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NAME_GROUPS = ("alphabetic", "ideographic", "phonetic")
"""The component groups of a person's name, in order (PS3.5 §6.2.1)."""

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone

Text = PlainText().with_variant(PlainText(collation="C"), "postgresql")
"""Text that is compared by code points on every database, as Python does."""


def _id() -> Column[Any]:
    return Column("id", BigId, primary_key=True, comment="surrogate key")


def _ref(name: str, target: str, comment: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, BigId, ForeignKey(f"{target}.id"), nullable=nullable, comment=comment)


def _column(attribute: Attribute) -> Column[Any]:
    kind: Any = Text
    if attribute.is_number:
        kind = Float() if attribute.vr == "DS" else Integer()
    group, number = divmod(attribute.tag, 0x10000)
    clause = attribute.clause if attribute.clause.startswith("PS") else f"PS3.3 {attribute.clause}"
    comment = f"{attribute.keyword} ({group:04X},{number:04X}) {attribute.vr}: {attribute.description} [{clause}]"
    return Column(attribute.column, kind, comment=comment)


def _entity(level: Level) -> list[Column[Any]]:
    """Return the columns that every entity of `level` has."""
    columns = []
    for attribute in at(level):
        columns.append(_column(attribute))
        if attribute.vr == "PN":
            if level is Level.PATIENT:
                columns += [
                    Column(
                        f"{attribute.column}_{group}",
                        Text,
                        comment=f"{group} component group of {attribute.keyword}",
                    )
                    for group in NAME_GROUPS
                ]
            columns.append(Column(
                f"{attribute.column}_folded", Text,
                comment=f"search key of {attribute.keyword}: every component group without case and accents, joined by =",
            ))  # fmt: skip
    columns += [
        Column("raw", JSON(none_as_null=True), comment="values that their column cannot hold, by keyword, as they stand in the file: invalid dates and numbers, and '' for a number that is present but empty"),
        Column("provenance", Text, nullable=False, comment="header: read from a file; record: known from a DICOMDIR only"),
        Column("is_disputed", Boolean, nullable=False, comment="true if a file states something else than this row; see discrepancy"),
    ]  # fmt: skip
    return columns


def _attributes() -> Column[Any]:
    return Column(
        "attributes",
        JSON(none_as_null=True),
        comment="attributes that the configuration adds, by name: a number, or text in the form of the other columns, several values joined by \\; without the names of those that are absent; NULL if there are none",
    )


def _words(level: Level) -> Column[Any]:
    return Column(
        "words",
        Text,
        comment=f"words of {', '.join(WORDS[level])} for full text: without case and accents, each once, joined by spaces; searched through {level.value}_words",
    )


root = Table(
    "root", metadata,
    _id(),
    Column("path", Text, nullable=False, unique=True, comment="absolute path of an indexed folder or of an imported File-set, or a URL (docs/storage.md); bytes that are not UTF-8 as \\xNN, backslash as \\\\"),
    comment="folders that were indexed and File-sets that were imported; paths of files are relative to one",
)  # fmt: skip

run = Table(
    "run", metadata,
    _id(),
    Column("command", Text, nullable=False, comment="index, prune, import, export or verify"),
    Column("arguments", Text, nullable=False, comment="the command line as typed"),
    Column("version", Text, nullable=False, comment="version of dcat"),
    Column("login", Text, nullable=False, comment="who ran it"),
    Column("host", Text, nullable=False, comment="machine on which it ran"),
    Column("pid", Integer, nullable=False, comment="process number on that machine"),
    Column("started_at", Text, nullable=False, comment="ISO 8601 with offset"),
    Column("finished_at", Text, comment="ISO 8601 with offset; NULL while it runs or if it was killed"),
    Column("outcome", Text, comment="done, failed, interrupted or killed; NULL while it runs, or if it was killed and no writer has noticed yet"),
    Column("counts", JSON(none_as_null=True), comment="what it did, as numbers by name"),
    Column("batches", Integer, comment="transactions that it has stored, by which a writer that lost its connection knows whether the last one arrived; NULL on SQLite"),
    comment="every index, import, export and verify run",
)  # fmt: skip

patient = Table(
    "patient", metadata,
    _id(),
    Column("identity", Text, nullable=False, unique=True, comment="JSON list of Patient ID and issuer, both '' if unknown; without a Patient ID the Study Instance UID is added, so that people without an ID are never merged"),
    *_entity(Level.PATIENT),
    _attributes(),
    _words(Level.PATIENT),
    Index(None, "patient_id"),
    Index(None, "patient_name_folded"),
    comment="people, one row for each Patient ID and issuer",
)  # fmt: skip

study = Table(
    "study", metadata,
    _id(),
    _ref("patient_ref", "patient", "whose study it is"),
    *_entity(Level.STUDY),
    _attributes(),
    _words(Level.STUDY),
    UniqueConstraint("patient_ref", "study_instance_uid"),
    Index(None, "study_instance_uid"),
    Index(None, "study_date"),
    Index(None, "accession_number"),
    comment="studies, one row for each patient and Study Instance UID",
)  # fmt: skip

series = Table(
    "series", metadata,
    _id(),
    _ref("study_ref", "study", "the study it belongs to"),
    *_entity(Level.SERIES),
    _attributes(),
    _words(Level.SERIES),
    UniqueConstraint("study_ref", "series_instance_uid"),
    Index(None, "series_instance_uid"),
    Index(None, "modality", "study_ref"),
    comment="series, one row for each study and Series Instance UID",
)  # fmt: skip

series_total = Table(
    "series_total", metadata,
    Column("series_ref", BigId, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, comment="the series"),
    Column("number_of_instances", Integer, nullable=False, comment="instances of the series"),
    Column("number_of_files", Integer, nullable=False, comment="files of these instances, those that are missing aside"),
    Column("size_bytes", BigInteger, nullable=False, comment="size of these files together"),
    comment="what each series holds, one row for each: kept in step by whatever writes instances and files, so that counting takes no time",
)  # fmt: skip

instance = Table(
    "instance", metadata,
    _id(),
    _ref("series_ref", "series", "the series it belongs to; NULL for instances of no patient (hanging protocols, palettes, implant templates, inventories)", nullable=True),
    *_entity(Level.INSTANCE),
    Column("directory_record_type", Text, comment="type of the directory record that can hold it (PS3.3 F.5); NULL if the standard has none"),
    _attributes(),
    UniqueConstraint("series_ref", "sop_instance_uid"),
    Index(None, "sop_instance_uid"),
    Index(None, "sop_class_uid"),
    comment="SOP Instances, one row for each series and SOP Instance UID",
)  # fmt: skip

attribute_set = Table(
    "attribute_set", metadata,
    _id(),
    Column("attributes", Text, nullable=False, unique=True, comment="JSON list of objects, sorted by name: name, level, path (tags from the top level down), vr, vm"),
    comment="lists of attributes that the configuration added, one row for each list with which files were read",
)  # fmt: skip

file = Table(
    "file", metadata,
    _id(),
    _ref("root_ref", "root", "the folder that path is relative to"),
    Column("path", Text, nullable=False, comment="path below the root, / between folders; bytes that are not UTF-8 as \\xNN, backslash as \\\\; of a member of an archive ARCHIVE!/MEMBER"),
    Column("size_bytes", BigInteger, comment="size when it was read; NULL if never seen"),
    Column("mtime_ns", BigInteger, comment="modification time when it was read, nanoseconds since 1970 UTC, of a member that of its archive, of an object behind a URL the second and a number made of its ETag; NULL if never seen"),
    Column("status", Text, nullable=False, comment="ok, truncated, dicomdir, incomplete, unreadable, not-dicom, not-followed, archive, referenced or missing"),
    Column("error", Text, comment="why the status is not ok"),
    *(_column(a) for a in at(Level.FILE)),
    Column("digest", Text, comment="SHA-256 of the file, hexadecimal; NULL if never computed"),
    _ref("instance_ref", "instance", "the instance that it holds; NULL if none", nullable=True),
    _ref("first_run_ref", "run", "the run that saw it first"),
    _ref("last_run_ref", "run", "the run that last read it or changed this row"),
    Column("missing_since", Text, comment="when it was first found missing, ISO 8601 with offset; NULL while it is there"),
    Column("last_status", Text, comment="the status it had before it went missing; NULL while it is there"),
    _ref("attribute_set_ref", "attribute_set", "the attributes that the configuration added when it was read; NULL if none", nullable=True),
    _ref("verified_run_ref", "run", "the verification that last found its bytes to have the digest; NULL if none did", nullable=True),
    UniqueConstraint("root_ref", "path"),
    Index(None, "instance_ref"),
    Index(None, "status"),
    Index(None, "attribute_set_ref", sqlite_where=text("attribute_set_ref IS NOT NULL")),
    comment="files on disk, every one that was seen, whatever it is",
)  # fmt: skip

discrepancy = Table(
    "discrepancy", metadata,
    Column("file_ref", BigId, ForeignKey("file.id", ondelete="CASCADE"), primary_key=True, comment="the file that disagrees"),
    Column("keyword", Text, primary_key=True, comment="the attribute; of those that the configuration adds the name with its level, PatientAge@study"),
    Column("value", Text, comment="what the file states, in the form of the column; NULL if it lacks the attribute"),
    Column("raw", Text, comment="what stands in the file where the column cannot hold it"),
    Index(None, "keyword"),
    comment="what a file states where it differs from the row of its patient, study, series or instance",
)  # fmt: skip

fileset = Table(
    "fileset", metadata,
    _id(),
    Column("folder", Text, nullable=False, comment="absolute path of the folder that holds its DICOMDIR, in the form of root.path"),
    _ref("run_ref", "run", "the run that imported or wrote it"),
    Column("direction", Text, nullable=False, comment="imported or exported"),
    Column("file_set_uid", Text, comment="SOP Instance UID of the DICOMDIR [PS3.10 §8.1]"),
    Column("file_set_id", Text, comment="File-set ID (0004,1130)"),
    Column("dicomdir_digest", Text, nullable=False, comment="SHA-256 of the DICOMDIR"),
    Column("identity", Text, nullable=False, comment="the File-set UID, or sha256: and the digest of a DICOMDIR that has none"),
    UniqueConstraint("folder", "identity", "direction"),
    comment="File-sets imported and exported; one that is imported again from the same folder replaces its earlier row",
)  # fmt: skip

fileset_record = Table(
    "fileset_record", metadata,
    _id(),
    Column("fileset_ref", BigId, ForeignKey("fileset.id", ondelete="CASCADE"), nullable=False, comment="the File-set"),
    Column("position", Integer, nullable=False, comment="0, 1, … depth first in the order of the directory"),
    Column("depth", Integer, nullable=False, comment="0 for records of the root directory entity"),
    Column("record_type", Text, nullable=False, comment="Directory Record Type (0004,1430)"),
    Column("offset_bytes", BigInteger, comment="where the record stands in the DICOMDIR; NULL for File-sets that dcat wrote"),
    Column("file_id", Text, comment="Referenced File ID, components joined by /; NULL if it references no file"),
    Column("path", Text, comment="the file on the medium, relative to the folder; NULL if it is not there"),
    Column("sop_class_uid", Text, comment="Referenced SOP Class UID in File (0004,1510)"),
    Column("sop_instance_uid", Text, comment="Referenced SOP Instance UID in File (0004,1511)"),
    Column("transfer_syntax_uid", Text, comment="Referenced Transfer Syntax UID in File (0004,1512)"),
    Column("keys", JSON(none_as_null=True), comment="the record's other keys as text, by keyword or tag"),
    _ref("instance_ref", "instance", "the instance that it stands for; NULL if none", nullable=True),
    UniqueConstraint("fileset_ref", "position"),
    Index(None, "instance_ref"),
    comment="directory records of File-sets",
)  # fmt: skip

finding = Table(
    "finding", metadata,
    _id(),
    _ref("run_ref", "run", "the run that noticed it"),
    Column("file_ref", BigId, ForeignKey("file.id", ondelete="CASCADE"), nullable=True, comment="the file it is about; NULL if none"),
    Column("fileset_ref", BigId, ForeignKey("fileset.id", ondelete="CASCADE"), nullable=True, comment="the File-set it is about; NULL if none"),
    Column("code", Text, nullable=False, comment="stable short name"),
    Column("severity", Text, nullable=False, comment="error, warning or note"),
    Column("place", Text, nullable=False, comment="a path, File ID or record; '' if the message says it"),
    Column("message", Text, nullable=False, comment="one sentence"),
    Column("clause", Text, comment="clause of the standard"),
    Column("offset_bytes", BigInteger, comment="position in the file"),
    Index(None, "file_ref"),
    Index(None, "code"),
    comment="what was noticed; a file's findings are replaced when it is read again",
)  # fmt: skip

patient_link = Table(
    "patient_link", metadata,
    _id(),
    Column("identity", Text, nullable=False, unique=True, comment="the foreign patient, in the form of patient.identity; it need not be in the catalogue"),
    Column("patient_id", Text, nullable=False, comment="the foreign Patient ID"),
    Column("issuer_of_patient_id", Text, nullable=False, comment="its issuer; '' if unknown"),
    Column("local_identity", Text, nullable=False, comment="the patient of this place, in the form of patient.identity; it need not be in the catalogue"),
    Column("local_patient_id", Text, nullable=False, comment="the Patient ID of this place"),
    Column("local_issuer_of_patient_id", Text, nullable=False, comment="its issuer; '' if unknown"),
    _ref("run_ref", "run", "the import that stated it; NULL if it was stated by itself", nullable=True),
    Column("said_at", Text, nullable=False, comment="when it was stated, ISO 8601 with offset"),
    Column("said_by", Text, nullable=False, comment="login that stated it"),
    Column("reason", Text, comment="why, as the user said"),
    Index(None, "local_identity"),
    comment="foreign patients that are one of this place, as people stated; nothing else in the catalogue, and no file, is changed by it",
)  # fmt: skip

export = Table(
    "export", metadata,
    _id(),
    _ref("run_ref", "run", "the run: who, when, on which machine"),
    _ref("fileset_ref", "fileset", "the File-set written; NULL until the DICOMDIR stands", nullable=True),
    Column("destination", Text, nullable=False, comment="folder or file written to"),
    Column("selection", Text, nullable=False, comment="the selection as typed"),
    Column("reason", Text, comment="why, as the user said"),
    Column("recipient", Text, comment="to whom, as the user said"),
    Column("file_set_uid", Text, nullable=False, comment="File-set UID"),
    Column("options", JSON(none_as_null=True), comment="what was ordered, by name, so that it can be resumed; NULL for exports of earlier versions"),
    Column("volume", Integer, comment="1, 2, … of the volumes of one export; NULL if it was not divided"),
    Column("volumes", Integer, comment="how many volumes the export has; NULL if it was not divided"),
    Column("base_destination", Text, comment="the destination as ordered, which several volumes share; NULL for exports of earlier versions"),
    _ref("resumed_run_ref", "run", "the run that took it up again last; NULL if none did", nullable=True),
    comment="the disclosure ledger: every export, one row for each volume; an update of one has a row of its own with the same File-set UID",
)  # fmt: skip

export_item = Table(
    "export_item", metadata,
    _id(),
    _ref("export_ref", "export", "the export"),
    Column("sop_instance_uid", Text, nullable=False, comment="the instance, by UID, so that the ledger outlives the catalogue's rows"),
    Column("patient_id", Text, comment="Patient ID at the time"),
    Column("issuer_of_patient_id", Text, comment="issuer of the Patient ID at the time"),
    Column("study_instance_uid", Text, comment="its study"),
    Column("file_id", Text, comment="File ID on the medium, or that it was to have; NULL if it was left out"),
    Column("source", Text, nullable=False, comment="path that was copied"),
    Column("size_bytes", BigInteger, comment="bytes copied"),
    Column("digest", Text, comment="SHA-256 of the copy"),
    Column("outcome", Text, nullable=False, comment="planned, copied, left-out or failed; removed, by an update of a medium"),
    Column("reason", Text, comment="why it was left out or failed"),
    Index(None, "export_ref"),
    Index(None, "patient_id"),
    comment="the disclosure ledger: every instance of an export",
)  # fmt: skip

saved_selection = Table(
    "saved_selection", metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True, comment="what it is called"),
    Column("definition", JSON, nullable=False, comment="the selection itself"),
    Column("text", Text, nullable=False, comment="the selection as typed"),
    Column("created_at", Text, nullable=False, comment="when it was saved, ISO 8601 with offset"),
    comment="selections that were given a name",
)  # fmt: skip

ENTITY_TABLES = {
    Level.PATIENT: patient,
    Level.STUDY: study,
    Level.SERIES: series,
    Level.INSTANCE: instance,
}
