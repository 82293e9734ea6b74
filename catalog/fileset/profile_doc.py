"""The page `docs/profiles.md`, made from the table: `python -m catalog.fileset.profile_doc`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from catalog.dicom import sop_classes
from catalog.fileset.profile import Keys, Profile
from catalog.fileset.profile_table import PROFILES

_HEAD = """# Application Profiles

`dcat export --profile NAME` follows one of these profiles of PS3.11: it leaves out what does not fit (code `profile`), writes the keys that the profile adds, makes icons where it demands them, and checks the result. This page is made from the table that does it: `python -m catalog.fileset.profile_doc > docs/profiles.md`.

The facts were read in the 2020c edition of PS3.11, except those named under "Not verified". Profiles with `-SEC-` in their names need Secure DICOM Files, which dcat does not write. SOP Classes that are private or unknown fit no profile. "Storage" means every Storage SOP Class that has a directory record type, retired ones included.

"Demands" are values that the profile asks of the files themselves; they are known only when a file is copied, so an instance that breaks them fails then, with the reason.
"""

_SAID = {True: "yes", False: "no", None: "not known"}


def profiles_doc() -> str:
    """Return the page: one section for each set of rules, with the profiles that share it."""
    groups: dict[str, list[Profile]] = {}
    for profile in PROFILES.values():
        groups.setdefault(_rules(profile), []).append(profile)
    parts = [_HEAD]
    for rules, profiles in groups.items():
        names = ", ".join(f"`{profile.name}`" for profile in profiles)
        media = "; ".join(dict.fromkeys(profile.media for profile in profiles))
        parts.append(f"## {profiles[0].clause}\n\n{names}\n\n* Media: {media}\n{rules}")
    return "\n".join(parts)


def _rules(profile: Profile) -> str:
    lines: list[str] = []
    if profile.classes is None:
        lines.append(f"Storage, in {_names(profile.syntaxes)}")
    else:
        lines += [
            f"{sop_classes.name(uid)}, in {_names(syntaxes)}"
            for uid, syntaxes in profile.classes.items()
        ]
    lines += _keys(profile.keys)
    if profile.icons is not None:
        rule = profile.icons
        kinds = " or ".join(sorted(rule.photometric))
        lines.append(f"Icons: Type {rule.type}, {rule.size} by {rule.size}, 8 bits, {kinds}")
    if profile.demands:
        lines.append(f"Demands: {_demands(profile)}")
    for syntax, allowed in _photometric(profile.photometric):
        lines.append(f"Photometric Interpretation in {syntax}: {allowed}")
    lines.append(f"DICOMDIR: {'mandatory' if profile.needs_dicomdir else 'optional'}")
    lines.append(f"File-set Updater: {_SAID[profile.updater]}")
    if profile.unverified:
        lines.append(f"**Not verified**: {', '.join(profile.unverified)}")
    if profile.remarks:
        lines.append(profile.remarks)
    return "".join(f"* {line}\n" for line in lines)


def _names(syntaxes: Iterable[str] | None) -> str:
    if syntaxes is None:
        return "any Transfer Syntax"
    return ", ".join(sop_classes.name(uid) for uid in sorted(syntaxes))


def _keys(keys: Keys) -> list[str]:
    return [
        f"Keys of {kind}: {', '.join(f'{key.keyword} ({key.type})' for key in added)}"
        for kind, added in keys.items()
    ]


def _demands(profile: Profile) -> str:
    words = []
    for uid, alternatives in profile.demands.items():
        named = {demand.keyword for demands in alternatives for demand in demands}
        words.append(f"{sop_classes.name(uid)}: {', '.join(sorted(named))}")
    return "; ".join(words)


def _photometric(table: Mapping[str, frozenset[str]]) -> list[tuple[str, str]]:
    return [(sop_classes.name(uid), ", ".join(sorted(allowed))) for uid, allowed in table.items()]


if __name__ == "__main__":
    print(profiles_doc(), end="")  # noqa: T201
