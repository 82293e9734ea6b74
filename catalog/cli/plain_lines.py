"""Command lines that need no parser: flags, options with a text, path or number, and plain arguments.

Typer takes longer to load what reads a command line than dcat does to write a small DICOMDIR. So
the declarations of a command, which are Typer's, are read here for the plainest lines. Whatever is
not plain, wrong or asks for help is left to Typer, and what is called is the same either way.
"""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

_PLAIN = ("metavar", "help", "rich_help_panel", "show_default", "hidden", "default", "param_decls")
"""What a declaration may say without having a part in how a value is understood."""


_BOUNDS = ("min", "max")

_MOST_DIGITS = 9


class _Parameter(NamedTuple):
    """A parameter that is understood here; `kind` is `bool`, `str`, `Path` or `int`."""

    name: str
    kind: type
    is_argument: bool
    takes_rest: bool = False
    """Whether it is a list of all arguments."""
    least: float = -math.inf
    most: float = math.inf

    def value(self, word: str) -> Any:
        """Return what `word` means, `None` if it has no meaning here."""
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
    waiting = [each for each in known.values() if each.is_argument]
    seen: set[str] = set()
    rest = iter(arguments)
    for word in rest:
        if word.startswith("-"):
            parameter = known.get(word)
        else:
            parameter = waiting[0] if waiting else None
            if parameter is not None and not parameter.takes_rest:
                del waiting[0]
        if parameter is None or (parameter.name in seen and not parameter.takes_rest):
            return None
        seen.add(parameter.name)
        if parameter.kind is bool:
            given[parameter.name] = True
            continue
        text: str | None = word if parameter.is_argument else next(rest, None)
        if not text or text.startswith("-"):
            return None
        value = parameter.value(text)
        if value is None:
            return None
        if parameter.takes_rest:
            before = given[parameter.name]
            value = [value] if before is inspect.Parameter.empty else [*before, value]
        given[parameter.name] = value
    return None if inspect.Parameter.empty in given.values() else given


def _defaults(command: Callable[..., Any]) -> dict[str, Any]:
    return {name: each.default for name, each in inspect.signature(command).parameters.items()}


def _parameters(command: Callable[..., Any]) -> dict[str, _Parameter]:
    """Return the parameters of `command`, by option name, or by their own name if arguments.

    A parameter that is not plain may stay at its default if that says all; a line that names it is
    for Typer. None at all if what Typer makes of a default is for Typer to say.
    """
    hints = get_type_hints(command, vars(sys.modules[command.__module__]), include_extras=True)
    found: dict[str, _Parameter] = {}
    parameters = inspect.signature(command).parameters
    for name in parameters:
        hint = hints[name]
        if get_origin(hint) is not Annotated:
            return {}
        type_, info = get_args(hint)[:2]
        if not isinstance(info, ParameterInfo):
            return {}
        kind = _kind(type_)
        # In `Annotated` an option's first name stands where its default used to be.
        names = [each for each in (info.default, *(info.param_decls or ())) if each is not ...]
        if isinstance(info, ArgumentInfo):
            takes_rest = type_ == list[Path]
            if not (type_ in (str, Path) or takes_rest) or names or not _says_no_more(info):
                return {}
            found[name] = _Parameter(name, Path if takes_rest else type_, True, takes_rest)
        elif kind and names and all(map(_is_option, names)) and _says_no_more(info, _BOUNDS):
            least = -math.inf if info.min is None else info.min
            most = math.inf if info.max is None else info.max
            if kind is not int and (least, most) != (-math.inf, math.inf):
                return {}
            parameter = _Parameter(name, kind, False, least=least, most=most)
            found.update({str(each): parameter for each in names})
        elif not _may_rest(parameters[name].default, info):
            return {}
    return found


def _may_rest(default: object, info: ParameterInfo) -> bool:
    """Return whether a parameter that no line here can name has its default's value, whatever it takes."""
    plain = default is None or isinstance(default, bool | Enum)
    return (
        plain and isinstance(info, OptionInfo) and _says_no_more(info, (*_BOUNDS, "case_sensitive"))
    )


def _kind(type_: Any) -> type | None:
    """Return the one type of a value, `None` for lists, enumerations and whatever else there is."""
    members: Iterator[Any] = iter((type_,))
    if isinstance(type_, UnionType):
        members = (each for each in get_args(type_) if each is not NoneType)
    kinds = list(members)
    return kinds[0] if len(kinds) == 1 and kinds[0] in (bool, str, Path, int) else None


def _is_option(name: object) -> bool:
    return isinstance(name, str) and name.startswith("-") and "/" not in name and " " not in name


def _says_no_more(info: ParameterInfo, beside: Sequence[str] = ()) -> bool:
    """Return whether all that bears on a value's meaning, `beside` aside, is as Typer has it by default."""
    usual = vars(type(info)(default=info.default))
    return all(
        value is usual[name] or value == usual[name]
        for name, value in vars(info).items()
        if name not in _PLAIN and name not in beside
    )
