"""How commands declare their arguments and options, in Typer's words, without loading Typer.

Typer with what it needs takes longer to load than a short command to run. A declaration only keeps
what was said; `for_typer` says it to Typer, and `catalog.cli.plain_lines` reads the plainest lines
from it directly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from catalog.shapes import field, frozen

if TYPE_CHECKING:
    import typer


@frozen
class Declared:
    """What is said of one parameter: `kind` is `Option` or `Argument`; the rest are Typer's words."""

    kind: str
    names: tuple[str, ...]
    said: Mapping[str, Any] = field(default_factory=dict)

    def for_typer(self) -> object:
        """Return the same as Typer has it."""
        import typer

        return getattr(typer, self.kind)(*self.names, **self.said)


@frozen
class Group:
    """Commands under one name.

    Attributes
    ----------
    commands:
        By their own names, in the order of `--help`: the function, or where it stands in
        `catalog.cli` as `module.function`, so that one command does not load what another needs.
    """

    help: str
    commands: Mapping[str, Callable[..., Any] | str]

    def command(self, name: str) -> Callable[..., Any] | None:
        """Return the function of the command `name`, `None` if there is none."""
        found = self.commands.get(name)
        if not isinstance(found, str):
            return found
        module, function = found.split(".")
        command: Callable[..., Any] = getattr(import_module(f"catalog.cli.{module}"), function)
        return command


def Option(*names: str, **said: Any) -> Declared:
    """Return the declaration of an option; the parameters are those of `typer.Option`."""
    return Declared("Option", names, said)


def Argument(**said: Any) -> Declared:
    """Return the declaration of an argument; the parameters are those of `typer.Argument`."""
    return Declared("Argument", (), said)


def hints(command: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the parameters of `command`, with what is declared of them."""
    return get_type_hints(command, include_extras=True)


def for_typer(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return `command` with its declarations as Typer reads them."""
    import inspect

    @functools.wraps(command)
    def called(*args: Any, **values: Any) -> Any:
        return command(*args, **values)

    said = {name: _said_to_typer(hint) for name, hint in hints(command).items()}
    signature = inspect.signature(command)
    parameters = [
        each.replace(annotation=said[name]) for name, each in signature.parameters.items()
    ]
    called.__annotations__ = said
    vars(called)["__signature__"] = signature.replace(parameters=parameters)
    return called


def _said_to_typer(hint: Any) -> Any:
    if hasattr(hint, "__metadata__"):
        type_, *infos = get_args(hint)
        said = [each.for_typer() if isinstance(each, Declared) else each for each in infos]
        return get_origin(hint)[(type_, *said)]
    return hint


def group_for_typer(group: Group) -> typer.Typer:
    """Return `group` as Typer has it."""
    import typer

    app = typer.Typer(help=group.help, no_args_is_help=True)
    for name in group.commands:
        command = group.command(name)
        assert command is not None
        app.command(name)(for_typer(command))
    return app
