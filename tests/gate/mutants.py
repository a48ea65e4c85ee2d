"""Breaks one line of the gate for the length of a block, in the running code of every function that holds it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType


@contextmanager
def broken(module: ModuleType, line: str, instead: str) -> Iterator[None]:
    """Replaces `line` (part of a line of the module's source, found once) by `instead`. Raises LookupError when it is not there.

    Functions keep their identity, so whoever imported them by name runs the broken ones too.
    """
    source = inspect.getsource(module)
    if source.count(line) != 1:
        raise LookupError(
            f"{module.__name__}: {line!r} is there {source.count(line)} times; the gate was changed, so must this test"
        )
    names = dict(vars(module))
    exec(compile(source.replace(line, instead), module.__file__ or module.__name__, "exec"), names)
    kept: list[tuple[FunctionType, object]] = []
    for function, other in _functions(module, names):
        if function.__code__ != other.__code__:
            kept.append((function, function.__code__))
            function.__code__ = other.__code__
    if not kept:
        raise LookupError(f"{module.__name__}: nothing changed with {instead!r}")
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code  # type: ignore[assignment]


def _functions(module: ModuleType, names: dict[str, object]) -> Iterator[tuple[FunctionType, FunctionType]]:
    """The module's own functions and methods, each beside the one of the same name in the broken source."""
    for name, thing in vars(module).items():
        other = names.get(name)
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if isinstance(thing, FunctionType) and isinstance(other, FunctionType):
            yield thing, other
        elif isinstance(thing, type) and isinstance(other, type):
            for key, method in vars(thing).items():
                twin = vars(other).get(key)
                if isinstance(method, FunctionType) and isinstance(twin, FunctionType):
                    yield method, twin
