"""first schema

Revision ID: 0001
Revises:
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from catalog.database.views import in_dialect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

VIEWS = Path(__file__).parents[1] / "views" / "0001.sql"


def upgrade():
    op.create_table(
        "patient",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "identity",
            TEXT,
            nullable=False,
            comment="JSON list of Patient ID and issuer, both '' if unknown; without a Patient ID the Study Instance UID is added, so that people without an ID are never merged",
        ),
        sa.Column(
            "patient_id",
            TEXT,
            nullable=True,
            comment="PatientID (0010,0020) LO: Patient ID, trimmed [PS3.3 C.7.1.1]",
        ),
        sa.Column(
            "issuer_of_patient_id",
            TEXT,
            nullable=True,
            comment="IssuerOfPatientID (0010,0021) LO: who assigned the Patient ID [PS3.3 C.7.1.1]",
        ),
        sa.Column(
            "patient_name",
            TEXT,
            nullable=True,
            comment="PatientName (0010,0010) PN: name with its component groups (=) and components (^) [PS3.3 C.7.1.1]",
        ),
        sa.Column(
            "patient_name_alphabetic",
            TEXT,
            nullable=True,
            comment="alphabetic component group of PatientName",
        ),
        sa.Column(
            "patient_name_ideographic",
            TEXT,
            nullable=True,
            comment="ideographic component group of PatientName",
        ),
        sa.Column(
            "patient_name_phonetic",
            TEXT,
            nullable=True,
            comment="phonetic component group of PatientName",
        ),
        sa.Column(
            "patient_name_folded",
            TEXT,
            nullable=True,
            comment="search key of PatientName: every component group without case and accents, joined by =",
        ),
        sa.Column(
            "patient_birth_date",
            TEXT,
            nullable=True,
            comment="PatientBirthDate (0010,0030) DA: birth date, YYYY-MM-DD [PS3.3 C.7.1.1]",
        ),
        sa.Column(
            "patient_sex",
            TEXT,
            nullable=True,
            comment="PatientSex (0010,0040) CS: M, F or O [PS3.3 C.7.1.1]",
        ),
        sa.Column(
            "other_patient_ids",
            TEXT,
            nullable=True,
            comment="OtherPatientIDs (0010,1000) LO: other IDs (retired attribute), joined by \\ [PS3.3 C.7.1.1]",
        ),
        sa.Column(
            "raw",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="values that their column cannot hold, by keyword, as they stand in the file: invalid dates and numbers, and '' for a number that is present but empty",
        ),
        sa.Column(
            "provenance",
            TEXT,
            nullable=False,
            comment="header: read from a file; record: known from a DICOMDIR only",
        ),
        sa.Column(
            "is_disputed",
            sa.Boolean(),
            nullable=False,
            comment="true if a file states something else than this row; see discrepancy",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
        sa.UniqueConstraint("identity", name=op.f("uq_patient_identity")),
        comment="people, one row for each Patient ID and issuer",
    )
    with op.batch_alter_table("patient", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_patient_patient_id"), ["patient_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_patient_patient_name_folded"), ["patient_name_folded"], unique=False
        )

    op.create_table(
        "root",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "path",
            TEXT,
            nullable=False,
            comment="absolute path of an indexed folder or of an imported File-set; bytes that are not UTF-8 as \\xNN, backslash as \\\\",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_root")),
        sa.UniqueConstraint("path", name=op.f("uq_root_path")),
        comment="folders that were indexed and File-sets that were imported; paths of files are relative to one",
    )
    op.create_table(
        "run",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column("command", TEXT, nullable=False, comment="index, import, export or verify"),
        sa.Column("arguments", TEXT, nullable=False, comment="the command line as typed"),
        sa.Column("version", TEXT, nullable=False, comment="version of dcat"),
        sa.Column("login", TEXT, nullable=False, comment="who ran it"),
        sa.Column("host", TEXT, nullable=False, comment="machine on which it ran"),
        sa.Column("pid", sa.Integer(), nullable=False, comment="process number on that machine"),
        sa.Column("started_at", TEXT, nullable=False, comment="ISO 8601 with offset"),
        sa.Column(
            "finished_at",
            TEXT,
            nullable=True,
            comment="ISO 8601 with offset; NULL while it runs or if it was killed",
        ),
        sa.Column(
            "outcome",
            TEXT,
            nullable=True,
            comment="done, failed or interrupted; NULL while it runs or if it was killed",
        ),
        sa.Column(
            "counts",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="what it did, as numbers by name",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        comment="every index, import, export and verify run",
    )
    op.create_table(
        "fileset",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "folder",
            TEXT,
            nullable=False,
            comment="absolute path of the folder that holds its DICOMDIR, in the form of root.path",
        ),
        sa.Column(
            "run_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the run that imported or wrote it",
        ),
        sa.Column("direction", TEXT, nullable=False, comment="imported or exported"),
        sa.Column(
            "file_set_uid",
            TEXT,
            nullable=True,
            comment="SOP Instance UID of the DICOMDIR [PS3.10 §8.1]",
        ),
        sa.Column("file_set_id", TEXT, nullable=True, comment="File-set ID (0004,1130)"),
        sa.Column("dicomdir_digest", TEXT, nullable=False, comment="SHA-256 of the DICOMDIR"),
        sa.Column(
            "identity",
            TEXT,
            nullable=False,
            comment="the File-set UID, or sha256: and the digest of a DICOMDIR that has none",
        ),
        sa.ForeignKeyConstraint(["run_ref"], ["run.id"], name=op.f("fk_fileset_run_ref_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fileset")),
        sa.UniqueConstraint(
            "folder", "identity", "direction", name=op.f("uq_fileset_folder_identity_direction")
        ),
        comment="File-sets imported and exported; one that is imported again from the same folder replaces its earlier row",
    )
    op.create_table(
        "study",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "patient_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="whose study it is",
        ),
        sa.Column(
            "study_instance_uid",
            TEXT,
            nullable=True,
            comment="StudyInstanceUID (0020,000D) UI: UID of the study [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "study_id",
            TEXT,
            nullable=True,
            comment="StudyID (0020,0010) SH: ID of the study given by people or equipment [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "study_date",
            TEXT,
            nullable=True,
            comment="StudyDate (0008,0020) DA: date on which the study started, YYYY-MM-DD [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "study_time",
            TEXT,
            nullable=True,
            comment="StudyTime (0008,0030) TM: time at which the study started, HH:MM:SS as precise as given [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "accession_number",
            TEXT,
            nullable=True,
            comment="AccessionNumber (0008,0050) SH: number of the order in the departmental system [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "study_description",
            TEXT,
            nullable=True,
            comment="StudyDescription (0008,1030) LO: what was done [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "referring_physician_name",
            TEXT,
            nullable=True,
            comment="ReferringPhysicianName (0008,0090) PN: who asked for the study [PS3.3 C.7.2.1]",
        ),
        sa.Column(
            "referring_physician_name_folded",
            TEXT,
            nullable=True,
            comment="search key of ReferringPhysicianName: every component group without case and accents, joined by =",
        ),
        sa.Column(
            "raw",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="values that their column cannot hold, by keyword, as they stand in the file: invalid dates and numbers, and '' for a number that is present but empty",
        ),
        sa.Column(
            "provenance",
            TEXT,
            nullable=False,
            comment="header: read from a file; record: known from a DICOMDIR only",
        ),
        sa.Column(
            "is_disputed",
            sa.Boolean(),
            nullable=False,
            comment="true if a file states something else than this row; see discrepancy",
        ),
        sa.ForeignKeyConstraint(
            ["patient_ref"], ["patient.id"], name=op.f("fk_study_patient_ref_patient")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint(
            "patient_ref",
            "study_instance_uid",
            name=op.f("uq_study_patient_ref_study_instance_uid"),
        ),
        comment="studies, one row for each patient and Study Instance UID",
    )
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_study_accession_number"), ["accession_number"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_study_study_date"), ["study_date"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_study_study_instance_uid"), ["study_instance_uid"], unique=False
        )

    op.create_table(
        "export",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "run_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the run: who, when, on which machine",
        ),
        sa.Column(
            "fileset_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the File-set written; NULL until the DICOMDIR stands",
        ),
        sa.Column("destination", TEXT, nullable=False, comment="folder written to"),
        sa.Column("selection", TEXT, nullable=False, comment="the selection as typed"),
        sa.Column("reason", TEXT, nullable=True, comment="why, as the user said"),
        sa.Column("recipient", TEXT, nullable=True, comment="to whom, as the user said"),
        sa.Column("file_set_uid", TEXT, nullable=False, comment="File-set UID"),
        sa.ForeignKeyConstraint(
            ["fileset_ref"], ["fileset.id"], name=op.f("fk_export_fileset_ref_fileset")
        ),
        sa.ForeignKeyConstraint(["run_ref"], ["run.id"], name=op.f("fk_export_run_ref_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
        comment="the disclosure ledger: every export",
    )
    op.create_table(
        "series",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "study_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the study it belongs to",
        ),
        sa.Column(
            "series_instance_uid",
            TEXT,
            nullable=True,
            comment="SeriesInstanceUID (0020,000E) UI: UID of the series [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "series_number",
            sa.Integer(),
            nullable=True,
            comment="SeriesNumber (0020,0011) IS: number of the series [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "modality",
            TEXT,
            nullable=True,
            comment="Modality (0008,0060) CS: kind of equipment or document: CT, MR, SR, … [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "series_date",
            TEXT,
            nullable=True,
            comment="SeriesDate (0008,0021) DA: date on which the series started, YYYY-MM-DD [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "series_time",
            TEXT,
            nullable=True,
            comment="SeriesTime (0008,0031) TM: time at which the series started [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "series_description",
            TEXT,
            nullable=True,
            comment="SeriesDescription (0008,103E) LO: description of the series [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "body_part_examined",
            TEXT,
            nullable=True,
            comment="BodyPartExamined (0018,0015) CS: body part [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "laterality",
            TEXT,
            nullable=True,
            comment="Laterality (0020,0060) CS: L or R for paired body parts [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "protocol_name",
            TEXT,
            nullable=True,
            comment="ProtocolName (0018,1030) LO: name of the protocol [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "manufacturer",
            TEXT,
            nullable=True,
            comment="Manufacturer (0008,0070) LO: manufacturer of the equipment [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "manufacturer_model_name",
            TEXT,
            nullable=True,
            comment="ManufacturerModelName (0008,1090) LO: model of the equipment [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "station_name",
            TEXT,
            nullable=True,
            comment="StationName (0008,1010) SH: name of the machine [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "device_serial_number",
            TEXT,
            nullable=True,
            comment="DeviceSerialNumber (0018,1000) LO: serial number of the machine [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "software_versions",
            TEXT,
            nullable=True,
            comment="SoftwareVersions (0018,1020) LO: software versions of the machine, joined by \\ [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "institution_name",
            TEXT,
            nullable=True,
            comment="InstitutionName (0008,0080) LO: where the equipment stands [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "institution_address",
            TEXT,
            nullable=True,
            comment="InstitutionAddress (0008,0081) ST: address of the institution [PS3.3 C.7.5.1]",
        ),
        sa.Column(
            "performing_physician_name",
            TEXT,
            nullable=True,
            comment="PerformingPhysicianName (0008,1050) PN: who performed the series, names joined by \\ [PS3.3 C.7.3.1]",
        ),
        sa.Column(
            "performing_physician_name_folded",
            TEXT,
            nullable=True,
            comment="search key of PerformingPhysicianName: every component group without case and accents, joined by =",
        ),
        sa.Column(
            "frame_of_reference_uid",
            TEXT,
            nullable=True,
            comment="FrameOfReferenceUID (0020,0052) UI: UID of the frame of reference [PS3.3 C.7.4.1]",
        ),
        sa.Column(
            "raw",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="values that their column cannot hold, by keyword, as they stand in the file: invalid dates and numbers, and '' for a number that is present but empty",
        ),
        sa.Column(
            "provenance",
            TEXT,
            nullable=False,
            comment="header: read from a file; record: known from a DICOMDIR only",
        ),
        sa.Column(
            "is_disputed",
            sa.Boolean(),
            nullable=False,
            comment="true if a file states something else than this row; see discrepancy",
        ),
        sa.ForeignKeyConstraint(
            ["study_ref"], ["study.id"], name=op.f("fk_series_study_ref_study")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint(
            "study_ref", "series_instance_uid", name=op.f("uq_series_study_ref_series_instance_uid")
        ),
        comment="series, one row for each study and Series Instance UID",
    )
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_series_modality"), ["modality"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_series_series_instance_uid"), ["series_instance_uid"], unique=False
        )

    op.create_table(
        "export_item",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "export_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the export",
        ),
        sa.Column(
            "sop_instance_uid",
            TEXT,
            nullable=False,
            comment="the instance, by UID, so that the ledger outlives the catalogue's rows",
        ),
        sa.Column("patient_id", TEXT, nullable=True, comment="Patient ID at the time"),
        sa.Column(
            "issuer_of_patient_id",
            TEXT,
            nullable=True,
            comment="issuer of the Patient ID at the time",
        ),
        sa.Column("study_instance_uid", TEXT, nullable=True, comment="its study"),
        sa.Column(
            "file_id",
            TEXT,
            nullable=True,
            comment="File ID on the medium; NULL if it was left out",
        ),
        sa.Column("source", TEXT, nullable=False, comment="path that was copied"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True, comment="bytes copied"),
        sa.Column("digest", TEXT, nullable=True, comment="SHA-256 of the copy"),
        sa.Column("outcome", TEXT, nullable=False, comment="copied, left-out or failed"),
        sa.Column("reason", TEXT, nullable=True, comment="why it was left out or failed"),
        sa.ForeignKeyConstraint(
            ["export_ref"], ["export.id"], name=op.f("fk_export_item_export_ref_export")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_item")),
        comment="the disclosure ledger: every instance of an export",
    )
    with op.batch_alter_table("export_item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_export_item_export_ref"), ["export_ref"], unique=False)
        batch_op.create_index(batch_op.f("ix_export_item_patient_id"), ["patient_id"], unique=False)

    op.create_table(
        "instance",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "series_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the series it belongs to; NULL for instances of no patient (hanging protocols, palettes, implant templates, inventories)",
        ),
        sa.Column(
            "sop_instance_uid",
            TEXT,
            nullable=True,
            comment="SOPInstanceUID (0008,0018) UI: UID of the instance [PS3.3 C.12.1]",
        ),
        sa.Column(
            "sop_class_uid",
            TEXT,
            nullable=True,
            comment="SOPClassUID (0008,0016) UI: UID of its SOP Class [PS3.3 C.12.1]",
        ),
        sa.Column(
            "instance_number",
            sa.Integer(),
            nullable=True,
            comment="InstanceNumber (0020,0013) IS: number of the instance [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "acquisition_number",
            sa.Integer(),
            nullable=True,
            comment="AcquisitionNumber (0020,0012) IS: number of the acquisition [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "content_date",
            TEXT,
            nullable=True,
            comment="ContentDate (0008,0023) DA: date on which the content was made, YYYY-MM-DD [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "content_time",
            TEXT,
            nullable=True,
            comment="ContentTime (0008,0033) TM: time at which the content was made [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "acquisition_date_time",
            TEXT,
            nullable=True,
            comment="AcquisitionDateTime (0008,002A) DT: start of the acquisition, YYYY-MM-DDTHH:MM:SS as precise as given [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "image_type",
            TEXT,
            nullable=True,
            comment="ImageType (0008,0008) CS: ORIGINAL\\PRIMARY\\… joined by \\ [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "number_of_frames",
            sa.Integer(),
            nullable=True,
            comment="NumberOfFrames (0028,0008) IS: frames of a multi-frame instance [PS3.3 C.7.6.6]",
        ),
        sa.Column(
            "rows",
            sa.Integer(),
            nullable=True,
            comment="Rows (0028,0010) US: rows of the image [PS3.3 C.7.6.3]",
        ),
        sa.Column(
            "columns",
            sa.Integer(),
            nullable=True,
            comment="Columns (0028,0011) US: columns of the image [PS3.3 C.7.6.3]",
        ),
        sa.Column(
            "bits_allocated",
            sa.Integer(),
            nullable=True,
            comment="BitsAllocated (0028,0100) US: bits of a pixel cell [PS3.3 C.7.6.3]",
        ),
        sa.Column(
            "photometric_interpretation",
            TEXT,
            nullable=True,
            comment="PhotometricInterpretation (0028,0004) CS: MONOCHROME2, RGB, … [PS3.3 C.7.6.3]",
        ),
        sa.Column(
            "image_position_patient",
            TEXT,
            nullable=True,
            comment="ImagePositionPatient (0020,0032) DS: x\\y\\z of the upper left pixel in mm [PS3.3 C.7.6.2]",
        ),
        sa.Column(
            "image_orientation_patient",
            TEXT,
            nullable=True,
            comment="ImageOrientationPatient (0020,0037) DS: direction cosines of row and column [PS3.3 C.7.6.2]",
        ),
        sa.Column(
            "pixel_spacing",
            TEXT,
            nullable=True,
            comment="PixelSpacing (0028,0030) DS: row and column spacing in mm [PS3.3 C.7.6.2]",
        ),
        sa.Column(
            "slice_thickness",
            sa.Float(),
            nullable=True,
            comment="SliceThickness (0018,0050) DS: nominal slice thickness in mm [PS3.3 C.7.6.2]",
        ),
        sa.Column(
            "burned_in_annotation",
            TEXT,
            nullable=True,
            comment="BurnedInAnnotation (0028,0301) CS: YES if the pixels show who the patient is [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "lossy_image_compression",
            TEXT,
            nullable=True,
            comment="LossyImageCompression (0028,2110) CS: 01 if it ever was compressed with loss [PS3.3 C.7.6.1]",
        ),
        sa.Column(
            "specific_character_set",
            TEXT,
            nullable=True,
            comment="SpecificCharacterSet (0008,0005) CS: character set of its text, joined by \\ [PS3.3 C.12.1]",
        ),
        sa.Column(
            "raw",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="values that their column cannot hold, by keyword, as they stand in the file: invalid dates and numbers, and '' for a number that is present but empty",
        ),
        sa.Column(
            "provenance",
            TEXT,
            nullable=False,
            comment="header: read from a file; record: known from a DICOMDIR only",
        ),
        sa.Column(
            "is_disputed",
            sa.Boolean(),
            nullable=False,
            comment="true if a file states something else than this row; see discrepancy",
        ),
        sa.Column(
            "directory_record_type",
            TEXT,
            nullable=True,
            comment="type of the directory record that can hold it (PS3.3 F.5); NULL if the standard has none",
        ),
        sa.ForeignKeyConstraint(
            ["series_ref"], ["series.id"], name=op.f("fk_instance_series_ref_series")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sa.UniqueConstraint(
            "series_ref", "sop_instance_uid", name=op.f("uq_instance_series_ref_sop_instance_uid")
        ),
        comment="SOP Instances, one row for each series and SOP Instance UID",
    )
    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_instance_sop_class_uid"), ["sop_class_uid"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_instance_sop_instance_uid"), ["sop_instance_uid"], unique=False
        )

    op.create_table(
        "file",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "root_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the folder that path is relative to",
        ),
        sa.Column(
            "path",
            TEXT,
            nullable=False,
            comment="path below the root, / between folders; bytes that are not UTF-8 as \\xNN, backslash as \\\\",
        ),
        sa.Column(
            "size_bytes",
            sa.BigInteger(),
            nullable=True,
            comment="size when it was read; NULL if never seen",
        ),
        sa.Column(
            "mtime_ns",
            sa.BigInteger(),
            nullable=True,
            comment="modification time when it was read, nanoseconds since 1970 UTC; NULL if never seen",
        ),
        sa.Column(
            "status",
            TEXT,
            nullable=False,
            comment="ok, truncated, dicomdir, incomplete, unreadable, not-dicom, not-followed, referenced or missing",
        ),
        sa.Column("error", TEXT, nullable=True, comment="why the status is not ok"),
        sa.Column(
            "transfer_syntax_uid",
            TEXT,
            nullable=True,
            comment="TransferSyntaxUID (0002,0010) UI: how the file's data set is encoded [PS3.10 §7.1]",
        ),
        sa.Column(
            "implementation_class_uid",
            TEXT,
            nullable=True,
            comment="ImplementationClassUID (0002,0012) UI: which implementation wrote the file [PS3.10 §7.1]",
        ),
        sa.Column(
            "implementation_version_name",
            TEXT,
            nullable=True,
            comment="ImplementationVersionName (0002,0013) SH: version of the implementation that wrote the file [PS3.10 §7.1]",
        ),
        sa.Column(
            "digest",
            TEXT,
            nullable=True,
            comment="SHA-256 of the file, hexadecimal; NULL if never computed",
        ),
        sa.Column(
            "instance_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the instance that it holds; NULL if none",
        ),
        sa.Column(
            "first_run_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the run that saw it first",
        ),
        sa.Column(
            "last_run_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the run that last read it or changed this row",
        ),
        sa.Column(
            "missing_since",
            TEXT,
            nullable=True,
            comment="when it was first found missing, ISO 8601 with offset; NULL while it is there",
        ),
        sa.Column(
            "last_status",
            TEXT,
            nullable=True,
            comment="the status it had before it went missing; NULL while it is there",
        ),
        sa.ForeignKeyConstraint(
            ["first_run_ref"], ["run.id"], name=op.f("fk_file_first_run_ref_run")
        ),
        sa.ForeignKeyConstraint(
            ["instance_ref"], ["instance.id"], name=op.f("fk_file_instance_ref_instance")
        ),
        sa.ForeignKeyConstraint(
            ["last_run_ref"], ["run.id"], name=op.f("fk_file_last_run_ref_run")
        ),
        sa.ForeignKeyConstraint(["root_ref"], ["root.id"], name=op.f("fk_file_root_ref_root")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
        sa.UniqueConstraint("root_ref", "path", name=op.f("uq_file_root_ref_path")),
        comment="files on disk, every one that was seen, whatever it is",
    )
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_file_instance_ref"), ["instance_ref"], unique=False)
        batch_op.create_index(batch_op.f("ix_file_status"), ["status"], unique=False)

    op.create_table(
        "fileset_record",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "fileset_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the File-set",
        ),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=False,
            comment="0, 1, … depth first in the order of the directory",
        ),
        sa.Column(
            "depth",
            sa.Integer(),
            nullable=False,
            comment="0 for records of the root directory entity",
        ),
        sa.Column("record_type", TEXT, nullable=False, comment="Directory Record Type (0004,1430)"),
        sa.Column(
            "offset_bytes",
            sa.BigInteger(),
            nullable=True,
            comment="where the record stands in the DICOMDIR; NULL for File-sets that dcat wrote",
        ),
        sa.Column(
            "file_id",
            TEXT,
            nullable=True,
            comment="Referenced File ID, components joined by /; NULL if it references no file",
        ),
        sa.Column(
            "path",
            TEXT,
            nullable=True,
            comment="the file on the medium, relative to the folder; NULL if it is not there",
        ),
        sa.Column(
            "sop_class_uid",
            TEXT,
            nullable=True,
            comment="Referenced SOP Class UID in File (0004,1510)",
        ),
        sa.Column(
            "sop_instance_uid",
            TEXT,
            nullable=True,
            comment="Referenced SOP Instance UID in File (0004,1511)",
        ),
        sa.Column(
            "transfer_syntax_uid",
            TEXT,
            nullable=True,
            comment="Referenced Transfer Syntax UID in File (0004,1512)",
        ),
        sa.Column(
            "keys",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="the record's other keys as text, by keyword or tag",
        ),
        sa.Column(
            "instance_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the instance that it stands for; NULL if none",
        ),
        sa.ForeignKeyConstraint(
            ["fileset_ref"],
            ["fileset.id"],
            name=op.f("fk_fileset_record_fileset_ref_fileset"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["instance_ref"], ["instance.id"], name=op.f("fk_fileset_record_instance_ref_instance")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fileset_record")),
        sa.UniqueConstraint(
            "fileset_ref", "position", name=op.f("uq_fileset_record_fileset_ref_position")
        ),
        comment="directory records of File-sets",
    )
    with op.batch_alter_table("fileset_record", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fileset_record_instance_ref"), ["instance_ref"], unique=False
        )

    op.create_table(
        "discrepancy",
        sa.Column(
            "file_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the file that disagrees",
        ),
        sa.Column("keyword", TEXT, nullable=False, comment="the attribute"),
        sa.Column(
            "value",
            TEXT,
            nullable=True,
            comment="what the file states, in the form of the column; NULL if it lacks the attribute",
        ),
        sa.Column(
            "raw",
            TEXT,
            nullable=True,
            comment="what stands in the file where the column cannot hold it",
        ),
        sa.ForeignKeyConstraint(
            ["file_ref"], ["file.id"], name=op.f("fk_discrepancy_file_ref_file"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_ref", "keyword", name=op.f("pk_discrepancy")),
        comment="what a file states where it differs from the row of its patient, study, series or instance",
    )
    with op.batch_alter_table("discrepancy", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_discrepancy_keyword"), ["keyword"], unique=False)

    op.create_table(
        "finding",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="surrogate key",
        ),
        sa.Column(
            "run_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="the run that noticed it",
        ),
        sa.Column(
            "file_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the file it is about; NULL if none",
        ),
        sa.Column(
            "fileset_ref",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the File-set it is about; NULL if none",
        ),
        sa.Column("code", TEXT, nullable=False, comment="stable short name"),
        sa.Column("severity", TEXT, nullable=False, comment="error, warning or note"),
        sa.Column(
            "place",
            TEXT,
            nullable=False,
            comment="a path, File ID or record; '' if the message says it",
        ),
        sa.Column("message", TEXT, nullable=False, comment="one sentence"),
        sa.Column("clause", TEXT, nullable=True, comment="clause of the standard"),
        sa.Column("offset_bytes", sa.BigInteger(), nullable=True, comment="position in the file"),
        sa.ForeignKeyConstraint(
            ["file_ref"], ["file.id"], name=op.f("fk_finding_file_ref_file"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["fileset_ref"],
            ["fileset.id"],
            name=op.f("fk_finding_fileset_ref_fileset"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["run_ref"], ["run.id"], name=op.f("fk_finding_run_ref_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        comment="what was noticed; a file's findings are replaced when it is read again",
    )
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_finding_code"), ["code"], unique=False)
        batch_op.create_index(batch_op.f("ix_finding_file_ref"), ["file_ref"], unique=False)

    for statement in VIEWS.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(in_dialect(statement, op.get_bind().dialect.name))


def downgrade():
    for view in ("v_patient", "v_study", "v_series", "v_instance", "v_file"):
        op.execute(f"DROP VIEW {view}")
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_finding_file_ref"))
        batch_op.drop_index(batch_op.f("ix_finding_code"))

    op.drop_table("finding")
    with op.batch_alter_table("discrepancy", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_discrepancy_keyword"))

    op.drop_table("discrepancy")
    with op.batch_alter_table("fileset_record", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fileset_record_instance_ref"))

    op.drop_table("fileset_record")
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_file_status"))
        batch_op.drop_index(batch_op.f("ix_file_instance_ref"))

    op.drop_table("file")
    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_instance_sop_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_instance_sop_class_uid"))

    op.drop_table("instance")
    with op.batch_alter_table("export_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_export_item_patient_id"))
        batch_op.drop_index(batch_op.f("ix_export_item_export_ref"))

    op.drop_table("export_item")
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_series_series_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_series_modality"))

    op.drop_table("series")
    op.drop_table("export")
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_study_study_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_study_study_date"))
        batch_op.drop_index(batch_op.f("ix_study_accession_number"))

    op.drop_table("study")
    op.drop_table("fileset")
    op.drop_table("run")
    op.drop_table("root")
    with op.batch_alter_table("patient", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_patient_name_folded"))
        batch_op.drop_index(batch_op.f("ix_patient_patient_id"))

    op.drop_table("patient")
