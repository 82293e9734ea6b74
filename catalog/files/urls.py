"""URLs of storage that is no file system of this machine: what a root may be besides a folder.

A root at a URL is `SCHEME://PLACE/PREFIX`, such as `s3://bucket/archive`, in the text form of
`catalog.files.paths`. The paths of its objects are what follows the prefix and one slash in their
keys, to the byte: nothing is decoded, no `..` and no `//` is resolved, so that two keys never have
one path, and a path is never that of a file on disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from catalog.errors import PathError
from catalog.files.paths import absolute_text, from_text, to_text
from catalog.shapes import frozen

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PORT = r"[^:]*(?::[0-9]+)?|\[[0-9A-Fa-f:.]*\](?::[0-9]+)?"
_SAME = {"s3a": "s3"}
"""Schemes that are another word for one, so that an object has one path."""

_KEYS_OF_ANY_LETTERS = frozenset(["s3", "memory", "gs", "gcs"])
"""Schemes in which `?` is a letter of a key and begins no query."""


@frozen
class Url:
    """A place behind a URL: all objects whose keys begin with it and a slash, or the one object.

    Attributes
    ----------
    text:
        The URL in text form, without a slash at its end; it holds no credentials.
    """

    text: str

    @property
    def scheme(self) -> str:
        """The scheme, in lower case."""
        return self.text.partition("://")[0]

    def __str__(self) -> str:
        """Return the URL as a person writes it."""
        return from_text(self.text)


Where = Path | Url
"""Where files lie: in a folder of this machine, or behind a URL."""


def is_url(root: str) -> bool:
    """Return whether `root`, in text form, is a URL; a folder's path never is."""
    return "://" in root and _SCHEME.match(root) is not None


def where(text: str) -> Where:
    """Return the place that a user names: a URL, or a path; `file://` URLs are paths.

    A folder that is called as a URL is named by `./s3:/…`.

    Raises
    ------
    PathError
        If it is a URL that names nothing, holds credentials, or ends in two slashes.
    """
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    scheme = match[1].lower()
    scheme = _SAME.get(scheme, scheme)
    rest = text[match.end() :]
    if scheme == "file":
        return _local(rest)
    place, _, prefix = rest.partition("/")
    _check(scheme, place, rest)
    if any("\ud800" <= letter <= "\udfff" for letter in rest):
        raise PathError("The URL is not UTF-8; keys of objects always are.")
    if prefix.endswith("//") or prefix == "/":
        raise PathError(
            f"{scheme}://{rest} ends in two slashes. Name what stands before them; objects whose keys go on with two slashes are among it."
        )
    return Url(to_text(f"{scheme}://{rest.removesuffix('/')}"))


def _local(rest: str) -> Path:
    """Return the path of a `file://` URL (RFC 8089)."""
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        raise PathError(
            f"file://{rest} names no file of this machine; write file:/// and an absolute path, or the path alone."
        )
    from urllib.parse import unquote

    decoded = unquote(path, errors="surrogateescape")
    return Path(decoded if os.name == "nt" else f"/{decoded}")


def _check(scheme: str, place: str, rest: str) -> None:
    """Refuse a URL that names no place, or may hold a secret: that is not repeated."""
    if not place:
        raise PathError(
            f"{scheme}:// names no {'bucket' if scheme == 's3' else 'place'}; write {scheme}://NAME/PREFIX."
        )
    if scheme == "s3":
        if not re.fullmatch(_BUCKET, place):
            raise PathError(
                "What follows s3:// is no name of a bucket: letters, digits, hyphens, dots and underscores. "
                "Credentials do not belong into a URL; set them in the environment or in a profile (AWS_PROFILE). An access point is named by its alias."
            )
        return
    user, at, host = place.rpartition("@")
    if (at and ":" in user) or not re.fullmatch(_PORT, host):
        raise PathError(
            f"The {scheme}:// URL holds a password, or something like it. Credentials do not belong into a URL, which is stored and shown; set them as fsspec's configuration says."
        )
    if "?" in rest and scheme not in _KEYS_OF_ANY_LETTERS:
        raise PathError(
            f"The {scheme}:// URL has a query (what follows '?'), which may hold credentials and would be stored and shown. Name it without."
        )


def is_url_by_path(path: Path) -> bool:
    """Return whether a path that nobody may have made is a URL that was taken for one, its slashes merged."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) is not None


def text_of(named: Where) -> str:
    """Return the text form of a place: an absolute path with links resolved, or a URL."""
    return named.text if isinstance(named, Url) else absolute_text(named)
