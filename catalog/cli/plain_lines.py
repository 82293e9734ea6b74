"""Command lines that need no parser: flags, options with a text, path, number or choice, and plain arguments.

Typer takes longer to load what reads a command line than dcat does to write a small DICOMDIR. So
the declarations of a command, which are Typer's, are read here for the plainest lines. Whatever is
not plain, wrong or asks for help is left to Typer, and what is called is the same either way.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from catalog.cli.declared import Declared, hints

_PLAIN = ("metavar", "help", "rich_help_panel", "show_default", "hidden", "autocompletion")
"""What a declaration may say without having a part in how a value is understood."""

_BOUNDS = ("min", "max")

_MOST_DIGITS = 9
_MISSING: Any = object()


class _Parameter(NamedTuple):
    """A parameter that is understood here; `kind` is `bool`, `str`, `Path`, `int` or an enumeration of texts."""

    name: str
    kind: type[Any]
    is_argument: bool
    is_list: bool = False
    """Whether it is a list: of an option that may be repeated, or of all arguments that are left."""
    least: float = -math.inf
    most: float = math.inf
    may_be_empty: bool = False
    """Whether it is a list of arguments that is empty where none is given."""

    def value(self, word: str) -> Any:
        """Return what `word` means, `None` if it has no meaning here."""
        if issubclass(self.kind, Enum):
            return next((each for each in self.kind if each.value == word), None)
        if self.kind is not int:
            return self.kind(word)
        if not (word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS):
            return None
        number = int(word)
        return number if self.least <= number <= self.most else None


def values(command: Callable[..., Any], arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return what Typer would call `command` with, or `None` if that is for Typer to say.

    Parameters
    ----------
    arguments:
        What follows the command's name.
    """
    if any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ):
        return None
    given = _defaults(command)
    known = _parameters(command)
    words: list[str] = []
    seen: set[str] = set()
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("-"):
            words.append(word)
            continue
        parameter = known.get(word)
        if parameter is None or (parameter.name in seen and not parameter.is_list):
            return None
        seen.add(parameter.name)
        if parameter.kind is bool:
            given[parameter.name] = True
            continue
        text = next(rest, None)
        if not text or text.startswith("--") or not _give(given, parameter, text):
            return None
    waiting = [each for each in known.values() if each.is_argument]
    for parameter, own in _shared_out(words, waiting):
        if not all(_give(given, parameter, word) for word in own):
            return None
        if not own and given[parameter.name] is _MISSING and parameter.may_be_empty:
            given[parameter.name] = []
        words = words[len(own) :]
    return None if words or _MISSING in given.values() else given


def _give(given: dict[str, Any], parameter: _Parameter, word: str) -> bool:
    """Put what `word` means for `parameter` into `given`; return whether it means anything."""
    value = parameter.value(word)
    if value is not None and parameter.is_list:
        before = given[parameter.name]
        value = [value] if before is _MISSING or before is None else [*before, value]
    given[parameter.name] = value
    return value is not None


def _shared_out(
    words: Sequence[str], arguments: Sequence[_Parameter]
) -> Iterator[tuple[_Parameter, Sequence[str]]]:
    """Yield the words of each argument; a list has those that are left, wherever it stands."""
    for at, parameter in enumerate(arguments):
        count = max(0, len(words) - len(arguments[at + 1 :])) if parameter.is_list else 1
        yield parameter, words[:count]
        words = words[count:]


def _defaults(command: Callable[..., Any]) -> dict[str, Any]:
    """Return what the parameters of `command` are when they are not given, in their order."""
    code = command.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults: tuple[object, ...] = command.__defaults__ or ()
    missing = [_MISSING] * (len(names) - len(defaults))
    return dict(zip(names, (*missing, *defaults), strict=True))


def _parameters(command: Callable[..., Any]) -> dict[str, _Parameter]:
    """Return the parameters of `command`, by option name, or by their own name if arguments.

    A parameter that is not plain may stay at its default if that says all; a line that names it is
    for Typer. None at all if what Typer makes of a default is for Typer to say.
    """
    types = hints(command)
    found: dict[str, _Parameter] = {}
    for name, default in _defaults(command).items():
        hint = types[name]
        if get_origin(hint) is not Annotated:
            return {}
        type_, info = get_args(hint)[:2]
        if not isinstance(info, Declared):
            return {}
        kind, is_list = _kind(type_)
        if info.kind == "Argument":
            may_be_empty = info.said.get("default_factory") is list
            factory = ("default_factory",) if may_be_empty else ()
            if kind not in (str, Path) or not _says_no_more(info.said, factory):
                return {}
            found[name] = _Parameter(name, kind, True, is_list, may_be_empty=may_be_empty)
        elif (
            kind
            and info.names
            and all(map(_is_option, info.names))
            and _says_no_more(info.said, (*_BOUNDS, "case_sensitive"))
        ):
            least, most = info.said.get("min", -math.inf), info.said.get("max", math.inf)
            if kind is not int and (least, most) != (-math.inf, math.inf):
                return {}
            parameter = _Parameter(name, kind, False, is_list, least, most)
            found.update(dict.fromkeys(info.names, parameter))
        elif not _may_rest(default, info):
            return {}
    return found


def _may_rest(default: object, info: Declared) -> bool:
    """Return whether a parameter that no line here can name has its default's value, whatever it takes."""
    plain = default is None or isinstance(default, bool | Enum | float)
    return (
        plain and info.kind == "Option" and _says_no_more(info.said, (*_BOUNDS, "case_sensitive"))
    )


def _kind(type_: Any) -> tuple[type | None, bool]:
    """Return the type of one value, `None` if it is none that is understood here; and whether there is a list of them."""
    members: Iterator[Any] = iter((type_,))
    if isinstance(type_, UnionType):
        members = (each for each in get_args(type_) if each is not NoneType)
    only, *others = members
    is_list = get_origin(only) is list
    if is_list:
        (only,) = get_args(only)
    kinds = (str, Path) if is_list else (bool, str, Path, int)
    is_choice = isinstance(only, type) and issubclass(only, Enum) and not is_list
    return (only if not others and (only in kinds or is_choice) else None), is_list


def _is_option(name: str) -> bool:
    return name.startswith("-") and "/" not in name and " " not in name


def _says_no_more(said: Mapping[str, Any], beside: Sequence[str] = ()) -> bool:
    """Return whether nothing, `beside` aside, is said that bears on what a value means."""
    return all(name in _PLAIN or name in beside for name in said)
