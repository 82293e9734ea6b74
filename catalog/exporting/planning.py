"""What an export would do: pure, from values to values.

Candidates come series by series and are packed as they come, so that a plan for a million
instances takes little more memory than one for a thousand.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import is_
from typing import NamedTuple

from catalog.database.fetch import Candidate, SourceFile
from catalog.exporting.item import LeftOut
from catalog.exporting.kept_items import Block, Chosen, KeptItems, blocks
from catalog.exporting.plan import Plan
from catalog.exporting.refusing import Rules, Why
from catalog.fileset.naming import Identity, files, folders
from catalog.fileset.profiles import Profile
from catalog.shapes import field, mutable


def make_plan(
    candidates: Iterable[Candidate],
    digests: Mapping[int, str],
    *,
    take_first: bool = False,
    profile: Profile | None = None,
    private: bool = False,
    transfer_syntax: str | None = None,
    longest_bytes: int | None = None,
) -> Plan:
    """Return the plan for `candidates`, the same in whatever order they come.

    It takes least memory if those of a series come one after the other.

    Parameters
    ----------
    digests:
        The digest of each file, by `file_ref`, of instances that have several (`ambiguous`); those
        of a candidate must be there when it comes.
    take_first:
        Of files with one SOP Instance UID and different bytes, take the first by path; otherwise
        the instance is left out, because nobody can know which one is meant.
    profile:
        Leave out whatever does not fit this Application Profile, with the code `profile`.
    private:
        Take instances of private SOP Classes too (for PRIVATE records).
    transfer_syntax:
        UID of the Transfer Syntax into which all files are brought, or `None`: each stays in its
        own. A file for which that is not possible is left out, with the code `not-transcodable`.
    longest_bytes:
        What is longer is left out, with the code `too-large`: an ISO image cannot hold it.
    """
    rules = Rules(digests, take_first, profile, private, transfer_syntax, longest_bytes)
    left_out: list[LeftOut] = []
    seen = _Seen()
    groups: dict[_Key, _Group] = {}
    for key, run in groupby(candidates, _Keys()):
        chosen = []
        for candidate in run:
            source = rules.source(candidate)
            if not isinstance(source, SourceFile):
                left_out.append(LeftOut(candidate, *source))
                continue
            seen.add(candidate.claims.instance.sop_instance_uid or "")
            chosen.append(Chosen(candidate, source, ""))
        if chosen:
            groups.setdefault(key, _Group(key)).add(chosen)
    for group in groups.values():
        group.settle()
    _settle_conflicts(groups, seen.perhaps_twice(), left_out)
    _name(groups.values())
    ordered = [groups[key] for key in sorted(groups)]
    items = KeptItems((block, 0, len(block)) for group in ordered for block in group.blocks)
    return Plan(items, tuple(sorted(left_out, key=_order(_Keys()))))


class _Key(NamedTuple):
    """Where instances stand in the order of the directory: one for a series, `prefix` of their identities.

    `prefix` is empty for what belongs to no patient, which follows its patients.
    """

    no_patient: bool
    patient_id: str
    patient_identity: str
    study_date: str
    study_instance_uid: str
    no_number: bool
    series_number: int
    series_instance_uid: str
    prefix: Identity

    @property
    def study(self) -> Hashable:
        """What names the study of all that have this key."""
        return self.patient_identity, self.study_instance_uid


class _Keys:
    """Returns the key of each candidate; those of a series share it."""

    def __init__(self) -> None:
        self._last: tuple[object, ...] = ()
        self._key: _Key | None = None

    def __call__(self, candidate: Candidate) -> _Key:
        patient, study, series, _, _ = candidate.claims
        last = (candidate.patient_identity, patient, study, series)
        if self._key is None or not all(map(is_, last, self._last)):
            number = series and series.series_number
            identity = candidate.patient_identity or ""
            study_uid = (study and study.study_instance_uid) or ""
            series_uid = (series and series.series_instance_uid) or ""
            self._last = last
            self._key = _Key(
                patient is None,
                (patient and patient.patient_id) or "",
                identity,
                (study and study.study_date) or "",
                study_uid,
                number is None,
                number or 0,
                series_uid,
                () if study is None or series is None else (identity, study_uid, series_uid),
            )
        return self._key


def _within(candidate: Candidate) -> tuple[bool, int, str]:
    """Return where an instance stands in its series."""
    instance = candidate.claims.instance
    number = instance.instance_number
    return number is None, number or 0, instance.sop_instance_uid or ""


def _order(keys: _Keys) -> Callable[[LeftOut], tuple[object, ...]]:
    return lambda out: (keys(out.candidate), _within(out.candidate))


@mutable
class _Group:
    """What is chosen of a series, in order and named within its folder, which is named at the end."""

    key: _Key
    blocks: list[Block] = field(default_factory=list)
    is_settled: bool = True

    def __iter__(self) -> Iterator[Chosen]:
        for block in self.blocks:
            yield from block.chosen()

    def add(self, chosen: list[Chosen]) -> None:
        """Take in what came together."""
        if self.blocks:  # what came between belongs elsewhere
            self.blocks += blocks((), chosen)
            self.is_settled = False
        else:
            self.keep(chosen)

    def settle(self) -> None:
        """Bring all in order, when no more comes."""
        if not self.is_settled:
            self.keep(list(self))
            self.is_settled = True

    def keep(self, chosen: list[Chosen], names: Mapping[Identity, str] | None = None) -> None:
        """Hold these alone, under `names` or such as they get without neighbours from elsewhere."""
        chosen.sort(key=lambda each: _within(each.candidate))
        uids = [each.candidate.claims.instance.sop_instance_uid or "" for each in chosen]
        identities = [(*self.key.prefix, uid) for uid in uids]
        found = names if names is not None else files(identities)
        named = [each._replace(name=found[i]) for each, i in zip(chosen, identities, strict=True)]
        self.blocks = blocks((), named)


class _Seen:
    """Tells which texts of many may have come twice, in eight bytes for each."""

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(64)]

    def add(self, text: str) -> None:
        if text:
            value = hash(text)
            self._hashes[value & 63].append(value)

    def perhaps_twice(self) -> frozenset[int]:
        """Return the hashes that came more than once."""
        found: set[int] = set()
        for values in self._hashes:
            if len(set(values)) < len(values):
                found.update(value for value, count in Counter(values).items() if count > 1)
        return frozenset(found)


_TWICE: tuple[tuple[str, str, Callable[[_Key], str], Callable[[_Key], Hashable]], ...] = (
    ("patient-id-twice", "its Patient ID is used by several patients, with different issuers; select one with -k IssuerOfPatientID=…", lambda key: key.patient_id, lambda key: key.patient_identity),
    ("study-twice", "its Study Instance UID is used under several patients; select one with --patient", lambda key: key.study_instance_uid, lambda key: key.patient_identity),
    ("series-twice", "its Series Instance UID is used in several studies; select one with --study", lambda key: key.series_instance_uid, lambda key: key.study),
)  # fmt: skip
_INSTANCE_TWICE = "sop-instance-twice", "its SOP Instance UID is used in several series; select one with --series"  # fmt: skip


def _settle_conflicts(
    groups: dict[_Key, _Group], perhaps_twice: frozenset[int], left_out: list[LeftOut]
) -> None:
    """Leave out what one File-set cannot hold together.

    A directory has one PATIENT record for a Patient ID, one STUDY for a Study and one SERIES for a
    Series Instance UID (PS3.3 F.5.1-F.5.3), and a SOP Instance UID names one file (F.2.1). Which
    of two is right is not for this program to say, so both are left out.
    """
    found: dict[_Key, Why] = {}
    for code, reason, name, owner in _TWICE:
        several = _several((name(key), owner(key)) for key in groups)
        for key in groups:
            if name(key) in several:
                found.setdefault(key, (code, reason, name(key)))
    twice = _several(
        (uid, (key.study, key.series_instance_uid))
        for key, group in (groups.items() if perhaps_twice else ())
        for each in group
        if hash(uid := each.candidate.claims.instance.sop_instance_uid or "") in perhaps_twice
    )
    for key in list(groups):
        group, why = groups[key], found.get(key)
        if why is None and not twice:
            continue
        staying = []
        for each in group:
            uid = each.candidate.claims.instance.sop_instance_uid or ""
            if why is not None:
                left_out.append(LeftOut(each.candidate, *why))
            elif uid in twice:
                left_out.append(LeftOut(each.candidate, *_INSTANCE_TWICE, uid))
            else:
                staying.append(each)
        if not staying:
            del groups[key]
        elif sum(map(len, group.blocks)) > len(staying):
            group.keep(staying)


def _several(owned: Iterable[tuple[str, Hashable]]) -> set[str]:
    """Return the names that have several owners; an empty name has none."""
    owners: dict[str, Hashable] = {}
    return {name for name, owner in owned if name and owners.setdefault(name, owner) != owner}


def _name(groups: Iterable[_Group]) -> None:
    """Say in which folder the files of each group lie."""
    sharing: dict[Identity, list[_Group]] = defaultdict(list)
    for group in groups:
        sharing[group.key.prefix].append(group)
    for prefix, components in folders(sharing).items():
        together = sharing[prefix]
        if len(together) > 1:  # they name their files beside each other
            names = files(
                (*prefix, each.candidate.claims.instance.sop_instance_uid or "")
                for group in together
                for each in group
            )
            for group in together:
                group.keep(list(group), names)
        for group in together:
            for block in group.blocks:
                block.folder = components
