"""The catalogue as a database: the only room that speaks SQL.

It touches no archive file and knows no DICOM encoding; entities come in and go out.
"""
