"""How the records of a directory are made: profile, character set, icons, private SOP Classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from catalog.dicom import claims, icons
from catalog.errors import ExportError
from catalog.fileset import build
from catalog.fileset.build import ExtraKeys
from catalog.fileset.profiles import Profile, looks_at
from catalog.fileset.records import GENERAL_PURPOSE_KEYS

ICON_SIZES = (64, 128)


@dataclass(frozen=True)
class Making:
    """How records are made of instances.

    Attributes
    ----------
    profile:
        The Application Profile, or `None`: the keys of the general purpose profiles, and no
        instance is refused for its SOP Class or Transfer Syntax.
    utf8:
        Text in UTF-8; otherwise in each source's own character sets.
    icon_size:
        Rows and Columns of the icons in IMAGE records, `None` for no icons.
    private:
        Instances of private SOP Classes get PRIVATE records; otherwise they are refused.
    """

    profile: Profile | None = None
    utf8: bool = False
    icon_size: int | None = None
    private: bool = False

    @property
    def keys(self) -> ExtraKeys:
        """The keys that are added to record types."""
        return GENERAL_PURPOSE_KEYS if self.profile is None else self.profile.keys

    @property
    def needs_icons(self) -> bool:
        """Whether the profile has no IMAGE record without an icon."""
        rule = self.profile.icons if self.profile else None
        return rule is not None and rule.type == "1"

    @property
    def frame_position(self) -> float:
        """Which frame of several the icon shows; see `IconRule`."""
        rule = self.profile.icons if self.profile else None
        return rule.frame_position if rule else 0.5

    @cached_property
    def wanted(self) -> frozenset[int]:
        """The tags that headers are read for."""
        tags = build.wanted(self.keys) | claims.WANTED
        return tags | looks_at(self.profile) if self.profile else tags


PLAIN = Making()


def making(
    profile: Profile | None, charset: str | None, icon_size: int | None, private: bool
) -> Making:
    """Return how to make the directory that was ordered; a profile with Type 1 icons brings them.

    Raises
    ------
    ExportError
        If `charset` is neither `None` nor `utf-8`, icons have a size that the profile does not
        allow, or nothing is installed that could make them.
    """
    if charset not in (None, "utf-8"):
        raise ExportError(f"{charset!r} is no character set for a directory; utf-8 is the one.")
    rule = profile.icons if profile else None
    if icon_size is None and rule is not None and rule.type == "1":
        icon_size = rule.size
    if icon_size is not None:
        allowed = ICON_SIZES if rule is None else (rule.size,)
        if icon_size not in allowed:
            sizes = " or ".join(map(str, allowed))
            whose = f"of {profile.name} have" if profile and rule else "have"
            raise ExportError(f"Icons {whose} {sizes} rows and columns, not {icon_size}.")
        if not icons.are_possible():
            raise ExportError(
                "Icons need numpy and decoders: pip install 'dicom-dcat[pixels]'. Nothing was written."
            )
    return Making(profile, charset is not None, icon_size, private)
