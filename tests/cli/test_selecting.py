"""Selections at the command line: each option, the same with every command, and what is said of slips."""

from __future__ import annotations

import pytest

from catalog.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-k", "Patient Name=x"], "'Patient Name' is not a keyword that the catalogue keeps. Did you mean PatientName?"),
        (["-k", "MRN=x"], "Did you mean PatientID?"),
        (["-k", "Modalty=x"], "Did you mean Modality?"),
        (["-k", "PatientAge=x"], "PatientAge is an attribute of DICOM, but this catalogue does not keep it. To have it kept, add it to `attributes` under [index]"),
        (["-k", "00101010=x"], "PatientAge is an attribute of DICOM, but"),
        (["-k", "RequestAttributesSequence.RequestedProcedureID=x"], "RequestAttributesSequence.RequestedProcedureID is an attribute of DICOM, but"),
        (["-k", "PatientAges=x"], "Did you mean PatientAge? The catalogue does not keep that either"),
        (["-k", "PixelData=x"], "'PixelData' is not a keyword that the catalogue keeps."),
        (["-k", "Modality"], "'Modality' is not of the form KEYWORD=VALUE"),
        (["-k", "Modality>CT"], "Modality cannot be compared by >"),
        (["--date", "last-5"], "'last-5' is not a date or range for StudyDate. Write 20240131, 2024-01-31"),
        (["--text", "*"], "'*' holds no word to look for"),
        (["--text", " "], "A selection option has a blank value"),
        (["--patient", " "], "A selection option has a blank value"),
        (["--patient", ""], "One of the arguments is empty"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["find"], ["export", "never"], ["verify"]], ids=lambda c: c[0])
def test_a_slip_is_one_sentence(
    command: list[str],
    arguments: list[str],
    said: str,
    tmp_path: object,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert main([*command, *arguments, "--db", "none.db"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("command", ["find", "export", "verify"])
def test_every_command_has_every_option(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    main([command, "--help"])
    shown = capsys.readouterr().out
    for option in ("--patient", "--study", "--series", "--instance", "--modality", "--date", "--accession", "--key", "--text", "--exact", "--where", "--sql", "--from"):  # fmt: skip
        assert option in shown, option
    assert "last-30d" in shown
