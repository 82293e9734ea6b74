"""The level that an attribute describes, by the modules of PS3.3 that define it.

A module of the patient, study or series says the same in every instance of one, so its attributes
belong to that level; all others are the instance's. An attribute that two modules have stands
with the outer one. The attributes of `catalog.attributes` have their level there.
"""

from __future__ import annotations

from catalog.entities import Level

MODULES: tuple[tuple[str, Level, str], ...] = (
    (
        "Patient C.7.1.1",
        Level.PATIENT,
        "PatientName PatientID IssuerOfPatientID TypeOfPatientID "
        "IssuerOfPatientIDQualifiersSequence SourcePatientGroupIdentificationSequence "
        "GroupOfPatientsIdentificationSequence PatientBirthDate "
        "PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar "
        "PatientAlternativeCalendar PatientSex QualityControlSubject StrainDescription "
        "StrainNomenclature StrainStockSequence StrainAdditionalInformation StrainCodeSequence "
        "GeneticModificationsSequence OtherPatientIDs OtherPatientNames OtherPatientIDsSequence "
        "PatientBirthTime EthnicGroup EthnicGroupCodeSequence PatientComments "
        "PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription "
        "PatientBreedCodeSequence BreedRegistrationSequence ResponsiblePerson "
        "ResponsiblePersonRole ResponsibleOrganization PatientIdentityRemoved "
        "DeidentificationMethod DeidentificationMethodCodeSequence "
        "ReferencedPatientPhotoSequence ReferencedPatientSequence",
    ),
    (
        "Clinical Trial Subject C.7.1.3",
        Level.PATIENT,
        "ClinicalTrialSponsorName ClinicalTrialProtocolID IssuerOfClinicalTrialProtocolID "
        "OtherClinicalTrialProtocolIDsSequence ClinicalTrialProtocolName ClinicalTrialSiteID "
        "IssuerOfClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSubjectID "
        "IssuerOfClinicalTrialSubjectID ClinicalTrialSubjectReadingID "
        "IssuerOfClinicalTrialSubjectReadingID ClinicalTrialProtocolEthicsCommitteeName "
        "ClinicalTrialProtocolEthicsCommitteeApprovalNumber",
    ),
    (
        "General Study C.7.2.1",
        Level.STUDY,
        "StudyInstanceUID StudyDate StudyTime ReferringPhysicianName "
        "ReferringPhysicianIdentificationSequence ConsultingPhysicianName "
        "ConsultingPhysicianIdentificationSequence StudyID AccessionNumber "
        "IssuerOfAccessionNumberSequence StudyDescription PhysiciansOfRecord "
        "PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy "
        "PhysiciansReadingStudyIdentificationSequence RequestingService "
        "RequestingServiceCodeSequence ReferencedStudySequence ProcedureCodeSequence "
        "ReasonForPerformedProcedureCodeSequence",
    ),
    (
        "Patient Study C.7.2.2",
        Level.STUDY,
        "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize "
        "PatientWeight PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension "
        "PatientSizeCodeSequence MedicalAlerts Allergies SmokingStatus PregnancyStatus "
        "LastMenstrualDate PatientState Occupation AdditionalPatientHistory AdmissionID "
        "IssuerOfAdmissionIDSequence ServiceEpisodeID IssuerOfServiceEpisodeIDSequence "
        "ServiceEpisodeDescription PatientSexNeutered ReasonForVisit ReasonForVisitCodeSequence",
    ),
    (
        "Clinical Trial Study C.7.2.3",
        Level.STUDY,
        "ClinicalTrialTimePointID IssuerOfClinicalTrialTimePointID "
        "ClinicalTrialTimePointDescription ClinicalTrialTimePointTypeCodeSequence "
        "LongitudinalTemporalOffsetFromEvent LongitudinalTemporalEventType "
        "ConsentForClinicalTrialUseSequence",
    ),
    (
        "General Series C.7.3.1",
        Level.SERIES,
        "Modality SeriesInstanceUID SeriesNumber Laterality SeriesDate SeriesTime "
        "PerformingPhysicianName PerformingPhysicianIdentificationSequence ProtocolName "
        "SeriesDescription SeriesDescriptionCodeSequence OperatorsName "
        "OperatorIdentificationSequence ReferencedPerformedProcedureStepSequence "
        "RelatedSeriesSequence BodyPartExamined PatientPosition SmallestPixelValueInSeries "
        "LargestPixelValueInSeries RequestAttributesSequence PerformedProcedureStepID "
        "PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
        "PerformedProcedureStepEndDate PerformedProcedureStepEndTime "
        "PerformedProcedureStepDescription PerformedProtocolCodeSequence "
        "CommentsOnThePerformedProcedureStep AnatomicalOrientationType TreatmentSessionUID",
    ),
    (
        "Clinical Trial Series C.7.3.2",
        Level.SERIES,
        "ClinicalTrialCoordinatingCenterName ClinicalTrialSeriesID "
        "IssuerOfClinicalTrialSeriesID ClinicalTrialSeriesDescription",
    ),
    (
        "Frame of Reference C.7.4.1",
        Level.SERIES,
        "FrameOfReferenceUID PositionReferenceIndicator",
    ),
    (
        "General Equipment C.7.5.1",
        Level.SERIES,
        "Manufacturer InstitutionName InstitutionAddress StationName "
        "InstitutionalDepartmentName InstitutionalDepartmentTypeCodeSequence "
        "ManufacturerModelName ManufacturerDeviceClassUID DeviceSerialNumber SoftwareVersions "
        "GantryID UDISequence DeviceUID SpatialResolution DateOfManufacture DateOfInstallation "
        "DateOfLastCalibration TimeOfLastCalibration PixelPaddingValue",
    ),
)
"""Module and clause of PS3.3, its level, and the keywords of its attributes."""

_LEVELS: dict[str, Level] = {}
for _, _level, _keywords in MODULES:
    for _keyword in _keywords.split():
        _LEVELS.setdefault(_keyword, _level)


def level_of(keyword: str) -> Level:
    """Return the level that the top-level attribute `keyword` describes; the instance's if no module above has it."""
    return _LEVELS.get(keyword, Level.INSTANCE)
