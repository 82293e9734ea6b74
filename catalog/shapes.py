"""Classes that are their fields, as `dataclasses` makes them, in a tenth of the time.

Making one dataclass takes most of a millisecond, and loading `dataclasses` some ten; a short
command such as `dcat dicomdir create` meets half a hundred before it reads its first file. Here one
method is generated for each class, `__init__`, and the others are shared. Type checkers and readers
see the same thing (PEP 681).

What is left out is what dcat does not use: ordering and keyword-only fields.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, dataclass_transform, overload

T = TypeVar("T")

_MISSING: Any = object()


class Field:
    """What is said of a field besides its type; made by `field`."""

    __slots__ = ("compare", "default", "default_factory")

    def __init__(self, default: object, default_factory: object, compare: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.compare = compare


class _Shape(NamedTuple):
    """Fields of a class and of those that it extends: types, and defaults or what `field` says."""

    hints: dict[str, str]
    said: dict[str, Any]


@overload
def field(*, default: T, compare: bool = True) -> T: ...
@overload
def field(*, default_factory: Callable[[], T], compare: bool = True) -> T: ...
def field(*, default: Any = _MISSING, default_factory: Any = _MISSING, compare: bool = True) -> Any:
    """Return the declaration of a field with a default, or one that has no part in equality.

    `default_factory` is called for each object that is made without a value.
    """
    return Field(default, default_factory, compare)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Return `cls` as a class of values: equal and hashed by its fields, which cannot be set.

    As `dataclass(frozen=True, slots=True)`.
    """
    made, names, compared = _made(cls)
    _by_value(made, compared)
    get = _getter(compared)
    _give(made, "__hash__", lambda self: hash(get(self)))
    _give(made, "__setattr__", _refused)
    _give(made, "__delattr__", _refused)
    _give(made, "__reduce__", _reduction(made, names))
    return made


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """Return `cls` as a class whose objects are equal by their fields, which can be set.

    As `dataclass(slots=True)`.
    """
    made, _, compared = _made(cls)
    _by_value(made, compared)
    made.__hash__ = None  # type: ignore[assignment]  # as Python itself has it where only == is defined
    return made


@dataclass_transform(field_specifiers=(field,))
def particular(cls: type[T]) -> type[T]:
    """Return `cls` as a class whose objects are equal to themselves alone; their fields can be set.

    As `dataclass(slots=True, eq=False)`.
    """
    return _made(cls)[0]


def replace(it: T, **changes: object) -> T:
    """Return a new object with the fields of `it`, those in `changes` replaced.

    Raises
    ------
    TypeError
        If one of `changes` is no field.
    """
    cls = type(it)
    values = {name: getattr(it, name) for name in cls.__match_args__}  # type: ignore[attr-defined]  # every class made here has it
    unknown = changes.keys() - values.keys()
    if unknown:
        raise TypeError(f"{cls.__name__} has no field {min(unknown)!r}")
    return cls(**{**values, **changes})


def _made(cls: type[T]) -> tuple[type[T], tuple[str, ...], tuple[str, ...]]:
    """Return `cls` with slots and what every class here has; all field names, and those compared."""
    namespace = dict(cls.__dict__)
    own: dict[str, str] = {
        name: hint
        for name, hint in namespace.get("__annotations__", {}).items()
        if not str(hint).startswith("ClassVar")
    }
    inherited = getattr(cls, "__shape__", _Shape({}, {}))
    hints = {**inherited.hints, **own}
    said = {**inherited.said, **{n: namespace.pop(n) for n in own if n in namespace}}
    names = tuple(hints)
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    namespace["__slots__"] = tuple(name for name in own if name not in inherited.hints)
    namespace["__match_args__"] = names
    namespace["__shape__"] = _Shape(hints, said)
    maker: Any = type(cls)
    made = maker(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    if "__init__" not in namespace:
        made.__init__ = _initializer(made, names, said)
        made.__init__.__annotations__ = {**hints, "return": None}
    if "__repr__" not in namespace:
        made.__repr__ = _representation
    compared = tuple(
        name for name in names if not isinstance(said.get(name), Field) or said[name].compare
    )
    return made, names, compared


def _initializer(made: Any, names: tuple[str, ...], said: dict[str, Any]) -> Callable[..., None]:
    """Return `__init__`; it sets the slots themselves, which `__setattr__` does not keep from it."""
    scope: dict[str, Any] = {}
    parameters, body = [], []
    for name in names:
        scope[f"_set_{name}"] = getattr(made, name).__set__
        value = name
        default = said.get(name, _MISSING)
        if isinstance(default, Field):
            if default.default_factory is not _MISSING:
                scope[f"_make_{name}"] = default.default_factory
                scope["_missing"] = _MISSING
                value = f"_make_{name}() if {name} is _missing else {name}"
                default = _MISSING
                parameters.append(f"{name}=_missing")
            else:
                default = default.default
        if default is not _MISSING:
            scope[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        elif value is name:
            parameters.append(name)
        body.append(f" _set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        body.append(" self.__post_init__()")
    text = f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(body or [" pass"])
    exec(text, scope)  # names of fields are identifiers of this program's own
    initializer: Callable[..., None] = scope["__init__"]
    initializer.__qualname__ = f"{made.__qualname__}.__init__"
    initializer.__module__ = made.__module__
    return initializer


def _by_value(made: Any, compared: tuple[str, ...]) -> None:
    get = _getter(compared)

    def equal(self: object, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return get(self) == get(other)

    _give(made, "__eq__", equal)


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a function from an object to the values of its fields."""
    if not names:
        return lambda _: ()
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda it: (get(it),)
    return attrgetter(*names)


def _give(made: Any, name: str, method: Callable[..., Any]) -> None:
    """Set a method, unless the class has its own."""
    own = made.__dict__.get(name)
    # A class that defines __eq__ gets `__hash__ = None` of Python, which nobody wrote.
    if own is None:
        setattr(made, name, method)


def _representation(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({shown})"


def _refused(self: object, name: str, value: object = None) -> None:
    raise AttributeError(f"cannot assign to field {name!r}")


def _reduction(made: Any, names: tuple[str, ...]) -> Callable[[Any], Any]:
    get = _getter(names)

    def reduced(self: Any) -> Any:
        return _restored, (self.__class__, get(self))

    return reduced


def _restored(cls: Any, values: tuple[object, ...]) -> Any:
    """Return the object that has these values, without asking `__init__`, which may want others."""
    it = object.__new__(cls)
    for name, value in zip(cls.__match_args__, values, strict=True):
        getattr(cls, name).__set__(it, value)
    return it
